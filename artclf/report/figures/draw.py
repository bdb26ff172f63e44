"""The shapes that figures share: estimates with intervals, curves by epoch, ROC curves."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import roc_auc_score, roc_curve

from artclf.evaluation import Booleans, Floats
from artclf.evaluation.decision import THRESHOLD
from artclf.evaluation.intervals import Estimate
from artclf.report import style


def plot_intervals(
    title: str,
    names: Sequence[str],
    panels: Mapping[str, Mapping[str, Sequence[Estimate]]],
    *,
    reference: float | None = None,
) -> Figure:
    """Plot estimates with their 95% intervals (a forest plot), the first of `names` on top.

    Args:
        title: of the figure.
        names: of the rows.
        panels: of each quantity: label in the legend → an estimate for each row; undefined ones are left empty.
        reference: what chance, or no difference, would give; a line is drawn there.
    """
    names = [style.short(name, 34) for name in names]
    several = max(map(len, panels.values())) > 1
    height = 0.36 * max(len(names), 2)
    figure, grid = style.panels(title, len(panels), len(panels), height=height, sharey=True, names=names, legend=several)
    for axes, (heading, of_panel) in zip(grid, panels.items(), strict=True):
        if reference is not None:
            axes.axvline(reference, color=style.INK, linewidth=1.2, zorder=1)
        colours = (style.AI, style.INK) if several else (style.STAGES[0],)
        for number, ((label, estimates), colour) in enumerate(zip(of_panel.items(), colours, strict=False)):
            values, lows, highs = np.array([(one.value, one.low, one.high) for one in estimates], dtype=float).T
            rows = np.arange(len(names)) + 0.16 * (2 * number + 1 - len(of_panel))
            axes.errorbar(values, rows, xerr=(values - lows, highs - values), fmt="o", color=colour, label=label)
        axes.set_title(heading)
        axes.xaxis.set_major_locator(MaxNLocator(3))
    grid[0].set_yticks(range(len(names)), names)
    grid[0].set_ylim(len(names) - 0.4, -0.6)
    if several:
        figure.legend(*grid[0].get_legend_handles_labels(), loc="lower left", ncols=2)
    return figure


def plot_by_epoch(panels: Mapping[str, Mapping[str, pd.Series]], colours: Mapping[str, str]) -> Figure:
    """Plot curves by epoch: of each quantity, name → values by epoch, the most important first (it lies on top)."""
    figure, grid = style.panels("Training by epoch", len(panels), len(panels), height=3.0, legend=True)
    for axes, (title, curves) in zip(grid, panels.items(), strict=True):
        for place, (name, curve) in enumerate(curves.items()):
            label = style.short(name) if colours[name] != style.GREY else None
            axes.plot(curve.index, curve, color=colours[name], marker="o", markersize=3, label=label, zorder=3 - place / 100)
        axes.set(title=title, xlabel="epoch" if curves else "not recorded")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if "accuracy" in title:
            style.percent(axes.yaxis)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="lower left", ncols=3)
    return figure


def draw_roc(axes: Axes, is_ai: Booleans, p_ai: Floats, colour: str, label: str) -> None:
    """Draw a ROC curve with its AUROC in the legend (none for a label that begins with "_"), and a dot at the threshold 0.5.

    The truth [N] and the scores [N] are of both classes.
    """
    false_rate, true_rate, _ = roc_curve(is_ai, p_ai)
    axes.plot(false_rate, true_rate, color=colour, label=f"{label} {roc_auc_score(is_ai, p_ai):.3f}")
    called = p_ai >= THRESHOLD
    axes.plot([called[~is_ai].mean()], [called[is_ai].mean()], "o", color=colour, zorder=5)
    axes.set(xlabel="human images called AI (false positive rate)", ylabel="AI images found (true positive rate)")
    style.percent(axes.xaxis, axes.yaxis)
