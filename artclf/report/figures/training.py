"""Curves of a training, stage by stage."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from artclf.report import format as fmt
from artclf.report import style


def plot_accuracy(history: pd.DataFrame, stages: Sequence[Mapping[str, Any]]) -> Figure:
    """Plot training and validation accuracy by epoch.

    Args:
        history: the table of metrics.csv, an epoch a row; ``stage`` and ``epoch`` (from 1 on, through all stages), and
            ``train/accuracy`` and ``val/accuracy`` in 0..1, either of which may have gaps.
        stages: each stage's record, in order: ``name``, ``unfreeze``, ``layers`` and ``best_epoch`` (counted as in history).
    """
    figure = _plot(history, stages, "accuracy", "Accuracy by epoch")
    axes = figure.axes[0]
    style.percent(axes.yaxis)
    axes.set_ylabel("share of pictures judged rightly")
    return figure


def plot_loss(history: pd.DataFrame, stages: Sequence[Mapping[str, Any]]) -> Figure:
    """Plot training and validation loss by epoch; arguments as for `plot_accuracy`, columns ``…/loss``."""
    figure = _plot(history, stages, "loss", "Loss by epoch: lower is better")
    figure.axes[0].set_ylabel("loss")
    return figure


def _plot(history: pd.DataFrame, stages: Sequence[Mapping[str, Any]], quantity: str, title: str) -> Figure:
    figure = style.paper(style.NARROW, 3.9)
    axes = figure.subplots()
    style.heading(figure, title)
    curves = {
        name: history.set_index("epoch")[column].dropna()
        for name, column in (("training", f"train/{quantity}"), ("validation", f"val/{quantity}"))
        if column in history.columns
    }
    curves = {name: curve for name, curve in curves.items() if len(curve)}
    if not curves:
        style.say(axes, f"No {quantity} was recorded.")
        return figure
    for name, curve in curves.items():
        look = {"validation": (style.INK, 2.2, "-", 3), "training": (style.MUTED, 1.6, (0, (4, 2)), 2)}[name]
        color, width, dashes, order = look
        axes.plot(
            curve.index,
            curve,
            color=color,
            linewidth=width,
            linestyle=dashes,
            zorder=order,
            label=name,
            marker="o" if len(curve) < 25 else None,
            markersize=3.5,
        )
    style.tidy(axes)
    axes.margins(y=0.12)
    if history["epoch"].nunique() == 1:  # two dots: without room around them, a thousandth would look like a gulf
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.1 * abs(low), high + 0.1 * abs(high))
    if quantity == "loss":
        axes.set_ylim(bottom=max(axes.get_ylim()[0], 0.0))
    axes.set_xlim(history["epoch"].min() - 0.5, history["epoch"].max() + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")
    _name_curves(axes, curves, quantity)
    _mark_stages(axes, history, stages)
    if "validation" in curves:
        _mark_best(axes, curves["validation"], stages, quantity)
    return figure


def _value(value: float, quantity: str) -> str:
    return fmt.share(value) if quantity == "accuracy" else fmt.score(value)


def _name_curves(axes: Axes, curves: Mapping[str, pd.Series], quantity: str) -> None:
    """Write each curve's name and last value at its end, one above the other where they end close together."""
    low, high = axes.get_ylim()
    gap = 0.13 * (high - low)
    ends = sorted((float(curve.iloc[-1]), name) for name, curve in curves.items())
    heights = [height for height, _ in ends]
    if len(heights) == 2 and heights[1] - heights[0] < gap:
        middle = min(max(sum(heights) / 2, low + gap / 2), high - gap / 2)
        heights = [middle - gap / 2, middle + gap / 2]
    for height, (value, name) in zip(heights, ends, strict=True):
        axes.annotate(
            f"{name}\n{_value(value, quantity)}",
            (1.0, height),
            xycoords=axes.get_yaxis_transform(),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.SMALL + 0.5,
            linespacing=1.15,
            color=style.INK if name == "validation" else style.MUTED,
            fontweight="bold" if name == "validation" else "normal",
        )


def _mark_stages(axes: Axes, history: pd.DataFrame, stages: Sequence[Mapping[str, Any]]) -> None:
    """Shade each stage and write above it what it is called and what it trains."""
    first, last = axes.get_xlim()
    epochs = history.groupby(history["stage"].astype(str), sort=False)["epoch"].agg(["min", "max"])
    letter = (last - first) * 0.0196  # about the width of one
    free = first  # where the lowest row of labels has room again
    level = 0
    for index, stage in enumerate(stages):
        if stage["name"] not in epochs.index:
            continue
        start, end = epochs.loc[stage["name"]] + [-0.5, 0.5]
        color = style.STAGES[index % len(style.STAGES)]
        axes.axvspan(start, end, color=color, alpha=0.10, linewidth=0)
        axes.axvspan(start, end, ymin=0.985, color=color, linewidth=0)
        label = style.plain(f"{stage['name']}: {fmt.unfrozen(stage)}", 42)
        fits = len(label) * letter <= end - start or start == first
        left = start if fits else max(end - len(label) * letter, first)
        level = level + 1 if left < free else 0
        free = max(free, left + (len(label) + 2) * letter)
        axes.annotate(
            label,
            (start if fits else end, 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(0, 5 + 13 * level),
            textcoords="offset points",
            ha="left" if fits else "right",
            fontsize=style.SMALL,
            color=style.dark(color),
        )


def _mark_best(axes: Axes, validation: pd.Series, stages: Sequence[Mapping[str, Any]], quantity: str) -> None:
    """Ring the epoch whose weights each stage kept."""
    for index, stage in enumerate(stages):
        best = stage.get("best_epoch")
        if not isinstance(best, int) or best not in validation.index:
            continue
        value = float(validation.loc[best])
        color = style.STAGES[index % len(style.STAGES)]
        axes.plot([best], [value], "o", markersize=11, markerfacecolor="none", markeredgecolor=color, markeredgewidth=2.2)
        below = quantity == "accuracy"
        at_the_end = best > validation.index[0] + 0.8 * (validation.index[-1] - validation.index[0])
        axes.annotate(
            f"best: {_value(value, quantity)}",
            (best, value),
            xytext=(6 if at_the_end else 4, -11 if below else 11),
            textcoords="offset points",
            ha="right" if at_the_end else "left",
            va="top" if below else "bottom",
            fontsize=style.SMALL,
            color=style.INK,
        )
