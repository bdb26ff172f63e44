"""Which picture is for what: the splits that a source gives are kept, those that are missing are cut from train.

The same bytes never stand in two splits. A cut is a function of the pictures' bytes and a seed alone: it does not change
with file names, folders, or the order in which a disk lists them.
"""

import hashlib
from dataclasses import dataclass

import pandas as pd

from artclf.errors import ArtclfError

NAMES = {"training": "train", "validation": "val", "valid": "val", "testing": "test"}


@dataclass(frozen=True)
class Duplicates:
    """Files with the same bytes.

    Attributes:
        groups: how many different pictures stand more than once.
        files: how many files they are.
        removed: files left out of a split because the same bytes stand in another one that comes first (test, then splits
            of the user's own, then val, then train).
        contradictory: files left out because the same bytes stand under both labels.
    """

    groups: int
    files: int
    removed: int
    contradictory: int


def assign_splits(
    table: pd.DataFrame, sha256: pd.Series, *, val_fraction: float, test_fraction: float, seed: int
) -> tuple[pd.DataFrame, Duplicates]:
    """Give every picture its split.

    Args:
        table: a manifest's table; `split` may be "" (taken as train).
        sha256: of each file's bytes, aligned with the table.
        val_fraction: share of train that becomes val, where there is no val.
        test_fraction: share of train that becomes test, where there is no test.
        seed: of the cuts.

    Returns:
        The table without the files that were left out, with the column `sha256`, and the count of duplicates.

    Raises:
        ArtclfError: where there is nothing to train on, or one class only.
    """
    table = table.assign(sha256=sha256, split=table["split"].str.lower().replace(NAMES).replace("", "train"))
    copies = table["sha256"].duplicated(keep=False)
    groups, files = int(table.loc[copies, "sha256"].nunique()), int(copies.sum())

    two_labels = table.groupby("sha256")["label"].transform("nunique") > 1
    contradictory = two_labels & (table["split"] != "test")  # an official test split is never touched
    table = table[~contradictory]
    first = table["split"].map(_rank)
    elsewhere = first > first.groupby(table["sha256"]).transform("min")
    other_name = table.groupby("sha256")["split"].transform("first")
    elsewhere |= (table["split"] != other_name) & (first == 1)  # two splits of the user's own: the first one keeps it
    table = table[~elsewhere]

    if not (table["split"] == "train").any():
        raise ArtclfError(
            f"there is no training split; found: {', '.join(sorted(table['split'].unique()))}. "
            "Name one train, or leave the split out (or empty) and it is cut"
        )
    if not (table["split"] == "test").any():
        table = _cut(table, "test", test_fraction, seed)
    if not (table["split"] == "val").any():
        table = _cut(table, "val", val_fraction, seed)
    _refuse_one_class(table)
    duplicates = Duplicates(groups, files, int(elsewhere.sum()), int(contradictory.sum()))
    return table.reset_index(drop=True), duplicates


def _rank(split: str) -> int:
    return {"test": 0, "val": 2, "train": 3}.get(split, 1)


def _refuse_one_class(table: pd.DataFrame) -> None:
    train = table.loc[table["split"] == "train", "label"]
    if train.nunique() < 2:
        have = train.iloc[0] if len(train) else "no picture at all"
        raise ArtclfError(f"the training split has one class only ({have}, {len(train)} pictures); it needs ai and human")


def _cut(table: pd.DataFrame, name: str, fraction: float, seed: int) -> pd.DataFrame:
    """Move a share of train to another split, by label, generator and style; pictures of the same bytes move together.

    Of each label at least one picture moves, where it has two or more, and never all.
    """
    singles = table[table["split"] == "train"].drop_duplicates("sha256")
    order = {sha: hashlib.sha256(f"{name} {seed} {sha}".encode()).digest() for sha in singles["sha256"]}
    chosen: set[str] = set()
    for _, of_label in singles.groupby("label"):
        total = min(max(1, round(len(of_label) * fraction)), len(of_label) - 1)
        chosen.update(_spread(of_label, ["generator", "style"], total, order))
    moved = (table["split"] == "train") & table["sha256"].isin(chosen)
    return table.assign(split=table["split"].mask(moved, name))


def _spread(rows: pd.DataFrame, strata: list[str], total: int, order: dict[str, bytes]) -> list[str]:
    """Choose `total` pictures, in proportion to the first stratum's groups, and in each of these to the next one's."""
    if not strata:
        return sorted(rows["sha256"], key=order.__getitem__)[:total]
    groups = [group for _, group in rows.groupby(strata[0])]
    shares = _shares([len(group) for group in groups], total)
    return [sha for group, n in zip(groups, shares, strict=True) for sha in _spread(group, strata[1:], n, order)]


def _shares(sizes: list[int], total: int) -> list[int]:
    """Divide `total` in proportion to `sizes`, by largest remainders (Hamilton's method); of equals, the first has it."""
    exact = [size * total / sum(sizes) for size in sizes]
    shares = [int(share) for share in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda i: shares[i] - exact[i])
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares
