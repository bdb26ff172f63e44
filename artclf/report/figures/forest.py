"""Forest plots: estimates with their 95% intervals, one row each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from artclf.report import style

Estimates = Sequence[tuple[float | None, float | None, float | None]]  # value, low, high


@dataclass(frozen=True)
class Series:
    """Estimates of one kind, one for each row of the plot; a row without a value is left empty."""

    estimates: Estimates
    colours: Sequence[str]  # of the rows
    label: str = ""  # in the legend
    hollow: bool = False  # whether the markers are


def plot_forest(
    title: str, names: Sequence[str], panels: Mapping[str, Sequence[Series]], *, reference: float | None = None, axis: str = ""
) -> Figure:
    """Plot estimates and intervals, a panel for each quantity; the first row stands on top.

    Args:
        title: of the figure.
        names: of the rows.
        panels: quantity → its series.
        reference: where a line is drawn: what chance, or no difference, would give.
        axis: label of the x axes.
    """
    figure = style.paper(style.WIDE, 1.5 + 0.36 * max(len(names), 2), title)
    grid = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (heading, several) in zip(grid, panels.items(), strict=True):
        if reference is not None:
            axes.axvline(reference, color=style.INK, linewidth=1.2, zorder=1)
        for number, series in enumerate(several):
            values, lows, highs = np.array(series.estimates, dtype=float).T
            rows = np.arange(len(names)) - 0.16 * (len(several) - 1 - 2 * number)
            axes.hlines(rows, lows, highs, colors=series.colours, linewidth=2.0)
            faces = style.PAPER if series.hollow else series.colours
            axes.scatter(values, rows, 36, edgecolors=series.colours, facecolors=faces, zorder=3, label=series.label)
        axes.set(title=heading, xlabel=axis)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    grid[0].set_yticks(range(len(names)), [style.short(name, 34) for name in names])
    grid[0].set_ylim(len(names) - 0.4, -0.6)
    handles, labels = grid[0].get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside lower left", ncols=len(labels))
    return figure
