"""Which images are lost where some can't be read: these are no random sample, but often all of one generator."""

from typing import Any

import pandas as pd

# Coarse to fine: what is said of a class is not said again of its generators.
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
    """The counts of `count_rejected` in words."""
    parts = sorted(counts, key=lambda row: -row["rejected"])
    named = [f"{row['rejected']} of {row['of']} {_describe(pd.Series(row), ['label', 'generator'])}" for row in parts]
    more = [f"and of {len(named) - _MOST_LINES} more generators"] if len(named) > _MOST_LINES else []
    return ", ".join([*named[:_MOST_LINES], *more])


def describe_losses(table: pd.DataFrame) -> list[str]:
    """Name each class, split, generator and style none of whose images can be read, a line each, with the first reason."""
    bad, told, lines = table["reason"] != "", pd.Series(data=False, index=table.index), []
    for columns in _GROUPS:
        lost = bad.groupby([table[column] for column in columns]).transform("all") & ~told
        for _, rows in table[lost].groupby(columns):
            row = rows.iloc[0]
            what = (
                f"the only {_describe(row, columns, 1)}" if len(rows) == 1 else f"all {len(rows):,} {_describe(row, columns)}"
            )
            lines.append(f"{what} can't be read ({row['path']}: {row['reason']})")
        told |= lost
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], f"and all images of {more} more generators or styles can't be read"] if more > 0 else lines


def _describe(row: pd.Series, columns: list[str], number: int = 2) -> str:
    parts = [] if "label" not in columns else ["AI"] if row["label"] == "ai" else ["human"]
    parts.append("image" if number == 1 else "images")
    if "generator" in columns and row["label"] == "ai":
        parts.append(f"of the generator {row['generator'] or 'without a name'}")
    if "style" in columns:
        parts.append(f"in the style {row['style'] or 'without a name'}")
    if "split" in columns:
        parts.append(f"in the split {row['split'] or 'train'}")
    return " ".join(parts)
