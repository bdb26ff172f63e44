"""Which image is in which split: a source's own splits are kept, missing ones are cut from train.

The same bytes never stand in two splits. A cut depends on the images' bytes and a seed alone, not on file names, folders, or
the order in which a disk lists them.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from artclf.errors import ArtclfError


@dataclass(frozen=True)
class Duplicates:
    """Files with the same bytes. Each image stays once at most."""

    groups: int  # different images that stand more than once
    files: int  # the number of their files
    removed: int  # files left out because another split has the same bytes: test, then other names, val and train
    contradictory: int  # files left out because the same bytes have both labels
    copies: int = 0  # files left out because the same split has the same bytes

    def __str__(self) -> str:
        """A line about what was left out."""
        return (
            f"{self.files} files are copies of {self.groups} images, each of which counts once; left out: {self.copies} in the "
            f"same split, {self.removed} that another split has too, {self.contradictory} under both labels"
        )


def split_names(given: pd.Series) -> pd.Series:
    """The names of splits as artclf spells them; an empty one is train, part of which may be cut for val and test."""
    spelled = {"training": "train", "validation": "val", "valid": "val", "testing": "test", "": "train"}
    return given.str.lower().replace(spelled)


def assign_splits(
    table: pd.DataFrame, sha256: pd.Series, *, val_fraction: float, test_fraction: float, seed: int
) -> tuple[pd.DataFrame, Duplicates]:
    """Give every image its split.

    Args:
        table: a manifest's table; `split` may be "" (taken as train).
        sha256: of each file's bytes, aligned with the table.
        val_fraction: share of train that becomes val, where there is no val.
        test_fraction: share of train that becomes test, where there is no test.
        seed: of the cuts.

    Returns:
        The table without the files that were left out, with the column `sha256`; and the count of duplicates.

    Raises:
        ArtclfError: where there is nothing to train on, one class only, or too little to be cut.
    """
    table, duplicates = drop_copies(table.assign(sha256=sha256, split=split_names(table["split"])))
    train, copies = table.loc[table["split"] == "train", "label"], f" ({duplicates})" if duplicates.files else ""
    if train.empty:
        raise ArtclfError(
            f"there is no training split; found: {', '.join(sorted(table['split'].unique())) or 'no images'}{copies}. "
            "Name one train, or leave the split out (or empty) and it is cut"
        )
    if train.nunique() < 2:
        raise ArtclfError(
            f"the training split has one class only ({train.iloc[0]}, {len(train)} images); it needs ai and human{copies}"
        )
    for name, fraction in (("test", test_fraction), ("val", val_fraction)):
        if not (table["split"] == name).any():
            table = cut_split(table, name, fraction, seed)
    return table.reset_index(drop=True), duplicates


def drop_copies(table: pd.DataFrame) -> tuple[pd.DataFrame, Duplicates]:
    """Leave each image once at most, by its bytes.

    Of copies in several splits, those of test stay, else those of other names, val and train; of these, the first one. Copies
    under both labels all go, except from a test split in which they have one label.

    Args:
        table: the columns label, split and sha256, "" for a file that can't be read, which stays.
    """
    sha, of_test = table["sha256"], table["split"] == "test"
    known = sha != ""
    copies = sha[known & sha.duplicated(keep=False)]
    two_labels = table.groupby("sha256")["label"].transform("nunique") > 1
    two_in_test = table["label"].where(of_test).groupby(sha).transform("nunique") > 1
    contradictory = known & two_labels & (~of_test | two_in_test)
    rank = table["split"].map({"test": 0, "val": 2, "train": 3}).fillna(1)
    best_first = table.loc[rank[known & ~contradictory].sort_values(kind="stable").index]
    kept = best_first.drop_duplicates("sha256")
    left_out = best_first.drop(kept.index)
    removed = left_out["split"] != left_out["sha256"].map(kept.set_index("sha256")["split"])
    counts = (int(marked.sum()) for marked in (removed, contradictory, ~removed))
    return table[~known | table.index.isin(kept.index)], Duplicates(copies.nunique(), len(copies), *counts)


def cut_split(table: pd.DataFrame, name: str, fraction: float, seed: int) -> pd.DataFrame:
    """Move a share of train to another split, stratified by label, source (where there is one) and generator, and style.

    Of each label at least one image moves, where it has two or more, and never all. ArtclfError where none has two.
    """
    train = table["split"] == "train"
    images = table[train]
    order = images["sha256"].map(lambda sha: hashlib.sha256(f"{name} {seed} {sha}".encode()).hexdigest())
    images = images.loc[order.sort_values().index]
    strata = [["source", "generator"] if "source" in table else ["generator"], ["style"]]
    chosen: list[str] = []
    for _, of_label in images.groupby("label"):
        total = min(max(1, round(len(of_label) * fraction)), len(of_label) - 1)
        chosen += _stratified(of_label, strata, total)
    if not chosen:
        counts = " and ".join(f"{number} {label}" for label, number in images["label"].value_counts().sort_index().items())
        raise ArtclfError(
            f"no image is left to be cut for {name}: the training split has {counts}, and one of each has to stay in it; add "
            f"images (three of a class are enough where val and test are cut), or name a split {name} yourself"
        )
    return table.assign(split=table["split"].mask(train & table["sha256"].isin(chosen), name))


def _stratified(images: pd.DataFrame, strata: list[list[str]], total: int) -> list[str]:
    """Choose the first `total` images, in proportion to the first stratum's groups, and in each of these to the next one's.

    Of each group of two or more images at least one is chosen, where `total` allows it.
    """
    if not strata:
        return images["sha256"][:total].tolist()
    groups = [group for _, group in images.groupby(strata[0])]
    exact = np.array([len(group) * total / len(images) for group in groups])
    shares = np.floor(exact).astype(int)
    shares[np.argsort(shares - exact, kind="stable")[: total - shares.sum()]] += 1  # Hamilton's method
    for place, group in enumerate(groups):
        if not shares[place] and len(group) > 1 and shares.max() > 1:
            shares[[place, shares.argmax()]] += 1, -1
    return [sha for group, share in zip(groups, shares, strict=True) for sha in _stratified(group, strata[1:], share)]
