"""The images of a data set by class, generator, split and style, and how their files are stored."""

import pandas as pd
from matplotlib.figure import Figure

from artclf.evaluation.shortcuts import bytes_per_pixel
from artclf.report import style


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
    generators = table.loc[table["label"] == "ai", "generator"].replace("human", "human (generator)")
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


def plot_files(facts: pd.DataFrame) -> Figure:
    """Plot side, JPEG quality and bytes per pixel of each group's files as box plots; `facts` are a survey's."""
    groups = groups_of(facts)
    names = [style.short(name) for name in groups.cat.categories]
    quantities = {
        "side in pixels (√ width × height)": (facts["width"] * facts["height"]).astype(float) ** 0.5,
        "JPEG quality": pd.to_numeric(facts["jpeg_quality"].astype(object), errors="coerce"),
        "bytes per pixel": bytes_per_pixel(facts),
    }
    quantities = {title: values for title, values in quantities.items() if values.notna().any()}
    title, number = "How the files are stored, by class and generator", len(quantities)
    figure, panels = style.panels(title, number, number, height=0.4 * max(len(names), 2), sharey=True, names=names)
    for axes, (title, values) in zip(panels, quantities.items(), strict=True):
        parts = [values[groups == name].dropna().to_numpy(dtype=float) for name in groups.cat.categories]
        boxes = axes.boxplot(parts, orientation="horizontal", widths=0.6, whis=(0, 100), patch_artist=True)
        for box, name in zip(boxes["boxes"], groups.cat.categories, strict=True):
            box.set_facecolor(style.HUMAN if name == "human" else style.AI)
        axes.set_title(title)
    panels[0].set_yticks(range(1, len(names) + 1), names)
    panels[0].invert_yaxis()
    return figure
