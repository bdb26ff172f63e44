"""A search in pictures: trial by trial, over each setting, and which settings mattered."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from artclf.report import format as fmt
from artclf.report import style
from artclf.report.figures.search import Sweep, Trial

FINISHED, BEST = style.STAGES[0], style.STAGES[1]
A_ROW = 3  # plots of settings side by side
SPREAD = 10.0  # from this ratio of the largest loss to the smallest on, only orders of magnitude fit on an axis
ROOM = 0.3  # of a choice's place, over which its trials are spread so that none hides another
LONGEST = 16  # letters of a choice on an axis


def plot_trials(sweep: Sweep) -> Figure:
    """Plot the figure of each trial in order, and the best so far. Failed trials are crosses at the lower edge."""
    figure = style.paper(style.WIDE, 3.8)
    style.heading(figure, f"The {sweep.name} of each trial")
    axes = figure.subplots()
    _scatter(axes, sweep, {trial.number: float(trial.number) for trial in sweep.trials})
    finished = [trial for trial in sweep.trials if trial.state == "finished"]
    if finished:
        values = np.array([trial.value for trial in finished], dtype=float)
        best = np.minimum.accumulate(values) if sweep.mode == "min" else np.maximum.accumulate(values)
        numbers = [trial.number for trial in finished]
        last = len(sweep.trials) - 1
        axes.step([*numbers, last], [*best, best[-1]], where="post", color=style.INK, linewidth=1.6, zorder=2)
    failed = [trial.number for trial in sweep.trials if trial.state == "failed"]
    axes.plot(failed, [0.03] * len(failed), "x", color=style.AI, transform=axes.get_xaxis_transform(), markersize=7, zorder=3)
    axes.set_xlim(-0.6, max(len(sweep.trials) - 0.4, 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("trial")
    axes.set_ylabel(sweep.name)
    style.title(axes, _legend(sweep, line=bool(finished)), loc="left", fontsize=style.SMALL + 0.5, color=style.INK, pad=8)
    return figure


def plot_importance(sweep: Sweep) -> Figure:
    """Plot the share of the differences that each setting explains, as bars, the largest on top."""
    figure = style.paper(style.NARROW, 1.2 + 0.42 * len(sweep.importance))
    style.heading(figure, "What explains the differences")
    axes = figure.subplots()
    keys, shares = list(sweep.importance), list(sweep.importance.values())
    heights = np.arange(len(keys))[::-1]
    axes.barh(heights, shares, height=0.62, color=FINISHED)
    for height, share in zip(heights, shares, strict=True):
        axes.annotate(
            fmt.share(share),
            (share, height),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.SMALL,
        )
    style.tidy(axes, "x")
    axes.set_yticks(heights, [style.plain(key, 34) for key in keys])
    axes.tick_params(axis="y", labelcolor=style.INK)
    axes.set_xlim(0, max(shares) * 1.18)
    style.percent(axes.xaxis)
    return figure


def plot_settings(sweep: Sweep) -> Figure:
    """Plot each trial's figure over each setting, on one axis of figures; the best is ringed."""
    keys = list(sweep.space)
    rows = math.ceil(len(keys) / A_ROW)
    columns = min(len(keys), A_ROW)
    figure = style.paper(style.WIDE, 0.9 + 2.9 * rows)
    style.heading(figure, f"The {sweep.name} over each setting")
    figure.set_layout_engine("constrained", hspace=0.09, wspace=0.04)
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes in grid.flat[len(keys) :]:
        axes.set_axis_off()
    for index, (key, axes) in enumerate(zip(keys, grid.flat, strict=False)):
        places = _places(axes, sweep, key)
        limits = axes.get_xlim()
        _scatter(axes, sweep, places)
        axes.set_xlim(limits)  # what was searched, not only what was drawn
        style.title(axes, style.plain(key, 34), loc="left", fontsize=style.NORMAL, color=style.INK, pad=8)
        if index % columns == 0:
            axes.set_ylabel(sweep.name)
    return figure


def _places(axes: Axes, sweep: Sweep, key: str) -> dict[int, float]:
    """Where each trial stands on the axis of a setting; the axis is labelled."""
    drawn = [(trial, trial.words[key]) for trial in sweep.trials if key in trial.words]
    if key in sweep.numbers:
        low, high, log = sweep.numbers[key]
        if log:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(numticks=4))
            axes.xaxis.set_minor_locator(NullLocator())
            room = (high / low) ** 0.06
            axes.set_xlim(low / room, high * room)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4))
            room = 0.06 * (high - low) or 0.5
            axes.set_xlim(low - room, high + room)
        return {trial.number: float(word) for trial, word in drawn}
    choices = sweep.choices[key]
    places: dict[int, float] = {}
    for place, choice in enumerate(choices):
        same = [trial for trial, word in drawn if word == choice and trial.value is not None]
        offsets = np.linspace(-ROOM, ROOM, len(same)) if len(same) > 1 else np.zeros(len(same))
        places.update({trial.number: place + float(offset) for trial, offset in zip(same, offsets, strict=True)})
    axes.set_xticks(range(len(choices)), [style.plain(choice, LONGEST) for choice in choices])
    axes.set_xlim(-0.6, len(choices) - 0.4)
    return places


def _scatter(axes: Axes, sweep: Sweep, places: dict[int, float]) -> None:
    for trial in sweep.trials:
        if trial.value is None or trial.number not in places:
            continue
        at = (places[trial.number], trial.value)
        if trial is sweep.best:
            axes.plot(*at, "o", markersize=13, markerfacecolor="none", markeredgecolor=BEST, markeredgewidth=2.2, zorder=4)
        if trial.state == "finished":
            axes.plot(*at, "o", markersize=7, color=FINISHED, zorder=3)
        else:
            axes.plot(*at, "o", markersize=6, markerfacecolor=style.PAPER, markeredgecolor=style.MUTED, zorder=3)
    style.tidy(axes)
    values = [trial.value for trial in sweep.trials if trial.value is not None]
    if sweep.metric == "val/loss" and min(values) > 0 and max(values) / min(values) > SPREAD:
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
    axes.margins(y=0.14)


def _legend(sweep: Sweep, *, line: bool) -> str:
    states: dict[str, list[Trial]] = {}
    for trial in sweep.trials:
        states.setdefault(trial.state, []).append(trial)
    signs = [("finished", "●  finished"), ("pruned", "○  stopped early (its last epoch)"), ("failed", "×  failed")]
    return "    ".join([*(text for state, text in signs if state in states), *(["—  the best so far"] if line else [])])
