"""The shapes that figures share: estimates with intervals, curves by epoch, ROC curves, stacked bars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import roc_auc_score, roc_curve

from artclf.evaluation.decision import THRESHOLD
from artclf.evaluation.types import Booleans, Floats
from artclf.report import style


@dataclass(frozen=True)
class Series:
    """Estimates of one kind, one for each row of the plot; a row without a value is left empty."""

    estimates: Sequence[tuple[float | None, float | None, float | None]]  # value, low, high
    colours: Sequence[str]  # of the rows
    label: str = ""  # in the legend
    hollow: bool = False  # whether the markers are


def plot_intervals(
    title: str,
    names: Sequence[str],
    panels: Mapping[str, Sequence[Series]],
    *,
    reference: float | None = None,
    sharex: bool = True,
) -> Figure:
    """Plot estimates with their 95% intervals (a forest plot): a panel for each quantity, the first of `names` on top.

    A line is drawn at `reference`: what chance, or no difference, would give.
    """
    figure = style.paper(style.WIDE, 1.5 + 0.36 * max(len(names), 2), title)
    grid = figure.subplots(1, len(panels), sharex=sharex, sharey=True, squeeze=False)[0]
    for axes, (heading, several) in zip(grid, panels.items(), strict=True):
        if reference is not None:
            axes.axvline(reference, color=style.INK, linewidth=1.2, zorder=1)
        for number, series in enumerate(several):
            values, lows, highs = np.array(series.estimates, dtype=float).T
            rows = np.arange(len(names)) - 0.16 * (len(several) - 1 - 2 * number)
            axes.hlines(rows, lows, highs, colors=series.colours, linewidth=2.0)
            faces = style.PAPER if series.hollow else series.colours
            axes.scatter(values, rows, 36, edgecolors=series.colours, facecolors=faces, zorder=3, label=series.label)
        axes.set_title(heading)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    grid[0].set_yticks(range(len(names)), [style.short(name, 34) for name in names])
    grid[0].set_ylim(len(names) - 0.4, -0.6)
    handles, labels = grid[0].get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside lower left", ncols=len(labels))
    return figure


def draw_by_epoch(axes: Axes, curves: Mapping[str, pd.Series], colours: Mapping[str, str]) -> None:
    """Draw curves by epoch, the most important first (it lies on top), with a legend of their names."""
    for place, (name, curve) in enumerate(curves.items()):
        label = style.short(name) if colours[name] != style.GREY else None
        axes.plot(curve.index, curve, color=colours[name], marker="o", markersize=3, label=label, zorder=3 - place / 100)
    axes.set_xlabel("epoch" if curves else "not recorded")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if curves:
        axes.legend()


def draw_roc(axes: Axes, is_ai: Booleans, p_ai: Floats, colour: str, label: str) -> None:
    """Draw a ROC curve with its AUROC in the legend (none for a label that begins with "_"), and a dot at the threshold 0.5.

    The truth [N] and the scores [N] are of both classes.
    """
    false_rate, true_rate, _ = roc_curve(is_ai, p_ai)
    axes.plot(false_rate, true_rate, color=colour, label=f"{label} {roc_auc_score(is_ai, p_ai):.3f}")
    called = p_ai >= THRESHOLD
    axes.plot([called[~is_ai].mean()], [called[is_ai].mean()], "o", color=colour, zorder=5)
    axes.set_xlabel("human images called AI (false positive rate)")
    axes.set_ylabel("AI images found (true positive rate)")
    style.percent(axes.xaxis, axes.yaxis)


def draw_stacked_bars(axes: Axes, table: pd.DataFrame, looks: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw a horizontal bar for each row of a table, the first on top, from the columns named in `looks`."""
    rows, left = range(len(table)), np.zeros(len(table))
    for name, look in looks.items():
        axes.barh(rows, table[name], left=left, **look)
        left += table[name].to_numpy()
    axes.set_yticks(rows, [style.short(name) for name in table.index])
    axes.invert_yaxis()
    axes.grid(visible=False)
