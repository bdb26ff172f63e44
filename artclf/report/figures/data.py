"""Who made the images of a data set, and how their files are stored: tables, and two figures."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from artclf.evaluation.audit import kinds, qualities
from artclf.evaluation.shortcuts import bytes_per_pixel
from artclf.report import format as fmt
from artclf.report import style

_FEW = 10  # groups in a figure


def top(names: pd.Series, most: int) -> pd.Series:
    """Names, of which all but the most frequent are replaced by "12 others" where there are more than `most`."""
    counts = names.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    if len(counts) <= most:
        return names
    return names.where(names.isin(counts.index[: most - 1]), f"{len(counts) - most + 1} others")


def groups_of(table: pd.DataFrame, most: int = _FEW) -> pd.Series:
    """Name the group of each row: "human", or a generator; the smallest generators are taken together."""
    is_ai = table["label"] == "ai"
    generators = table.loc[is_ai, "generator"].replace("human", "human (a generator)")
    return top(generators, most - 1).reindex(table.index, fill_value="human")


def in_order(groups: pd.Series) -> list[str]:
    """Names of groups: human first, then by size."""
    counts = groups.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return sorted(counts.index, key=lambda name: name != "human")


def colours_of(groups: list[str]) -> dict[str, str]:
    """A colour for each group: human is blue, generators are tints of orange, from full to light."""
    ai = [name for name in groups if name != "human"]
    strengths = np.linspace(1.0, 0.38, max(len(ai), 2))
    return {"human": style.HUMAN, **{name: style.shade(style.AI, s) for name, s in zip(ai, strengths, strict=False)}}


def splits_of(table: pd.DataFrame) -> list[str]:
    """List the splits of a table: train, val and test first, then the user's own by name."""
    order = {"train": 0, "val": 1, "test": 2}
    return sorted(table["split"].unique(), key=lambda name: (order.get(name, 3), name))


def count_pictures(table: pd.DataFrame) -> pd.DataFrame:
    """Count images by label and generator (rows, human first) and by split (columns)."""
    counts = pd.crosstab([table["label"], table["generator"]], table["split"])[splits_of(table)]
    counts["together"] = counts.sum(axis=1)
    return counts.sort_values(["label", "together"], ascending=False, kind="stable")


def count_styles(table: pd.DataFrame, most: int = 24) -> pd.DataFrame:
    """Count images by style (rows) and group (columns)."""
    groups = groups_of(table)
    return pd.crosstab(top(table["style"], most), groups)[in_order(groups)]


def describe_files(facts: pd.DataFrame) -> pd.DataFrame:
    """How files are stored, by group (rows): the commonest format, size and JPEG quality, and the median of bytes per pixel."""
    groups = groups_of(facts)
    columns = {
        "format": kinds(facts),
        "size": facts["width"].astype(str) + "×" + facts["height"].astype(str),
        "JPEG quality": qualities(facts),
    }
    density = bytes_per_pixel(facts)
    rows = {
        name: {
            "files": fmt.count((groups == name).sum()),
            **{column: _commonest(values[groups == name]) for column, values in columns.items()},
            "bytes per pixel": f"{density[groups == name].median():.2f}",
        }
        for name in in_order(groups)
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _commonest(values: pd.Series) -> str:
    shares = values.value_counts(normalize=True)
    text = f"{shares.index[0]}: {fmt.share(float(shares.iloc[0]))}"
    return text if len(shares) == 1 else f"{text}, and {fmt.plural(len(shares) - 1, 'other')}"


def plot_classes(table: pd.DataFrame) -> Figure:
    """Plot how many images of each group there are, a bar for each split and class.

    Args:
        table: a manifest's table.
    """
    counts = pd.crosstab([table["split"], table["label"]], groups_of(table))
    bars = [(split, label) for split in splits_of(table) for label in ("human", "ai") if (split, label) in counts.index]
    figure = style.paper(style.WIDE, 1.6 + 0.36 * len(bars), "Images in each split, by who made them")
    axes = figure.subplots()
    names = in_order(groups_of(table))
    left = np.zeros(len(bars))
    for name, colour in colours_of(names).items():
        if name in counts.columns:
            numbers = counts[name].reindex(bars).to_numpy()
            axes.barh(range(len(bars)), numbers, left=left, color=colour, edgecolor=style.PAPER, label=style.short(name))
            left += numbers
    for row, number in enumerate(left):
        axes.annotate(fmt.count(number), (number, row), xytext=(5, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(bars)), [f"{style.short(split) or 'no split given'}: {label}" for split, label in bars])
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.margins(x=0.1)
    figure.legend(loc="outside lower left", ncols=4)
    return figure


def plot_files(facts: pd.DataFrame) -> Figure:
    """Plot side, JPEG quality and bytes per pixel of the files of each group, as box plots.

    Args:
        facts: of a survey.
    """
    groups = groups_of(facts)
    names = in_order(groups)
    side = (facts["width"] * facts["height"]).astype(float) ** 0.5
    quality = pd.to_numeric(facts["jpeg_quality"].astype(object), errors="coerce")
    panels: Mapping[str, pd.Series] = {
        "side in pixels (√ width × height)": side,
        "JPEG quality": quality,
        "bytes per pixel": bytes_per_pixel(facts),
    }
    figure = style.paper(style.WIDE, 1.4 + 0.4 * max(len(names), 2), "How the files are stored, by who made the images")
    grid = figure.subplots(1, len(panels), sharey=True)
    colours = colours_of(names)
    for axes, (title, values) in zip(grid, panels.items(), strict=True):
        parts = [values[groups == name].dropna().to_numpy(dtype=float) for name in names]
        boxes = axes.boxplot(parts, orientation="horizontal", widths=0.6, whis=(0, 100), patch_artist=True)
        for box, name in zip(boxes["boxes"], names, strict=True):
            box.set(facecolor=colours[name], edgecolor=style.INK)
        axes.set_title(title)
        if title != "JPEG quality" and values.min() > 0:
            axes.set_xscale("log")
        axes.grid(axis="x")
    grid[0].set_yticks(range(1, len(names) + 1), [style.short(name) for name in names])
    grid[0].invert_yaxis()
    return figure
