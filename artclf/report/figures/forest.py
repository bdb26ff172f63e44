"""Forest plots: estimates with their 95% intervals, one row each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from artclf.report import format as fmt
from artclf.report import style

Estimates = Sequence[tuple[float | None, float | None, float | None]]  # value, low, high


@dataclass(frozen=True)
class Series:
    """Estimates of one kind, one for each row of the plot.

    Attributes:
        estimates: (value, low, high) of each row; a row without a value is left empty.
        colours: of the rows.
        label: for the legend; "" for none.
        hollow: whether the markers are.
    """

    estimates: Estimates
    colours: Sequence[str]
    label: str = ""
    hollow: bool = False


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
            shift = 0.16 * (len(several) - 1 - 2 * number)
            for row, ((value, low, high), colour) in enumerate(zip(series.estimates, series.colours, strict=True)):
                if fmt.missing(value):
                    continue
                axes.plot([low, high], [shift - row] * 2, color=colour, linewidth=2.0)
                face = style.PAPER if series.hollow else colour
                axes.plot([value], [shift - row], "o", color=colour, markerfacecolor=face, label=series.label)
        axes.set_title(heading)
        axes.set_xlabel(axis)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    grid[0].set_yticks([-row for row in range(len(names))], [style.short(name, 34) for name in names])
    grid[0].set_ylim(-len(names) + 0.4, 0.6)
    handles, labels = grid[0].get_legend_handles_labels()
    kept = {label: handle for handle, label in zip(handles, labels, strict=True)}
    if kept:
        figure.legend(kept.values(), kept.keys(), loc="outside lower left", ncols=len(kept))
    return figure
