"""Curves of several runs laid over each other."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from sklearn.metrics import roc_auc_score, roc_curve

from artclf.report import format as fmt
from artclf.report import style
from artclf.report.finished_runs import JudgedRun

_CORNER = 0.1  # of human works called AI: the part of a ROC curve that one can afford


def plot_by_epoch(axes: Axes, curves: Mapping[str, pd.Series], names: Sequence[str], *, shares: bool) -> None:
    """Plot a curve for each run.

    Args:
        axes: where.
        curves: run → values by epoch; an empty one is left out.
        names: the runs, the best first: they have the colours of `style.run_colours`.
        shares: whether values are shares, to be labelled in percents.
    """
    colors = style.run_colours(len(names))
    drawn = [(row, curves[name]) for row, name in enumerate(names) if name in curves and len(curves[name])]
    if not drawn:
        style.say(axes, "not recorded")
        return
    for row, curve in reversed(drawn):  # the best on top
        axes.plot(curve.index, curve, color=colors[row], linewidth=2.0 if row == 0 else 1.4, marker="o", markersize=2.5)
    style.tidy(axes)
    if shares:
        style.percent(axes.yaxis)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")


def name_ends(axes: Axes, curves: Mapping[str, pd.Series], names: Sequence[str], inches: float) -> None:
    """Write the names of the coloured runs at the ends of their curves, one above the other where these end close together.

    Args:
        axes: with the curves, and the limits that it will keep.
        curves: as for `plot_by_epoch`.
        names: as for `plot_by_epoch`.
        inches: height of the axes.
    """
    low, high = axes.get_ylim()
    colors = style.run_colours(len(names))
    drawn = [(row, curves[name]) for row, name in enumerate(names) if name in curves and len(curves[name])]
    gap = (high - low) * 0.17 / inches  # about the height of a name
    ends = sorted((float(curve.iloc[-1]), -row) for row, curve in drawn if row < len(style.RUNS))
    top = high - gap * len(ends)
    below = low
    for value, last in ends:
        top += gap  # as high as this name may stand, with room for those above it
        height = min(max(value, below), top)
        below = height + gap
        axes.annotate(
            style.plain(names[-last], 14, keep="end"),
            (1.0, height),
            xycoords=axes.get_yaxis_transform(),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.SMALL - 0.5,
            color=style.dark(colors[-last]),
        )


def plot_losses(histories: Mapping[str, pd.DataFrame], names: Sequence[str]) -> Figure:
    """Plot training and validation loss by epoch, of all runs on one scale.

    Args:
        histories: run → its metrics.csv, with ``epoch``, and ``train/loss`` and ``val/loss`` where they were recorded.
        names: the runs, the best first.
    """
    height = 4.2
    figure = style.paper(style.WIDE, height)
    style.heading(figure, "Loss by epoch: lower is better")
    panels = figure.subplots(1, 2, sharey=True)
    curves = [
        {name: history.set_index("epoch")[column].dropna() for name, history in histories.items() if column in history.columns}
        for column in ("train/loss", "val/loss")
    ]
    for axes, drawn, title in zip(panels, curves, ("training", "validation"), strict=True):
        style.title(axes, title, loc="left", fontsize=style.NORMAL, color=style.INK, pad=8)
        plot_by_epoch(axes, drawn, names, shares=False)
    for axes, drawn in zip(panels, curves, strict=True):  # only now is their common scale known
        name_ends(axes, drawn, names, height - 1.2)
    return figure


def plot_rocs(runs: Sequence[JudgedRun]) -> Figure:
    """Plot the ROC curve of each run, and beside it the corner of few false accusations; threshold 0.5 as dots.

    Args:
        runs: on the same test pictures, the best first.
    """
    both = bool(runs[0].is_ai.any() and not runs[0].is_ai.all())
    figure = style.paper(style.WIDE, 4.9 if both else 1.8)
    style.heading(figure, "What any threshold would give: AI works found against human works accused")
    if not both:
        style.say(figure.subplots(), "These curves need works of AI and of people; here is only one of them.")
        return figure
    whole, corner = figure.subplots(1, 2)
    colors = style.run_colours(len(runs))
    lowest = 1.0
    for row, run in reversed(list(enumerate(runs))):  # the best on top
        false_rate, true_rate, _ = roc_curve(run.is_ai, run.p_ai)
        label = f"{style.plain(run.name, 24, keep='end')}  {fmt.score(roc_auc_score(run.is_ai, run.p_ai))}"
        accused, found = run.figures["false_positive_rate"], 1 - run.figures["false_negative_rate"]
        lowest = min(lowest, *true_rate[false_rate >= _CORNER / 4][:1], *([found] if accused <= _CORNER else []))
        for axes in (whole, corner):
            named = row < len(style.RUNS) and axes is whole
            axes.plot(
                false_rate, true_rate, color=colors[row], linewidth=2.0 if row == 0 else 1.4, label=label if named else None
            )
            axes.plot(
                [accused],
                [found],
                "o",
                color=colors[row],
                markersize=7 if row < len(style.RUNS) else 4,
                markeredgecolor=style.PAPER,
                zorder=5,
            )
    whole.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1, linestyle=(0, (2, 3)))
    handles, labels = whole.get_legend_handles_labels()
    title = f"AUROC ({len(runs) - len(style.RUNS)} more in grey)" if len(runs) > len(style.RUNS) else "AUROC"
    legend = whole.legend(
        handles[::-1], labels[::-1], title=title, loc="lower right", frameon=False, fontsize=style.SMALL, alignment="left"
    )
    legend.get_title().set(fontsize=style.SMALL, color=style.MUTED)
    style.title(whole, "every threshold", loc="left", fontsize=style.NORMAL, color=style.INK)
    style.title(corner, "few human works accused", loc="left", fontsize=style.NORMAL, color=style.INK)
    for axes in (whole, corner):
        style.tidy(axes, "both")
        axes.set_xlabel("human works wrongly called AI (false positive rate)")
    whole.set_ylabel("AI works found (true positive rate)")
    whole.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    floor = max(0.0, lowest - 0.08)
    corner.set(xlim=(-0.02 * _CORNER, 1.02 * _CORNER), ylim=(floor, 1 + 0.03 * (1 - floor)))
    for axis in (whole.xaxis, whole.yaxis, corner.xaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    style.percent(corner.yaxis)  # its span may be any
    return figure
