"""Leaving a generator, a style, a source or the latest years out of training, to test a model on what it has never seen.

All their images, of every split, become a split of their own.
"""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from artclf.data.manifest import LABELS, families
from artclf.data.splits import cut_split, split_names
from artclf.errors import ArtclfError, nearest

By = Literal["generator", "style", "source", "period"]
UNKNOWN = "unknown"  # what sources write where the generator or the style is not known
NEEDED = {
    "generator": "by folders of data=folder (ai/GENERATOR/image.jpg) or the column generator of data=csv",
    "style": "by folders of data=folder (ai/GENERATOR/STYLE/image.jpg, human/STYLE/image.jpg) or the column style of data=csv",
    "source": "by the column source of data=csv",
    "period": "by the column year of data=csv",
}


@dataclass(frozen=True)
class LeftOut:
    """What was left out of training."""

    by: str
    leave: str
    split: str  # the name of the split that all its images are
    untrained: int  # how many of them were images of train and val
    tested: int  # how many there are
    human: int  # how many of these are human
    val_is_cut: bool  # whether validation had too few other images, and was cut from train instead


def holdout_names(table: pd.DataFrame, by: By) -> tuple[list[str], dict[str, str]]:
    """List what the training split has of a kind, and can be left out in turn: the families of its generators, its styles, ….

    Args:
        table: a source's table; `split` may still be "" (train, part of which will be cut for val and test).
        by: the kind; of a period, the years of AI images but the first, each with all later ones.

    Returns:
        The names, sorted; and name → reason of those that can't be left out.

    Raises:
        ArtclfError: where nothing can be left out, or the table lacks the column or has years that are no years.
    """
    names_of = _names(table, by)
    train = split_names(table["split"]) == "train"
    names = sorted(set(names_of[train & ((table["label"] == "ai") | (by != "period"))]) - {""})
    if by == "period":
        del names[:1]  # nothing is earlier
    skipped = {}
    for name in names:
        if name == UNKNOWN:
            skipped[name] = f"the data does not name the {by} of these images"
        elif lost := _lost(table[train], _is_left_out(names_of, by, name)):
            skipped[name] = f"without it, no {lost} images would be left to train on"
    if not names or len(skipped) == len(names):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise ArtclfError(
            f"+holdout={by}: the training split has no {by} that can be left out ({reasons or 'none is named'}); it takes two "
            f"{by}s or more, {NEEDED[by]}"
        )
    return [name for name in names if name not in skipped], skipped


def check_leave(table: pd.DataFrame, by: By, leave: str | None) -> None:
    """Raise an ArtclfError for a name that a source's table does not have, before any file is read."""
    names = sorted(set(_names(table, by)) - {""})
    if leave is None:
        raise ArtclfError(f"holdout.leave: has no value; a run leaves one {by} out: {', '.join(names)}")
    if leave not in names:
        raise ArtclfError(
            f"holdout.leave={leave}: the data has no such {by}; allowed: {', '.join(names) or 'none'}{nearest(leave, names)}"
        )


def hold_out(table: pd.DataFrame, by: By, leave: str | None, *, val_fraction: float, seed: int) -> tuple[pd.DataFrame, LeftOut]:
    """Give all images of what is left out a split of their own.

    Human images stay where a generator is left out; else they leave as AI images do. Where val then lacks a class, it is cut
    from train anew.

    Args:
        table: a manifest's table with sha256, in which every image has its split.
        by: what is left out.
        leave: the name, checked by `check_leave`; of a period, its first year: all later ones leave too.
        val_fraction: share of train that becomes val, where val is cut anew.
        seed: of that cut.

    Returns:
        The table, and what was left out.

    Raises:
        ArtclfError: where it has no training images, or train would lose a class.
    """
    assert leave is not None
    key, rows = f"holdout.leave={leave}", _is_left_out(_names(table, by), by, leave)
    if not (rows & (table["split"] == "train")).any():
        raise ArtclfError(f"{key}: is in no training split, so there is nothing to leave out")
    if lost := _lost(table[table["split"] == "train"], rows):
        raise ArtclfError(f"{key}: without it, no {lost} images are left in train")
    untrained = int((rows & table["split"].isin(("train", "val"))).sum())
    name = "held_out" if "unseen" in set(table.loc[~rows, "split"]) else "unseen"
    left = table.assign(split=table["split"].mask(rows, name))
    val_is_cut = bool(_lost(table[table["split"] == "val"], rows))
    if val_is_cut:
        left = cut_split(left.replace({"split": {"val": "train"}}), "val", val_fraction, seed)
    human = int((rows & (table["label"] == "human")).sum())
    return left, LeftOut(by, leave, name, untrained, int(rows.sum()), human, val_is_cut)


def _names(table: pd.DataFrame, by: By) -> "pd.Series[str]":
    """What each image belongs to: its generator's family, its style, source or year; "" where to nothing that can leave."""
    column = "year" if by == "period" else by
    if column not in table:
        raise ArtclfError(f"+holdout={by}: the data does not say the {column} of its images; it is told {NEEDED[by]}")
    if by == "generator":
        return families(table[by]).replace("", UNKNOWN).where(table["label"] == "ai", "")
    if by != "period":
        return table[by].replace("", UNKNOWN)
    years = pd.to_numeric(table["year"], errors="coerce")
    bad = years.isna() & ((table["year"] != "") | (table["label"] == "ai"))
    if bad.any():
        path, year = table.loc[bad, ["path", "year"]].iloc[0]
        raise ArtclfError(
            f"+holdout=period: {bad.sum()} images have no year that can be read (first: {path}: {year or 'none'}); each AI "
            "image needs one, such as 2023, and human images have one or none"
        )
    return years.map(lambda year: f"{year:04.0f}", na_action="ignore").fillna("")


def _is_left_out(names: "pd.Series[str]", by: By, leave: str) -> "pd.Series[bool]":
    return names >= leave if by == "period" else names == leave


def _lost(table: pd.DataFrame, rows: "pd.Series[bool]") -> str:
    """The classes that a table has, and no more without these rows; "" where it loses none."""
    remaining = set(table.loc[~rows[table.index], "label"])
    return " and no ".join(label for label in LABELS if label in set(table["label"]) - remaining)
