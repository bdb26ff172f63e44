"""Which images of a table are copies of each other: the same bytes, or nearly the same look."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from artclf.evaluation import Indices

# Bits of 64 by which the hashes of near duplicates may differ. Of 1,900 paintings and drawings, copies scaled to a half, saved
# as JPEG of quality 30 or made brighter by a seventh differ in four at most; those cropped by a twentieth in 6 and more.
NEAR = 4
_EXAMPLES = 5  # groups
_FILES = 4  # of each


def find_duplicates(table: pd.DataFrame) -> tuple[dict[str, Any], Indices]:
    """Find the copies among images. Near copies of near copies are in one group, so that its ends may differ by more bits.

    Args:
        table: the columns path, label, split, sha256 and hash (16 hexadecimal digits, or "" for an image that has none).

    Returns:
        What audit.json holds: exact (the same bytes) and near (the same look, other bytes), each with the number of groups and
        files, groups across_splits and across_labels, test_files (of other splits than train, with a copy in train), and
        examples of groups, those across splits or labels first; and near_bits. And a number for each image, [N], the same for
        copies of each other, exact or near.
    """
    exact, _ = pd.factorize(table["sha256"])
    look, hashes = pd.factorize(table["hash"].where(table["hash"] != ""))  # -1 where there is none
    bits = np.array([int(text, 16) for text in hashes], dtype=np.uint64)
    n, hashed = len(table), np.flatnonzero(look >= 0)
    # a graph of images, then hashes, then file contents; what is connected looks nearly the same
    of_hash, of_content = np.column_stack([hashed, n + look[hashed]]), np.column_stack([np.arange(n), n + len(bits) + exact])
    one, other = np.concatenate([of_hash, of_content, n + near_pairs(bits)]).T
    graph = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(2 * n + len(bits),) * 2)
    group = connected_components(graph, directed=False)[1][:n].astype(np.int64)
    near = (pd.Series(exact).groupby(group).transform("nunique") > 1).to_numpy(dtype=bool)
    found = {"exact": _describe(table, exact), "near": _describe(table[near], group[near]), "near_bits": NEAR}
    return found, group


def near_pairs(bits: npt.NDArray[np.uint64]) -> Indices:
    """Find the pairs of different hashes [M] that differ in at most `NEAR` bits, [P, 2] places in `bits`.

    The 64 bits are cut into one band more than may differ, so two near hashes share one at least; only these are compared.
    """
    found = [np.empty((0, 2), dtype=np.int64)]
    for band in np.array_split(np.arange(64, dtype=np.uint64), NEAR + 1):
        keys = (bits >> band[0]) & np.uint64(2 ** len(band) - 1)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        for step in range(1, len(keys)):
            same = np.flatnonzero(keys[step:] == keys[:-step])
            if not len(same):
                break
            one, other = order[same], order[same + step]
            differing = (bits[one] ^ bits[other]).view(np.uint8).reshape(-1, 8)
            near = np.unpackbits(differing, axis=1).sum(axis=1) <= NEAR
            found.append(np.column_stack([one[near], other[near]]))
    return np.concatenate(found)


def _describe(table: pd.DataFrame, group: Indices) -> dict[str, Any]:
    """Count the groups of two images and more, and list some."""
    rows = table[["path", "label", "split"]].assign(group=group)
    rows = rows[rows["group"].duplicated(keep=False)]
    groups = rows.groupby("group")
    splits, labels = groups["split"].nunique(), groups["label"].nunique()
    has_train = (rows["split"] == "train").groupby(rows["group"]).transform("any")
    within = (splits == 1) & (labels == 1)
    examples = []
    for number in within.sort_values(kind="stable").index[:_EXAMPLES]:
        files = rows[rows["group"] == number]
        one_of_each_first = files.loc[files.duplicated(["split", "label"]).sort_values(kind="stable").index]
        example = {"files": len(files), "paths": one_of_each_first["path"].head(_FILES).tolist()}
        examples.append({**example, "splits": sorted(files["split"].unique()), "labels": sorted(files["label"].unique())})
    return {
        "groups": len(splits),
        "files": len(rows),
        "across_splits": int((splits > 1).sum()),
        "across_labels": int((labels > 1).sum()),
        "test_files": int((has_train & (rows["split"] != "train")).sum()),
        "examples": examples,
    }
