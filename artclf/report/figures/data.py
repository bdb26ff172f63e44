"""Who made the pictures of a data set: people and generators, in numbers and as figures."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from numpy.typing import NDArray

from artclf.report import format as fmt
from artclf.report import style

_MOST_MAKERS = 6  # tints that the eye tells apart
_MOST_STYLES = 24


@dataclass(frozen=True)
class Maker:
    """Who made a part of the pictures: people, or a generator.

    Attributes:
        label: "ai" or "human".
        name: the generator; "people", or "7 others" where several are taken together.
        rows: [N] whether a row of the table is of this maker.
    """

    label: str
    name: str
    rows: NDArray[np.bool_]


def makers_of(table: pd.DataFrame, most: int) -> list[Maker]:
    """List the makers of a table's pictures: people first, then by number of pictures, the smallest ones taken together."""
    pairs = table.groupby(["label", "generator"]).size().reset_index(name="number")
    rows = zip(pairs["label"].astype(str), pairs["generator"].astype(str), pairs["number"].astype(int), strict=True)
    ordered = sorted(rows, key=lambda row: (row[0] != "human", -row[2], row[1]))
    kept = ordered if len(ordered) <= most else ordered[: most - 1]

    def of(label: str, generators: Sequence[str]) -> NDArray[np.bool_]:
        return ((table["label"] == label) & table["generator"].isin(generators)).to_numpy(dtype=bool)

    found = [Maker(label, "people" if label == "human" else name, of(label, [name])) for label, name, _ in kept]
    for label in ("human", "ai"):
        rest = [name for other, name, _ in ordered[len(kept) :] if other == label]
        if rest:
            found.append(Maker(label, f"{len(rest)} others", of(label, rest)))
    return found


def splits_of(table: pd.DataFrame) -> list[str]:
    """List the splits of a table: train, val and test first, then the user's own by name."""
    order = {"train": 0, "val": 1, "test": 2}
    return sorted(table["split"].unique(), key=lambda name: (order.get(name, 3), name))


def count_pictures(table: pd.DataFrame) -> pd.DataFrame:
    """Count pictures by maker (rows: label and generator, people first) and by split (columns)."""
    counts = pd.crosstab([table["label"], table["generator"]], table["split"])[splits_of(table)]
    counts["together"] = counts.sum(axis=1)
    return counts.sort_values(["label", "together"], ascending=False, kind="stable")


def tint_of(makers: Sequence[Maker]) -> list[str]:
    """Return a colour for each maker: the label's, lighter with each further generator."""
    tints = {label: style.tints([m.name for m in makers if m.label == label], label) for label in ("human", "ai")}
    return [tints[maker.label][maker.name] for maker in makers]


def plot_classes(table: pd.DataFrame) -> Figure:
    """Plot how many pictures people and each generator made, a bar a class, by split.

    Args:
        table: a manifest's table.
    """
    makers = makers_of(table, _MOST_MAKERS)
    splits = splits_of(table)
    counts = {split: [int((maker.rows & (table["split"] == split)).sum()) for maker in makers] for split in splits}
    bars = [
        (split, label, [n if maker.label == label else 0 for maker, n in zip(makers, counts[split], strict=True)])
        for split in splits
        for label in ("human", "ai")
    ]
    bars = [bar for bar in bars if sum(bar[2])]
    figure = style.paper(style.WIDE, 1.25 + 0.4 * len(bars) + 0.16 * len(splits))
    style.heading(figure, "Pictures in each split, by who made them")
    axes = figure.subplots()
    longest = max(sum(numbers) for *_, numbers in bars)
    heights = [-number - 0.4 * splits.index(split) for number, (split, *_) in enumerate(bars)]
    for y, (*_, numbers) in zip(heights, bars, strict=True):
        lefts = np.cumsum([0, *numbers[:-1]])
        for left, number, tint in zip(lefts, numbers, tint_of(makers), strict=True):
            axes.barh(y, number, left=left, height=0.8, color=tint, edgecolor=style.PAPER, linewidth=1.2)
            if sum(numbers) > number > 0.02 * longest * len(fmt.count(number)):  # a part with room for its number
                ink = style.ink_on(tint)
                axes.text(left + number / 2, y, fmt.count(number), ha="center", va="center", fontsize=style.SMALL, color=ink)
        axes.annotate(
            fmt.count(sum(numbers)),
            (sum(numbers), y),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.NORMAL,
            color=style.INK,
            fontweight="bold",
        )
    style.tidy(axes, grid=None)
    axes.set_yticks(heights, [_bar_name(split, label) for split, label, _ in bars])
    axes.tick_params(axis="y", labelsize=style.NORMAL, labelcolor=style.INK)
    axes.set_xticks([])
    axes.set_xlim(0, longest * 1.12)
    axes.set_ylim(heights[-1] - 0.6, 0.6)
    keys = [Patch(color=tint, label=style.plain(maker.name, 40)) for maker, tint in zip(makers, tint_of(makers), strict=True)]
    figure.legend(handles=keys, loc="outside lower left", ncols=3, frameon=False, fontsize=style.SMALL, labelcolor=style.INK)
    return figure


def _bar_name(split: str, label: str) -> str:
    return f"{style.plain(split, 18) or 'no split given'}: {'people' if label == 'human' else 'AI'}"


def plot_styles(table: pd.DataFrame) -> Figure:
    """Plot how many pictures of each style each maker made: a column of bars a maker.

    Args:
        table: a manifest's table.
    """
    makers = makers_of(table, _MOST_MAKERS)
    sizes = table["style"].value_counts()
    names = sorted(sizes.index if len(sizes) <= _MOST_STYLES else sizes.index[: _MOST_STYLES - 1])
    rest = len(sizes) - len(names)
    figure = style.paper(style.WIDE, 1.4 + 0.27 * (len(names) + bool(rest)))
    style.heading(figure, "Styles, by who made the pictures")
    cast(ConstrainedLayoutEngine, figure.get_layout_engine()).set(h_pad=0.12)  # inches, below the heading
    panels = figure.subplots(1, len(makers), sharey=True, squeeze=False)[0]
    counts = [table.loc[maker.rows, "style"].value_counts() for maker in makers]
    columns = [[int(count.get(name, 0)) for name in names] for count in counts]
    if rest:
        columns = [[*column, int(count.sum()) - sum(column)] for column, count in zip(columns, counts, strict=True)]
    longest = max(max(column) for column in columns)
    for axes, maker, column, tint in zip(panels, makers, columns, tint_of(makers), strict=True):
        axes.barh(range(len(column)), column, height=0.72, color=tint)
        for row, number in enumerate(column):
            axes.annotate(
                fmt.count(number) if number else "–",
                (number, row),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=style.SMALL,
                color=style.INK if number else style.MUTED,
            )
        style.tidy(axes, grid=None)
        axes.set_xticks([])
        axes.set_xlim(0, longest * (1.0 + 0.12 * (len(makers) + 1)))  # the narrower a panel, the more of it a number takes
        title = "\n".join([*_broken(maker.name, 72 // (len(makers) + 1)), fmt.count(sum(column))])
        color = style.dark(style.colour(maker.label))
        style.title(axes, title, loc="left", fontsize=style.NORMAL, color=color, fontweight="bold")
    panels[0].set_yticks(
        range(len(columns[0])), [*(style.plain(name, 28) for name in names), *([f"{rest} others"] if rest else [])]
    )
    panels[0].tick_params(axis="y", labelsize=style.SMALL + 0.5, labelcolor=style.INK)
    panels[0].set_ylim(len(columns[0]) - 0.4, -0.6)
    return figure


def _broken(name: str, letters: int) -> list[str]:
    """Break a name into four lines at most, after its underscores."""
    lines = textwrap.wrap(name.replace("_", "_ "), letters)
    kept = [style.plain(line.replace("_ ", "_"), letters) for line in lines[:4]]
    return [*kept[:-1], kept[-1] + "…"] if len(lines) > len(kept) else kept
