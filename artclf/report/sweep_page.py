"""A search for settings and its trials: sweep.csv, sweep.html and its figures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from artclf.config.space import Setting
from artclf.report import style
from artclf.report.render import lines, report_link, save_figures, write_page
from artclf.report.terminal import screen
from artclf.run_folder import write_table

_PRINTED = 5  # trials; the page has all
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
    settings: Sequence[Setting]  # that are searched
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

    def ended(self, state: str) -> list[Trial]:
        """The trials that ended so."""
        return [trial for trial in self.trials if trial.state == state]


def write_sweep(folder: Path, sweep: Sweep) -> pd.DataFrame:
    """Write sweep.csv, sweep.html and its figures into a folder, print the outcome, and return what sweep.csv holds."""
    table = _table(sweep)
    write_table(folder / "sweep.csv", table)
    figures = {}
    if table[sweep.metric].notna().any():
        figures = {"sweep_trials": plot_trials(sweep), "sweep_settings": plot_settings(sweep)}
    sign = 1 if sweep.mode == "min" else -1
    ranked = [
        trial
        for state in ("finished", "pruned", "failed")
        for trial in sorted(sweep.ended(state), key=lambda trial: sign * (trial.value or 0.0))
    ]
    sentences = lines("sweep.txt", sweep=sweep)
    page = write_page(
        folder / "sweep.html",
        "trials.html",
        folder=folder.resolve().name,
        sweep=sweep,
        sentences=sentences,
        trials=ranked,
        links={trial.number: report_link(folder / str(trial.number), folder) for trial in sweep.trials},
        figures=save_figures(folder, figures),
    )
    for trial in ranked[: min(_PRINTED, len(sweep.ended("finished")))]:
        settings = " ".join(f"{key}={word}" for key, word in trial.words.items())
        sentences.append(f"  trial {trial.number}: {sweep.metric} {trial.value:.4g}  {settings}")
    if sweep.command:
        sentences.append(f"the best settings, chosen by validation alone:\n  {sweep.command}")
    for line in [*sentences, f"all trials: {page}"]:
        screen().print(line)
    return table


def _table(sweep: Sweep) -> pd.DataFrame:
    """What sweep.csv holds, a trial a row; the figures of the test split begin with test_."""
    rows = [
        {
            "trial": trial.number,
            "state": trial.state,
            sweep.metric: trial.value,
            "epochs": trial.epochs,
            "seconds": trial.seconds,
            **{found.key: trial.words.get(found.key) for found in sweep.settings},
            **{f"test_{name}": value for name, value in trial.test.items()},
            "reason": trial.reason,
        }
        for trial in sweep.trials
    ]
    table = pd.DataFrame(rows)
    return table[[*table.columns.drop("reason"), "reason"]]


def plot_trials(sweep: Sweep) -> Figure:
    """Plot the figure of each trial in order, and the best so far."""
    figure, (axes,) = style.panels(f"The {sweep.name} of each trial", 1, 1, height=2.6, legend=True)
    _scatter(axes, sweep, {trial.number: float(trial.number) for trial in sweep.trials})
    finished = sweep.ended("finished")
    if finished:
        values = np.array([trial.value for trial in finished], dtype=float)
        best = np.minimum.accumulate(values) if sweep.mode == "min" else np.maximum.accumulate(values)
        numbers = [*(trial.number for trial in finished), len(sweep.trials) - 1]
        axes.step(numbers, [*best, best[-1]], where="post", color=style.INK, zorder=2, label="the best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel="trial", ylabel=sweep.name)
    figure.legend(*axes.get_legend_handles_labels(), loc="lower left", ncols=4)
    return figure


def plot_settings(sweep: Sweep) -> Figure:
    """Plot each trial's figure over each setting, on one axis of figures; the best is ringed."""
    columns = min(len(sweep.settings), 3)
    figure, panels = style.panels(f"The {sweep.name} over each setting", len(sweep.settings), columns, height=2.2, sharey=True)
    for found, axes in zip(sweep.settings, panels, strict=True):
        drawn = {trial.number: trial.words[found.key] for trial in sweep.trials if found.key in trial.words}
        if found.words:
            places = {number: float(found.words.index(word)) for number, word in drawn.items()}
            limits = (-0.6, len(found.words) - 0.4)
            axes.set_xticks(range(len(found.words)), [style.short(word, 16) for word in found.words])
        else:
            places = {number: float(word) for number, word in drawn.items()}
            room = 0.06 * (found.high - found.low) or 0.5
            limits = (found.low / 1.3, found.high * 1.3) if found.log else (found.low - room, found.high + room)
            if found.log:
                style.log_scale(axes.xaxis)
        _scatter(axes, sweep, places)
        axes.set_xlim(limits)  # what was searched, not only what was drawn
        axes.set_title(style.short(found.key, 34))
    for axes in panels[::columns]:
        axes.set_ylabel(sweep.name)
    return figure


def _scatter(axes: Axes, sweep: Sweep, places: dict[int, float]) -> None:
    """Plot the trials' figures at their places (by number) on the x axis."""
    best = [] if sweep.best is None else [sweep.best]
    done: dict[str, Any] = {"label": "finished", "marker": "o", "color": style.STAGES[0]}
    early: dict[str, Any] = {**done, "label": "stopped early (its last epoch)", "color": style.MUTED, "fillstyle": "none"}
    ring: dict[str, Any] = {"label": "the best", "color": style.STAGES[1], "markersize": 13, **style.RING}
    for trials, look in ((sweep.ended("finished"), done), (sweep.ended("pruned"), early), (best, ring)):
        shown = [trial for trial in trials if trial.number in places]
        if shown:
            values = np.array([trial.value for trial in shown], dtype=float)
            axes.plot([places[trial.number] for trial in shown], values, ls="", **look)
    losses = [trial.value for trial in sweep.trials if trial.value is not None]
    if sweep.metric == "val/loss" and min(losses) > 0 and max(losses) / min(losses) > _SPREAD:
        style.log_scale(axes.yaxis)
    axes.margins(y=0.14)
