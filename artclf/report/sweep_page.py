"""A search and its trials: sweep.csv, sweep.html and its figures."""

from pathlib import Path

import pandas as pd
from rich.console import Console

from artclf.report import style
from artclf.report.figures.sweep import Sweep, Trial, plot_importance, plot_settings, plot_trials
from artclf.report.render import embed, lines, render

_PRINTED = 5  # trials; the page has all


def write_sweep(folder: Path, sweep: Sweep) -> pd.DataFrame:
    """Write sweep.csv, sweep.html and its figures into the sweep's folder, and print the outcome.

    Returns:
        What sweep.csv holds, a trial a row, in order: trial, state, the monitored figure, epochs, seconds, a column for each
        setting, the figures of the test split (their names begin with test_), reason.
    """
    table = _table(sweep)
    table.to_csv(folder / "sweep.csv", index=False)
    figures = {"trials": plot_trials(sweep)} if table[sweep.metric].notna().any() else {}
    if sweep.importance:
        figures["importance"] = plot_importance(sweep)
    if figures:
        figures["settings"] = plot_settings(sweep)
    states, sign = ("finished", "pruned", "failed"), 1 if sweep.mode == "min" else -1
    ranked = sorted(sweep.trials, key=lambda trial: (states.index(trial.state), sign * (trial.value or 0.0), trial.number))
    sentences = lines("sweep.txt", sweep=sweep)
    page = render(
        "trials.html",
        folder=folder.resolve().name,
        sweep=sweep,
        sentences=sentences,
        trials=ranked,
        reports={trial.number for trial in sweep.trials if (folder / str(trial.number) / "report.html").is_file()},
        figures={name: embed(style.save(figure, folder / f"sweep_{name}.png")) for name, figure in figures.items()},
    )
    (folder / "sweep.html").write_text(page, encoding="utf-8")
    _print(sweep, ranked, sentences, folder / "sweep.html")
    return table


def _table(sweep: Sweep) -> pd.DataFrame:
    rows = [
        {
            "trial": trial.number,
            "state": trial.state,
            sweep.metric: trial.value,
            "epochs": trial.epochs,
            "seconds": trial.seconds,
            **{key: trial.words.get(key) for key in sweep.space},
            **{f"test_{name}": value for name, value in trial.test.items()},
            "reason": trial.reason,
        }
        for trial in sweep.trials
    ]
    table = pd.DataFrame(rows)
    return table[[*table.columns.drop("reason"), "reason"]]


def _print(sweep: Sweep, ranked: list[Trial], sentences: list[str], page: Path) -> None:
    printed = list(sentences)
    for trial in ranked[:_PRINTED]:
        if trial.state == "finished":
            settings = " ".join(f"{key}={word}" for key, word in trial.words.items())
            printed.append(f"  trial {trial.number}: {sweep.metric} {trial.value:.4g}  {settings}")
    if sweep.command:
        printed.append(f"the best settings, chosen by validation alone:\n  {sweep.command}")
    console = Console()
    for line in [*printed, f"all trials: {page}"]:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
