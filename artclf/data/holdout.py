"""Leaving a generator or a style out of training, so that it can be tested how its works are judged unseen.

Its pictures leave train and val. Its test pictures go on being tested, under a split name of their own: whoever compares a
network that has seen a generator with one that has not does so on the very same pictures.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from artclf.data.splits import NAMES
from artclf.errors import ArtclfError, nearest

By = Literal["generator", "style"]
UNSEEN = "unseen"
HELD_OUT = "held_out"  # what the split is called where the user has one called unseen
NO_TEST_IMAGES = "has no test pictures"
UNTOLD = ("", "unknown")  # what sources write where nobody has told the generator or the style


@dataclass(frozen=True)
class LeftOut:
    """What was left out of training: `untrained` images of train and val; its `tested` test images are the split `split`."""

    by: str
    leave: str
    split: str
    untrained: int
    tested: int


def to_leave_out(table: pd.DataFrame, by: By) -> tuple[list[str], dict[str, str]]:
    """List what can be left out in turn, of what a source has listed: the generators (or styles) that would be trained on.

    Args:
        table: a manifest's table; `split` may still be "" (train, part of which will be cut for val and test).
        by: "generator" or "style".

    Returns:
        The names, in order; and name → reason of those that are left aside.

    Raises:
        ArtclfError: where fewer than two would be trained on, so that nothing of it would be left.
    """
    split = table["split"].str.lower().replace(NAMES)
    ai = (table["label"] == "ai") if by == "generator" else pd.Series(True, table.index)
    names = sorted(table.loc[ai & split.isin(("train", "")), by].unique())
    if len(names) < 2:
        found = ", ".join(names) or "none"
        left = "no AI pictures" if by == "generator" else "no pictures"
        raise ArtclfError(
            f"+holdout={by}: the training split has one {by} only ({found}), and without it {left} would be left to train "
            f"on; it takes two {by}s or more" + (_how_to_tell(by) if set(names) & set(UNTOLD) else "")
        )
    aside = {name: f"the data does not tell the {by} of these pictures" for name in names if name in UNTOLD}
    if (split == "test").any():  # else some are cut from train
        tested = set(table.loc[ai & (split == "test"), by])
        aside |= {name: f"it {NO_TEST_IMAGES}" for name in names if name not in tested and name not in aside}
    return [name for name in names if name not in aside], aside


def check_leave(table: pd.DataFrame, by: By, leave: str | None) -> None:
    """Refuse a name that a source's table does not have, before any file is read."""
    names = _names(table, by)
    if leave is None:
        raise ArtclfError(f"holdout.leave: has no value; a run leaves one {by} out: {', '.join(names)}")
    if leave not in names:
        raise ArtclfError(
            f"holdout.leave={leave}: the data has no such {by}; allowed: {', '.join(names) or 'none'}{nearest(leave, names)}"
        )


def hold_out(table: pd.DataFrame, by: By, leave: str | None) -> tuple[pd.DataFrame, LeftOut]:
    """Leave a generator, or a style, out of train and val, and give its test pictures a split of their own.

    Human works stay where a generator is left out; a style goes with both classes. Splits of the user's own stay as they are.

    Args:
        table: a manifest's table, in which every picture has its split.
        by: "generator" or "style".
        leave: the name.

    Returns:
        The table without the pictures that left, numbered anew, and what was left out.

    Raises:
        ArtclfError: where there is no such generator or style, it has no test pictures, it is in no training split, or train
            or val would be left without a class, or wholly empty.
    """
    check_leave(table, by, leave)
    its = table[by] == leave
    if by == "generator":
        its &= table["label"] == "ai"
    if not (its & (table["split"] == "test")).any():
        raise ArtclfError(f"holdout.leave={leave}: this {by} {NO_TEST_IMAGES}")
    trained = its & table["split"].isin(("train", "val"))
    if not (its & (table["split"] == "train")).any():
        raise ArtclfError(f"holdout.leave={leave}: is in no training split, so there is nothing to leave out")
    split = HELD_OUT if UNSEEN in set(table["split"]) else UNSEEN
    rest = table.assign(split=table["split"].mask(its & (table["split"] == "test"), split))[~trained]
    for name in ("train", "val"):
        _refuse_what_is_lost(table, rest, name, f"holdout.leave={leave}")
    return rest.reset_index(drop=True), LeftOut(by, str(leave), split, int(trained.sum()), int((rest["split"] == split).sum()))


def _refuse_what_is_lost(before: pd.DataFrame, after: pd.DataFrame, split: str, key: str) -> None:
    """A split that had a class before has to have it after: weights are not to be chosen by one class alone."""
    labels = {name: set(table.loc[table["split"] == split, "label"]) for name, table in (("had", before), ("has", after))}
    lost = sorted(labels["had"] - labels["has"])
    if lost:
        raise ArtclfError(
            f"{key}: without it, no {' and no '.join(lost)} pictures are left in {split}"
            + ("; a larger data.val_fraction gives it more, where it is cut from train" if split == "val" else "")
        )


def _names(table: pd.DataFrame, by: By) -> list[str]:
    rows: Iterable[str] = table.loc[table["label"] == "ai", by] if by == "generator" else table[by]
    return sorted(set(rows))


def _how_to_tell(by: By) -> str:
    told = "ai/GENERATOR/picture.jpg" if by == "generator" else "human/STYLE/picture.jpg"
    return f", and the data does not tell any: a folder in data=folder ({told}) or a column of data=csv does"
