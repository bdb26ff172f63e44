"""Which images are lost where some can't be read: these are no random sample, but often all of one generator."""

from typing import Any

import pandas as pd

_MOST_LINES = 10


def count_rejected(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Count the rejected images by class and generator.

    Args:
        table: a row for each image that was listed: label, generator, style, split, and a `reason`, "" where it can be read.

    Returns:
        label, generator, how many are rejected, and how many there are (`of`), for each generator that has some.
    """
    counts = (table["reason"] != "").groupby([table["label"], table["generator"]]).agg(["sum", "size"])
    rows = counts[counts["sum"] > 0].reset_index().set_axis(["label", "generator", "rejected", "of"], axis=1)
    return [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]


def describe_losses(table: pd.DataFrame) -> list[str]:
    """Name each class, split, generator and style none of whose images can be read, a line each, with the first reason."""
    label = table["label"].map({"ai": "AI images", "human": "human images"})
    split = " in the split " + table["split"].replace("", "train")
    generator = label + (" of the generator " + table["generator"]).where(table["label"] == "ai", "")
    bad, named, lines = table["reason"] != "", pd.Series(data=False, index=table.index), []
    # coarse to fine: what is named as a class is not named again by its generators
    for group in (label, "images" + split, generator, label + " in the style " + table["style"], generator + split):
        lost = bad.groupby(group).transform("all") & ~named
        for name, rows in table[lost].groupby(group[lost]):
            path, reason = rows.iloc[0][["path", "reason"]]
            lines.append(f"all {len(rows):,} {name} can't be read (the first: {path}: {reason})")
        named |= lost
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], f"and all images of {more} more generators or styles can't be read"] if more > 0 else lines
