"""Leaving a generator or a style out of training, to test a model on images of a kind that it has never seen.

Its images leave train and val. Its test images become a split of their own, so that a model that has seen the generator and
one that has not are compared on the same images.
"""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from artclf.data.splits import split_names
from artclf.errors import ArtclfError, nearest

By = Literal["generator", "style"]
NO_TEST_IMAGES = "has no test images"
UNKNOWN = ("", "unknown")  # what sources write where the generator or the style is not known


@dataclass(frozen=True)
class LeftOut:
    """What was left out of training."""

    by: str
    leave: str
    split: str  # the name of the split that its test images are
    untrained: int  # how many images of train and val it had
    tested: int  # how many test images


def holdout_names(table: pd.DataFrame, by: By) -> tuple[list[str], dict[str, str]]:
    """List the generators (or styles) of the training split, which can be left out in turn.

    Args:
        table: a source's table; `split` may still be "" (train, part of which will be cut for val and test).
        by: "generator" or "style".

    Returns:
        The names, sorted; and name → reason of those that can't be left out.

    Raises:
        ArtclfError: where there are fewer than two, so that nothing would be left to train on.
    """
    table = table[_rows_of(table, by)]
    split = split_names(table["split"])
    names = sorted(table.loc[split == "train", by].unique())
    if len(names) < 2:
        raise ArtclfError(
            f"+holdout={by}: the training split has one {by} only ({', '.join(names) or 'none'}), and without it no "
            f"{'AI ' if by == 'generator' else ''}images would be left to train on; it takes two {by}s or more, by folders "
            f"of data=folder (ai/GENERATOR/image.jpg, human/STYLE/image.jpg) or by the column {by} of data=csv"
        )
    skipped = {name: f"the data does not name the {by} of these images" for name in names if name in UNKNOWN}
    if (split == "test").any():  # else test is cut from train
        untested = set(names) - set(table.loc[split == "test", by]) - skipped.keys()
        skipped |= dict.fromkeys(sorted(untested), f"it {NO_TEST_IMAGES}")
    return [name for name in names if name not in skipped], skipped


def check_leave(table: pd.DataFrame, by: By, leave: str | None) -> None:
    """Raise an ArtclfError for a name that a source's table does not have, before any file is read."""
    names = sorted(set(table.loc[_rows_of(table, by), by]))
    if leave is None:
        raise ArtclfError(f"holdout.leave: has no value; a run leaves one {by} out: {', '.join(names)}")
    if leave not in names:
        raise ArtclfError(
            f"holdout.leave={leave}: the data has no such {by}; allowed: {', '.join(names) or 'none'}{nearest(leave, names)}"
        )


def hold_out(table: pd.DataFrame, by: By, leave: str | None) -> tuple[pd.DataFrame, LeftOut]:
    """Remove a generator or a style from train and val, and give its test images a split of their own.

    Human images stay where a generator is left out; a style leaves with both classes. Splits of other names stay.

    Args:
        table: a manifest's table, in which every image has its split.
        by: "generator" or "style".
        leave: the name, checked by `check_leave`.

    Returns:
        The remaining table, numbered anew, and what was left out.

    Raises:
        ArtclfError: where it has no training or no test images, or train or val would lose a class.
    """
    assert leave is not None
    rows = _rows_of(table, by) & (table[by] == leave)
    tested = rows & (table["split"] == "test")
    untrained = rows & table["split"].isin(("train", "val"))
    key = f"holdout.leave={leave}"
    if not tested.any():
        raise ArtclfError(f"{key}: this {by} {NO_TEST_IMAGES}")
    if not (rows & (table["split"] == "train")).any():
        raise ArtclfError(f"{key}: is in no training split, so there is nothing to leave out")
    for split in ("train", "val"):
        here = table["split"] == split
        lost = sorted({*table.loc[here, "label"]} - {*table.loc[here & ~rows, "label"]})
        if lost:
            raise ArtclfError(
                f"{key}: without it, no {' and no '.join(lost)} images are left in {split}; a larger data.val_fraction gives "
                "val more, where it is cut from train"
            )
    name = "held_out" if "unseen" in set(table["split"]) else "unseen"
    rest = table.assign(split=table["split"].mask(tested, name))[~untrained]
    return rest.reset_index(drop=True), LeftOut(by, leave, name, int(untrained.sum()), int(tested.sum()))


def _rows_of(table: pd.DataFrame, by: By) -> "pd.Series[bool]":
    """The rows that have a generator (AI images alone) or a style (all)."""
    return (table["label"] == "ai") | (by == "style")
