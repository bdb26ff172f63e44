"""Curves by epoch, of one run and of several."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from artclf.report import format as fmt
from artclf.report import style

_TITLES = {"accuracy": "Accuracy by epoch", "loss": "Loss by epoch: lower is better"}


def draw_by_epoch(axes: Axes, curves: Mapping[str, pd.Series], colours: Mapping[str, str]) -> None:
    """Draw curves by epoch, with a legend of their names.

    Args:
        axes: where.
        curves: name → values by epoch, the most important first; an empty one is left out.
        colours: name → colour.
    """
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
    figure = style.paper(style.NARROW, 3.9, _TITLES[quantity])
    axes = figure.subplots()
    named = {"validation": f"val/{quantity}", "training": f"train/{quantity}"}
    curves = {name: history.set_index("epoch")[column].dropna() for name, column in named.items() if column in history.columns}
    epochs = history.groupby(history["stage"].astype(str), sort=False)["epoch"].agg(["min", "max"])
    for number, stage in enumerate(stages):
        if stage["name"] not in epochs.index:
            continue
        start, end = epochs.loc[stage["name"]]
        colour = style.STAGES[number % len(style.STAGES)]
        label = style.short(f"{stage['name']}: {fmt.unfrozen(stage)}", 34)
        axes.axvspan(start - 0.5, end + 0.5, color=colour, alpha=0.12, linewidth=0, label=label)
        best = stage.get("best_epoch")
        if isinstance(best, int) and "validation" in curves and best in curves["validation"].index:
            look: dict[str, Any] = {"markersize": 10, "markerfacecolor": "none", "markeredgewidth": 2}
            axes.plot([best], [curves["validation"].loc[best]], "o", color=colour, zorder=4, **look)
    draw_by_epoch(axes, curves, {"validation": style.INK, "training": style.MUTED})
    axes.margins(x=0.02, y=0.12)
    if quantity == "accuracy":
        style.percent(axes.yaxis)
    return figure
