"""A search for settings: its trials, and figures of them."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from artclf.report import format as fmt
from artclf.report import style

_A_ROW = 3  # plots of settings side by side
_SPREAD = 10.0  # from this ratio of the largest loss to the smallest on, the axis is logarithmic
METRICS = {"val/loss": "validation loss", "val/accuracy": "validation accuracy", "val/auroc": "validation AUROC"}


@dataclass(frozen=True)
class Outcome:
    """What became of a trial.

    Attributes:
        state: how it ended.
        value: the monitored figure of the best weights; of the last epoch where it was pruned, None where it failed.
        epochs: how many it trained.
        seconds: how long the run took; None where it is not known.
        reason: why it was stopped, or failed.
        test: figures of the test split, by which nothing is chosen.
        ended: whether the run itself said how it ended.
    """

    state: Literal["finished", "pruned", "failed"]
    value: float | None
    epochs: int
    seconds: float | None
    reason: str = ""
    test: dict[str, float | None] = field(default_factory=dict)
    ended: bool = True


@dataclass(frozen=True, kw_only=True)
class Trial(Outcome):
    """One trial of a search.

    Attributes:
        number: from 0 on; its run is in the subfolder of that name.
        words: what was drawn for each setting that was searched, as it is typed.
    """

    number: int
    words: dict[str, str]


@dataclass(frozen=True)
class Sweep:
    """A search, so far.

    Attributes:
        metric: the monitored figure ("val/loss"), and `mode`, whether "min" or "max" of it is best.
        mode: see metric.
        trials: all of them, in order.
        space: what was searched: key → what it may be, as it is typed.
        numbers: of those that are numbers: the lowest, the highest, and whether they were drawn by their order of magnitude.
        choices: the values of the others, as typed.
        settled: words that are the same for all trials.
        best: the finished trial with the best figure, if there is one.
        command: what runs its settings again, ready to paste.
        importance: key → share of the differences that it explains, the largest first; empty where that can't be told.
        importance_missing: why it can't.
        asked: how many trials there were to be.
        seconds: how long this search took, since it was begun or gone on with.
    """

    metric: str
    mode: Literal["min", "max"]
    trials: list[Trial]
    space: dict[str, str]
    numbers: dict[str, tuple[float, float, bool]]
    choices: dict[str, tuple[str, ...]]
    settled: list[str]
    best: Trial | None
    command: str | None
    importance: dict[str, float]
    importance_missing: str
    asked: int
    seconds: float

    @property
    def name(self) -> str:
        """The monitored figure as a person reads it."""
        return METRICS.get(self.metric, self.metric)

    def count(self, state: str) -> int:
        """How many trials ended so."""
        return sum(trial.state == state for trial in self.trials)


def plot_trials(sweep: Sweep) -> Figure:
    """Plot the figure of each trial in order, and the best so far. Failed trials are crosses at the lower edge."""
    figure = style.paper(style.WIDE, 3.8, f"The {sweep.name} of each trial")
    axes = figure.subplots()
    _scatter(axes, sweep, {trial.number: float(trial.number) for trial in sweep.trials})
    finished = [trial for trial in sweep.trials if trial.state == "finished"]
    if finished:
        values = np.array([trial.value for trial in finished], dtype=float)
        best = np.minimum.accumulate(values) if sweep.mode == "min" else np.maximum.accumulate(values)
        numbers = [*(trial.number for trial in finished), len(sweep.trials) - 1]
        axes.step(numbers, [*best, best[-1]], where="post", color=style.INK, zorder=2, label="the best so far")
    failed = [trial.number for trial in sweep.trials if trial.state == "failed"]
    if failed:
        at_the_edge = axes.get_xaxis_transform()
        axes.plot(failed, [0.03] * len(failed), "x", color=style.AI, transform=at_the_edge, label="failed")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel="trial", ylabel=sweep.name)
    handles, labels = axes.get_legend_handles_labels()
    kept = dict(zip(labels, handles, strict=True))
    axes.legend(kept.values(), kept.keys())
    return figure


def plot_importance(sweep: Sweep) -> Figure:
    """Plot the share of the differences that each setting explains, as bars, the largest on top."""
    figure = style.paper(style.NARROW, 1.2 + 0.42 * len(sweep.importance), "What explains the differences")
    axes = figure.subplots()
    bars = axes.barh([style.short(key, 34) for key in sweep.importance], list(sweep.importance.values()), color=style.STAGES[0])
    axes.bar_label(bars, labels=[fmt.share(share) for share in sweep.importance.values()], padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.grid(axis="x")
    style.percent(axes.xaxis)
    return figure


def plot_settings(sweep: Sweep) -> Figure:
    """Plot each trial's figure over each setting, on one axis of figures; the best is ringed."""
    keys = list(sweep.space)
    columns = min(len(keys), _A_ROW)
    rows = math.ceil(len(keys) / _A_ROW)
    figure = style.paper(style.WIDE, 0.9 + 2.9 * rows, f"The {sweep.name} over each setting")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes in grid.flat[len(keys) :]:
        axes.set_axis_off()
    for key, axes in zip(keys, grid.flat, strict=False):
        places = _places(axes, sweep, key)
        limits = axes.get_xlim()
        _scatter(axes, sweep, places)
        axes.set_xlim(limits)  # what was searched, not only what was drawn
        axes.set_title(style.short(key, 34))
    for axes in grid[:, 0]:
        axes.set_ylabel(sweep.name)
    return figure


def _places(axes: Axes, sweep: Sweep, key: str) -> dict[int, float]:
    """Where each trial stands on the axis of a setting; the axis is labelled."""
    drawn = [(trial, trial.words[key]) for trial in sweep.trials if key in trial.words]
    if key in sweep.numbers:
        low, high, log = sweep.numbers[key]
        if log:
            axes.set_xscale("log")
            axes.set_xlim(low / 1.1, high * 1.1)
        else:
            room = 0.06 * (high - low) or 0.5
            axes.set_xlim(low - room, high + room)
        return {trial.number: float(word) for trial, word in drawn}
    choices = sweep.choices[key]
    axes.set_xticks(range(len(choices)), [style.short(choice, 16) for choice in choices])
    axes.set_xlim(-0.6, len(choices) - 0.4)
    return {trial.number: choices.index(word) for trial, word in drawn}


def _scatter(axes: Axes, sweep: Sweep, places: dict[int, float]) -> None:
    for trial in sweep.trials:
        if trial.value is None or trial.number not in places:
            continue
        at = ([places[trial.number]], [trial.value])
        if trial is sweep.best:
            look: dict[str, Any] = {"markersize": 13, "markerfacecolor": "none", "markeredgewidth": 2}
            axes.plot(*at, "o", color=style.STAGES[1], zorder=4, label="the best", **look)
        if trial.state == "finished":
            axes.plot(*at, "o", color=style.STAGES[0], zorder=3, label="finished")
        else:
            axes.plot(*at, "o", color=style.MUTED, markerfacecolor=style.PAPER, label="stopped early (its last epoch)")
    values = [trial.value for trial in sweep.trials if trial.value is not None]
    if sweep.metric == "val/loss" and min(values, default=0) > 0 and max(values) / min(values) > _SPREAD:
        axes.set_yscale("log")
    axes.margins(y=0.14)
