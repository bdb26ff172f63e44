"""Curves by epoch, of one run and of several."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from artclf.report import format as fmt
from artclf.report import style


def draw_by_epoch(axes: Axes, curves: Mapping[str, pd.Series], colours: Mapping[str, str]) -> None:
    """Draw curves by epoch, the most important first (it lies on top), with a legend of their names."""
    drawn = {name: curve for name, curve in curves.items() if len(curve)}
    for place, (name, curve) in enumerate(drawn.items()):
        label = style.short(name) if colours[name] != style.FROZEN_HATCH else None
        axes.plot(curve.index, curve, color=colours[name], marker="o", markersize=3, label=label, zorder=3 - place / 100)
    axes.set_xlabel("epoch" if drawn else "not recorded")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if drawn:
        axes.legend()


def plot_curves(history: pd.DataFrame, stages: Sequence[Mapping[str, Any]], quantity: str) -> Figure:
    """Plot training and validation accuracy or loss by epoch, stage by stage.

    Args:
        history: metrics.csv, an epoch a row: ``stage``, ``epoch`` (from 1 on, through all stages), ``train/…``, ``val/…``.
        stages: each stage's record, in order: ``name``, ``unfreeze``, ``layers`` and ``best_epoch``.
        quantity: "accuracy" or "loss".
    """
    figure = style.paper(style.NARROW, 3.9, f"{quantity.capitalize()} by epoch")
    axes = figure.subplots()
    named = {"validation": f"val/{quantity}", "training": f"train/{quantity}"}
    curves = {name: history.set_index("epoch")[column].dropna() for name, column in named.items() if column in history.columns}
    for number, stage in enumerate(stages):
        epochs = history.loc[history["stage"] == stage["name"], "epoch"]
        if epochs.empty:
            continue
        colour = style.STAGES[number % len(style.STAGES)]
        label = style.short(f"{stage['name']}: {fmt.unfrozen(stage)}", 34)
        axes.axvspan(epochs.min() - 0.5, epochs.max() + 0.5, color=colour, alpha=0.12, linewidth=0, label=label)
        best: Any = stage.get("best_epoch")
        if "validation" in curves and best in curves["validation"].index:
            axes.plot(best, curves["validation"][best], color=colour, markersize=10, **style.RING)
    draw_by_epoch(axes, curves, {"validation": style.INK, "training": style.MUTED})
    axes.margins(x=0.02, y=0.12)
    if quantity == "accuracy":
        style.percent(axes.yaxis)
    return figure
