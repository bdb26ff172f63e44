"""The images of a data set by class, generator, split and style, and how their files are stored: tables and figures."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from artclf.evaluation.shortcuts import bytes_per_pixel
from artclf.report import format as fmt
from artclf.report import style
from artclf.report.figures.draw import draw_stacked_bars


def top(names: pd.Series, most: int) -> pd.Series:
    """Replace all but the most frequent names by "12 others" where there are more than `most`."""
    counts = names.value_counts()
    if len(counts) <= most:
        return names
    return names.where(names.isin(counts.index[: most - 1]), f"{len(counts) - most + 1} others")


def groups_of(table: pd.DataFrame, most: int = 10) -> pd.Series:
    """Name the group of each row: "human", or a generator; the smallest generators are taken together.

    The result is categorical: human comes first, then the largest.
    """
    generators = table.loc[table["label"] == "ai", "generator"].replace("human", "human (a generator)")
    groups = top(generators, most - 1).reindex(table.index, fill_value="human")
    names = sorted(groups.value_counts().index, key=lambda name: name != "human")
    return groups.astype(pd.CategoricalDtype(names))


def splits_of(table: pd.DataFrame) -> list[str]:
    """List the splits of a table: train, val and test first, then the user's own by name."""
    order = {"train": 0, "val": 1, "test": 2}
    return sorted(table["split"].unique(), key=lambda name: (order.get(name, 3), name))


def count_images(table: pd.DataFrame) -> pd.DataFrame:
    """Count images by label and generator (rows, human first) and by split (columns, and their sum)."""
    counts = pd.crosstab([table["label"], table["generator"]], table["split"])[splits_of(table)]
    counts["together"] = counts.sum(axis=1)
    return counts.sort_values(["label", "together"], ascending=False, kind="stable")


def count_styles(table: pd.DataFrame, most: int = 24) -> pd.DataFrame:
    """Count images by style (rows) and group (columns)."""
    return pd.crosstab(top(table["style"], most), groups_of(table))


def _colours(groups: pd.Series) -> dict[str, str]:
    """Human is blue; generators are tints of orange, from full to light."""
    ai = [name for name in groups.cat.categories if name != "human"]
    tints = [style.shade(style.AI, strength) for strength in np.linspace(1.0, 0.38, max(len(ai), 2))]
    colours = {"human": style.HUMAN, **dict(zip(ai, tints, strict=False))}
    return {name: colours[name] for name in groups.cat.categories}


def plot_classes(table: pd.DataFrame) -> Figure:
    """Plot how many images of each group a manifest's table has, a bar for each split and class."""
    groups = groups_of(table)
    counts = pd.crosstab([table["split"], table["label"]], groups)
    bars = [(split, label) for split in splits_of(table) for label in ("human", "ai") if (split, label) in counts.index]
    counts = counts.loc[bars].set_axis([f"{style.short(split) or 'no split given'}: {label}" for split, label in bars])
    looks: dict[str, dict[str, Any]] = {
        name: {"color": colour, "edgecolor": style.PAPER, "label": style.short(name)}
        for name, colour in _colours(groups).items()
    }
    figure = style.paper(style.WIDE, 1.6 + 0.36 * len(bars), "Images in each split, by class and generator")
    axes = figure.subplots()
    draw_stacked_bars(axes, counts, looks)
    totals = counts.sum(axis=1)
    axes.bar_label(axes.containers[-1], [fmt.count(number) for number in totals], padding=5)  # type: ignore[arg-type]
    axes.set_xlim(0, 1.1 * totals.max())
    figure.legend(loc="outside lower left", ncols=4)
    return figure


def plot_files(facts: pd.DataFrame) -> Figure:
    """Plot side, JPEG quality and bytes per pixel of each group's files as box plots; `facts` are a survey's."""
    groups = groups_of(facts)
    colours = _colours(groups)
    panels = {
        "side in pixels (√ width × height)": (facts["width"] * facts["height"]).astype(float) ** 0.5,
        "JPEG quality": pd.to_numeric(facts["jpeg_quality"].astype(object), errors="coerce"),
        "bytes per pixel": bytes_per_pixel(facts),
    }
    figure = style.paper(style.WIDE, 1.4 + 0.4 * max(len(colours), 2), "How the files are stored, by class and generator")
    grid = figure.subplots(1, len(panels), sharey=True)
    for axes, (title, values) in zip(grid, panels.items(), strict=True):
        parts = [values[groups == name].dropna().to_numpy(dtype=float) for name in colours]
        boxes = axes.boxplot(parts, orientation="horizontal", widths=0.6, whis=(0, 100), patch_artist=True)
        for box, colour in zip(boxes["boxes"], colours.values(), strict=True):
            box.set(facecolor=colour, edgecolor=style.INK)
        axes.set_title(title)
        if title != "JPEG quality" and values.min() > 0:
            style.log_scale(axes.xaxis)
        axes.grid(axis="x")
    grid[0].set_yticks(range(1, len(colours) + 1), [style.short(name) for name in colours])
    grid[0].invert_yaxis()
    return figure
