"""Which images of a table are copies of each other: the same bytes, or nearly the same look."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from artclf.evaluation.types import Indices

NEAR = 4
"""Bits of 64 by which the hashes of near duplicates may differ.

Unrelated images differ in about half of the bits. Of 1,900 paintings and drawings, copies scaled to a half, saved as JPEG of
quality 30 or made brighter by a seventh differ in four at most; copies cropped by a twentieth differ in 6 and more, and are not
found.
"""

_EXAMPLES = 5
_NAMES = 4  # files named of a group

_ONES = np.array([bin(value).count("1") for value in range(256)], dtype=np.uint8)  # np.bitwise_count came with NumPy 2


@dataclass(frozen=True)
class Copies:
    """Groups of images that are copies of each other.

    Attributes:
        groups, files: how many groups, and how many images they are.
        across_splits, across_labels: groups that stand in several splits, or under both labels.
        test_files: images of other splits than train that have a copy in train.
        examples: the first few groups that cross splits or labels, else of all: paths, splits and labels.
    """

    groups: int
    files: int
    across_splits: int
    across_labels: int
    test_files: int
    examples: list[dict[str, Any]]


@dataclass(frozen=True)
class Duplicates:
    """The copies in a table.

    Attributes:
        exact: of the same bytes.
        near: that look the same, and are not of the same bytes.
        group: [N] a number for each image; those of one number are copies of each other, exact or near.
    """

    exact: Copies
    near: Copies
    group: Indices

    def to_json(self) -> dict[str, Any]:
        """As plain values, and by how many bits near ones may differ."""
        return {"exact": asdict(self.exact), "near": asdict(self.near), "near_bits": NEAR}


def find_duplicates(table: pd.DataFrame, most: int = NEAR) -> Duplicates:
    """Find the copies among images.

    What is near to a near one belongs to its group too, so that the ends of a chain may differ by more.

    Args:
        table: the columns path, label, split, sha256 and hash (16 hexadecimal digits, or "" for an image that has none).
        most: bits by which near ones may differ.
    """
    exact, _ = pd.factorize(table["sha256"])
    hashed = np.flatnonzero((table["hash"] != "").to_numpy())
    bits = np.array([int(text, 16) for text in table["hash"].iloc[hashed]], dtype=np.uint64)
    pairs = [_to_first(np.arange(len(table)), exact), near_pairs(hashed, bits, most)]
    ends = np.concatenate(pairs)
    graph = coo_array((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(len(table), len(table)))
    _, group = connected_components(graph, directed=False)
    group = group.astype(np.int64)
    sizes = pd.Series(exact).groupby(group).nunique()
    near = np.isin(group, sizes.index[sizes > 1])
    return Duplicates(_describe(table, exact), _describe(table[near].reset_index(drop=True), group[near]), group)


def near_pairs(places: Indices, bits: npt.NDArray[np.uint64], most: int) -> Indices:
    """Find pairs of hashes that differ in few bits, without comparing all with all.

    The 64 bits are cut into one band more than may differ, so that two near hashes share one band at least (the pigeonhole
    principle); only hashes that share a band are compared.

    Args:
        places: [M], what to call each by.
        bits: [M], the hashes.
        most: bits by which a pair may differ.

    Returns:
        [P, 2] of the places, enough to join all that are near: of equal hashes, the first stands for the others.
    """
    different, first, code = np.unique(bits, return_index=True, return_inverse=True)
    found = [_to_first(places, code.ravel())]
    for band in np.array_split(np.arange(64, dtype=np.uint64), most + 1):
        keys = (different >> band[0]) & np.uint64(2 ** len(band) - 1)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        for step in range(1, len(keys)):
            same = np.flatnonzero(keys[step:] == keys[:-step])
            if not len(same):
                break
            one, other = order[same], order[same + step]
            near = _distance(different[one], different[other]) <= most
            found.append(np.column_stack([places[first[one[near]]], places[first[other[near]]]]))
    return np.concatenate(found)


def _distance(one: npt.NDArray[np.uint64], other: npt.NDArray[np.uint64]) -> Indices:
    """In how many bits they differ (Hamming), [P]."""
    differing = np.ascontiguousarray(one ^ other).view(np.uint8).reshape(-1, 8)
    distance: Indices = _ONES[differing].sum(axis=1, dtype=np.int64)
    return distance


def _to_first(places: Indices, codes: Indices) -> Indices:
    """Pair each place with the first one of its code, [M, 2]."""
    _, first, code = np.unique(codes, return_index=True, return_inverse=True)
    return np.column_stack([places, places[first[code.ravel()]]]) if len(places) else np.empty((0, 2), dtype=np.int64)


def _describe(table: pd.DataFrame, group: Indices) -> Copies:
    """Count the groups of two images and more, and name some."""
    rows = pd.DataFrame({"group": group, **{name: table[name].to_numpy() for name in ("path", "label", "split")}})
    rows = rows[rows.groupby("group")["path"].transform("size") > 1]
    splits, labels = (rows.groupby("group")[name].nunique() for name in ("split", "label"))
    trained = rows.assign(train=rows["split"] == "train").groupby("group")["train"].transform("any")
    crossing = splits.index[(splits > 1) | (labels > 1)]
    named: Sequence[Any] = list(crossing[:_EXAMPLES]) or list(splits.index[:_EXAMPLES])
    examples = []
    for number in named:
        of_group = rows[rows["group"] == number].drop_duplicates(["split", "label", "path"])
        # one of each split and label first
        shown = pd.concat([of_group.drop_duplicates(["split", "label"]), of_group]).drop_duplicates("path").head(_NAMES)
        examples.append(
            {
                "files": len(of_group),
                "paths": shown["path"].tolist(),
                "splits": sorted(of_group["split"].unique().tolist()),
                "labels": sorted(of_group["label"].unique().tolist()),
            }
        )
    return Copies(
        groups=len(splits),
        files=len(rows),
        across_splits=int((splits > 1).sum()),
        across_labels=int((labels > 1).sum()),
        test_files=int((trained & (rows["split"] != "train")).sum()),
        examples=examples,
    )
