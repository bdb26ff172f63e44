"""Runs side by side, as dots and curves."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from artclf.report import format as fmt
from artclf.report import style
from artclf.report.figures.runs import name_ends, plot_by_epoch

_NARROWEST = 0.05  # span of an axis of shares: dots that lie close are to look close


def plot_runs(table: pd.DataFrame, curves: Mapping[str, pd.Series]) -> Figure:
    """Plot accuracy, balanced accuracy and false accusations of each run, and validation accuracy while training.

    The first six runs have a colour each, the others are grey.

    Args:
        table: a run a row, the best first; columns ``run``, ``differs``, ``seed`` (text), and ``accuracy``,
            ``balanced_accuracy``, ``false_positive_rate`` (shares; NaN where not known).
        curves: run → validation accuracy by epoch; an empty one is left out.
    """
    figure = style.paper(style.WIDE, max(1.4 + 0.42 * len(table), 3.4))
    style.heading(figure, "Runs on the same test pictures, the best first")
    right, wrong, training = figure.subplots(1, 3, width_ratios=[3.0, 1.8, 2.8])
    colors = style.run_colours(len(table))
    heights = [len(table) - 1 - row for row in range(len(table))]
    _plot_accuracies(right, table, heights, colors)
    _plot_accusations(wrong, table, heights, colors)
    right.set_yticks(heights, _labels(table))
    for label, color in zip(right.get_yticklabels(), colors, strict=True):
        label.set(color=style.dark(color), fontsize=style.SMALL)
    style.title(training, "validation accuracy by epoch", loc="left", fontsize=style.SMALL + 0.5, color=style.INK, pad=8)
    plot_by_epoch(training, curves, list(table["run"]), shares=True)
    name_ends(training, curves, list(table["run"]), figure.get_figheight() - 1.0)
    return figure


def _labels(table: pd.DataFrame) -> list[str]:
    seeds = table["seed"].nunique() > 1
    parts = [
        (style.plain(run, 34, keep="end"), style.plain(_short(differs), 38), f"seed {seed}" if seeds else "")
        for run, differs, seed in zip(table["run"], table["differs"], table["seed"], strict=True)
    ]
    if all(sum(map(len, part)) <= 28 for part in parts):
        return [": ".join(filter(None, [run, ", ".join(filter(None, [differs, seed]))])) for run, differs, seed in parts]
    return ["\n".join(filter(None, [", ".join(filter(None, [run, seed])), differs])) for run, differs, seed in parts]


def _short(differs: str) -> str:
    """Leave of each key its last part, as far as these tell the keys apart: "a.b.lr=1" → "lr=1"."""
    said = differs.split(" ")
    last = [word.split("=", 1)[0].rsplit(".", 1)[-1] for word in said]
    if len(set(last)) < len(last) or len(differs) <= 24:
        return differs
    return " ".join("=".join([key, *word.split("=", 1)[1:]]) for key, word in zip(last, said, strict=True))


def _plot_accuracies(axes: Axes, table: pd.DataFrame, heights: Sequence[int], colors: Sequence[str]) -> None:
    rows = zip(heights, colors, table["accuracy"], table["balanced_accuracy"], strict=True)
    for y, color, accuracy, balanced in rows:
        axes.plot([accuracy, balanced], [y, y], color=color, linewidth=1.4, zorder=2)
        axes.plot([accuracy], [y], "o", markersize=7.5, markerfacecolor=style.PAPER, markeredgecolor=color, zorder=3)
        axes.plot([balanced], [y], "o", markersize=8.5, color=color, zorder=4)
        _value(axes, fmt.share(balanced), max(accuracy, balanced), y)
    low, high = axes.get_xlim()
    low = min(low, high - _NARROWEST)
    axes.set_xlim(low, high + 0.3 * (high - low))  # room for the values
    _finish(axes, "●  balanced accuracy    ○  accuracy", len(table))


def _plot_accusations(axes: Axes, table: pd.DataFrame, heights: Sequence[int], colors: Sequence[str]) -> None:
    most = max(float(table["false_positive_rate"].fillna(0.0).max()), _NARROWEST)
    for y, color, accused in zip(heights, colors, table["false_positive_rate"], strict=True):
        axes.plot([0, accused], [y, y], color=color, linewidth=1.4)
        axes.plot([accused], [y], "o", markersize=8.5, color=color)
        _value(axes, fmt.share(accused), 0.0 if fmt.missing(accused) else accused, y)
    axes.set_xlim(-0.05 * most, 1.5 * most)
    axes.set_yticks([])
    _finish(axes, "human works called AI", len(table))


def _value(axes: Axes, text: str, x: float, y: float) -> None:
    axes.annotate(text, (x, y), xytext=(8, 0), textcoords="offset points", va="center", fontsize=style.SMALL, color=style.INK)


def _finish(axes: Axes, title: str, number: int) -> None:
    style.tidy(axes, "x")
    style.title(axes, title, loc="left", fontsize=style.SMALL + 0.5, color=style.INK, pad=8)
    axes.set_ylim(-0.6, number - 0.4)
    style.percent(axes.xaxis)
