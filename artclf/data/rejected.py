"""Which images are lost where some can't be read: these are no random sample, but often all of one generator."""

from typing import Any

import pandas as pd

# Coarse to fine: what is named as a class is not named again by its generators.
_GROUPS = (["label"], ["split"], ["label", "generator"], ["label", "style"], ["split", "label", "generator"])
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


def describe_rejected(counts: list[dict[str, Any]]) -> str:
    """The counts of `count_rejected` in words, the highest first."""
    parts = [f"{row['rejected']} of {row['of']} {_describe(row)}" for row in sorted(counts, key=lambda row: -row["rejected"])]
    return ", ".join([*parts[:_MOST_LINES], *(["…"] if len(parts) > _MOST_LINES else [])])


def describe_losses(table: pd.DataFrame) -> list[str]:
    """Name each class, split, generator and style none of whose images can be read, a line each, with the first reason."""
    bad, named, lines = table["reason"] != "", pd.Series(data=False, index=table.index), []
    for columns in _GROUPS:
        lost = bad.groupby([table[column] for column in columns]).transform("all") & ~named
        for _, rows in table[lost].groupby(columns):
            first = rows.iloc[0]
            what = _describe(first[columns].to_dict())
            lines.append(f"all {len(rows):,} {what} can't be read (the first: {first['path']}: {first['reason']})")
        named |= lost
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], f"and all images of {more} more generators or styles can't be read"] if more > 0 else lines


def _describe(group: dict[Any, Any]) -> str:
    """A class, generator, style or split, or what several of these have in common, such as "AI images of the generator X"."""
    parts = [{"ai": "AI images", "human": "human images"}.get(group.get("label", ""), "images")]
    if "generator" in group and group["label"] == "ai":
        parts.append(f"of the generator {group['generator']}")
    if "style" in group:
        parts.append(f"in the style {group['style']}")
    if "split" in group:
        parts.append(f"in the split {group['split'] or 'train'}")
    return " ".join(parts)
