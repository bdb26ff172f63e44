"""A search for settings and its trials: sweep.csv, sweep.html and its figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from artclf.config.command import command_of
from artclf.config.space import Setting
from artclf.report import plots
from artclf.report.render import lines, report_link, save_figures, write_page
from artclf.report.terminal import screen
from artclf.run_folder import write_table

_PRINTED = 5  # trials; the page has all
_SPREAD = 10.0  # from this ratio of the largest loss to the smallest on, the axis is logarithmic
_RANKS = {"finished": 0, "pruned": 1, "failed": 2}
METRICS = {"val/loss": "validation loss", "val/accuracy": "validation accuracy", "val/auroc": "validation AUROC"}


@dataclass(frozen=True)
class Sweep:
    """A search, so far.

    `trials` is what sweep.csv holds, a trial a row: trial (from 0 on; its run is in the subfolder of that name), state
    ("finished", "pruned" or "failed"), the monitored metric (of the last epoch where the trial was pruned), epochs, seconds,
    each setting as it is typed, figures of the test split (test_…), by which nothing is chosen, and the reason of the state.
    """

    metric: str  # the monitored one ("val/loss")
    mode: Literal["min", "max"]
    trials: pd.DataFrame
    settings: Sequence[Setting]  # that are searched
    settled: list[str]  # overrides that are the same for all trials
    importance: dict[str, float]  # key → share of the differences that it explains, the largest first; empty: too few trials
    asked: int  # how many trials there were to be
    seconds: float

    @property
    def name(self) -> str:
        """The monitored metric as a person reads it."""
        return METRICS.get(self.metric, self.metric)

    def ended(self, state: str) -> pd.DataFrame:
        """The trials that ended so."""
        return self.trials[self.trials["state"] == state]

    @cached_property
    def ranked(self) -> list[dict[Any, Any]]:
        """The trials, the best first; None for what they lack."""
        ranks = self.trials.assign(rank=self.trials["state"].map(_RANKS))
        table = ranks.sort_values(["rank", self.metric], ascending=[True, self.mode == "min"], kind="stable").astype(object)
        return table.where(table.notna(), None).to_dict("records")

    @property
    def best(self) -> dict[Any, Any] | None:
        """The finished trial with the best metric."""
        return next((trial for trial in self.ranked if trial["state"] == "finished"), None)

    @property
    def command(self) -> str | None:
        """What runs the best settings again."""
        return command_of([*self.settled, *self.typed(self.best)]) if self.best else None

    def typed(self, trial: dict[Any, Any]) -> list[str]:
        """The settings of a trial as overrides."""
        return [f"{setting.key}={trial[setting.key]}" for setting in self.settings]


def write_sweep(folder: Path, sweep: Sweep) -> None:
    """Write sweep.csv, sweep.html and its figures into a folder, and print the outcome."""
    write_table(folder / "sweep.csv", sweep.trials)
    figures = {}
    if sweep.trials[sweep.metric].notna().any():
        figures = {"sweep_trials": plot_trials(sweep), "sweep_settings": plot_settings(sweep)}
    sentences = lines("sweep.txt", sweep=sweep)
    page = write_page(
        folder / "sweep.html",
        "trials.html",
        folder=folder.resolve().name,
        sweep=sweep,
        sentences=sentences,
        links={number: report_link(folder / str(number), folder) for number in sweep.trials["trial"]},
        figures=save_figures(folder, figures),
    )
    for trial in sweep.ranked[: min(_PRINTED, len(sweep.ended("finished")))]:
        settings = " ".join(sweep.typed(trial))
        sentences.append(f"  trial {trial['trial']}: {sweep.metric} {trial[sweep.metric]:.4g}  {settings}")
    if sweep.command:
        sentences.append(f"the best settings, chosen by validation alone:\n  {sweep.command}")
    screen().print("\n".join([*sentences, f"all trials: {page}"]))


def plot_trials(sweep: Sweep) -> Figure:
    """Plot the metric of each trial in order, and the best so far."""
    figure, (axes,) = plots.panels(f"The {sweep.name} of each trial", 1, 1, height=2.6, legend=True)
    _scatter(axes, sweep, sweep.trials["trial"])
    finished = sweep.ended("finished")
    if len(finished):
        values = finished[sweep.metric]
        best = values.cummin() if sweep.mode == "min" else values.cummax()
        numbers = [*finished["trial"], len(sweep.trials) - 1]
        axes.step(numbers, [*best, best.iloc[-1]], where="post", color=plots.INK, zorder=2, label="the best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel="trial", ylabel=sweep.name)
    figure.legend(*axes.get_legend_handles_labels(), loc="lower left", ncols=4)
    return figure


def plot_settings(sweep: Sweep) -> Figure:
    """Plot each trial's metric over each setting, on one axis of metrics; the best is ringed."""
    columns = min(len(sweep.settings), 3)
    figure, panels = plots.panels(f"The {sweep.name} over each setting", len(sweep.settings), columns, height=2.2, sharey=True)
    for found, axes in zip(sweep.settings, panels, strict=True):
        if found.words:
            _scatter(axes, sweep, sweep.trials[found.key].map({word: place for place, word in enumerate(found.words)}))
            axes.set_xticks(range(len(found.words)), [plots.short(word, 16) for word in found.words])
            limits = (-0.6, len(found.words) - 0.4)
        else:
            _scatter(axes, sweep, pd.to_numeric(sweep.trials[found.key]))
            room = 0.06 * (found.high - found.low) or 0.5
            limits = (found.low / 1.3, found.high * 1.3) if found.log else (found.low - room, found.high + room)
            if found.log:
                plots.log_scale(axes.xaxis)
        axes.set_xlim(limits)  # what was searched, not only what was drawn
        axes.set_title(plots.short(found.key, 34))
    for axes in panels[::columns]:
        axes.set_ylabel(sweep.name)
    return figure


def _scatter(axes: Axes, sweep: Sweep, places: pd.Series) -> None:
    """Plot the trials' metrics at their places on the x axis; one without a place is left out."""
    state, values = sweep.trials["state"], sweep.trials[sweep.metric]
    best = sweep.trials["trial"] == (sweep.best or {}).get("trial")
    done: dict[str, Any] = {"label": "finished", "marker": "o", "color": plots.STAGES[0]}
    early: dict[str, Any] = {**done, "label": "stopped early (its last epoch)", "color": plots.MUTED, "fillstyle": "none"}
    ring: dict[str, Any] = {"label": "the best", "color": plots.STAGES[1], "markersize": 13, **plots.RING}
    for rows, look in ((state == "finished", done), (state == "pruned", early), (best, ring)):
        if rows.any():
            axes.plot(places[rows], values[rows], ls="", **look)
    if sweep.metric == "val/loss" and values.min() > 0 and values.max() / values.min() > _SPREAD:
        plots.log_scale(axes.yaxis)
    axes.margins(y=0.14)
