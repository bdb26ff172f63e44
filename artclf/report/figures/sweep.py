"""A search for settings: its trials, and figures of them."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from artclf.report import format as fmt
from artclf.report import style

_COLUMNS = 3  # plots of settings side by side
_SPREAD = 10.0  # from this ratio of the largest loss to the smallest on, the axis is logarithmic
METRICS = {"val/loss": "validation loss", "val/accuracy": "validation accuracy", "val/auroc": "validation AUROC"}


@dataclass(frozen=True)
class Outcome:
    """What became of a trial."""

    state: Literal["finished", "pruned", "failed"]
    value: float | None  # the monitored figure of the best weights; of the last epoch where it was pruned; None: failed
    epochs: int
    seconds: float | None
    reason: str = ""  # why it was pruned, or failed
    test: dict[str, float | None] = field(default_factory=dict)  # figures of the test split, by which nothing is chosen


@dataclass(frozen=True, kw_only=True)
class Trial(Outcome):
    """One trial of a search."""

    number: int  # from 0 on; its run is in the subfolder of that name
    words: dict[str, str]  # setting → the value that was tried, as it is typed


@dataclass(frozen=True)
class Sweep:
    """A search, so far."""

    metric: str  # the monitored figure ("val/loss")
    mode: Literal["min", "max"]
    trials: list[Trial]
    space: dict[str, str]  # key → what it may be, as it is typed
    numbers: dict[str, tuple[float, float, bool]]  # key → the lowest, the highest, and whether the scale is logarithmic
    choices: dict[str, tuple[str, ...]]  # key → the values of those that are no numbers
    settled: list[str]  # overrides that are the same for all trials
    best: Trial | None
    command: str | None  # runs the best settings again
    importance: dict[str, float]  # key → share of the differences that it explains, the largest first; empty: too few trials
    asked: int  # how many trials there were to be
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
    axes.legend()
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
    columns = min(len(keys), _COLUMNS)
    figure, panels = style.panels(len(keys), columns, f"The {sweep.name} over each setting", height=2.9, sharey=True)
    for key, axes in zip(keys, panels, strict=True):
        drawn = {trial.number: trial.words[key] for trial in sweep.trials if key in trial.words}
        if key in sweep.numbers:
            low, high, log = sweep.numbers[key]
            places = {number: float(word) for number, word in drawn.items()}
            room = 0.06 * (high - low) or 0.5
            limits = (low / 1.1, high * 1.1) if log else (low - room, high + room)
            if log:
                style.log_scale(axes.xaxis)
        else:
            choices = sweep.choices[key]
            places = {number: float(choices.index(word)) for number, word in drawn.items()}
            limits = (-0.6, len(choices) - 0.4)
            axes.set_xticks(range(len(choices)), [style.short(choice, 16) for choice in choices])
        _scatter(axes, sweep, places)
        axes.set_xlim(limits)  # what was searched, not only what was drawn
        axes.set_title(style.short(key, 34))
    for axes in panels[::columns]:
        axes.set_ylabel(sweep.name)
    return figure


def _scatter(axes: Axes, sweep: Sweep, places: dict[int, float]) -> None:
    """Plot the trials' figures at their places (by number) on the x axis."""
    shown = {trial.number: trial.value for trial in sweep.trials if trial.value is not None and trial.number in places}
    for state, label, colour, face in (
        ("finished", "finished", style.STAGES[0], style.STAGES[0]),
        ("pruned", "stopped early (its last epoch)", style.MUTED, style.PAPER),
    ):
        numbers = [trial.number for trial in sweep.trials if trial.state == state and trial.number in shown]
        if numbers:
            values = [shown[number] for number in numbers]
            axes.plot([places[number] for number in numbers], values, "o", color=colour, markerfacecolor=face, label=label)
    if sweep.best is not None and sweep.best.number in shown:
        place = [places[sweep.best.number]]
        axes.plot(
            place, [shown[sweep.best.number]], color=style.STAGES[1], markersize=13, label="the best", ls="", **style.RING
        )
    lowest, highest = min(shown.values(), default=0.0), max(shown.values(), default=0.0)
    if sweep.metric == "val/loss" and lowest > 0 and highest / lowest > _SPREAD:
        style.log_scale(axes.yaxis)
    axes.margins(y=0.14)
