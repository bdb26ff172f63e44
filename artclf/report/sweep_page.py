"""A search and its trials: sweep.csv, sweep.html and its pictures."""

from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from artclf.report import format as fmt
from artclf.report import style
from artclf.report.figures.sweep import Sweep, Trial, plot_importance, plot_settings, plot_trials
from artclf.report.render import embed, render

FEW_IN_TERMINAL = 5  # trials; the page has all


def write_sweep(folder: Path, sweep: Sweep) -> pd.DataFrame:
    """Write sweep.csv, sweep.html and its pictures into the sweep's folder, and tell the outcome in the terminal.

    Args:
        folder: the sweep's.
        sweep: what came out.

    Returns:
        What sweep.csv holds, a trial a row, in order: trial, state, the monitored figure, epochs, seconds, a column for each
        setting, the figures of the test split (their names begin with test_), reason.
    """
    table = _table(sweep)
    table.to_csv(folder / "sweep.csv", index=False)
    pictures = {"trials": plot_trials(sweep)} if any(trial.value is not None for trial in sweep.trials) else {}
    if sweep.importance:
        pictures["importance"] = plot_importance(sweep)
    if pictures:
        pictures["settings"] = plot_settings(sweep)
    saved = {name: embed(style.save(figure, folder / f"sweep_{name}.png")) for name, figure in pictures.items()}
    page = render(
        "trials.html",
        folder=folder.resolve().name,
        sweep=sweep,
        sentences=_sentences(sweep),
        rows=[_row(sweep, trial, folder) for trial in _ranked(sweep)],
        pictures=saved,
    )
    (folder / "sweep.html").write_text(page, encoding="utf-8")
    _tell(sweep, folder)
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
    return table[[name for name in table.columns if name != "reason"] + ["reason"]]


def _ranked(sweep: Sweep) -> list[Trial]:
    """The finished ones first, the best of them on top; then the pruned, then the failed."""
    states = ("finished", "pruned", "failed")
    sign = 1 if sweep.mode == "min" else -1
    return sorted(sweep.trials, key=lambda trial: (states.index(trial.state), sign * (trial.value or 0.0), trial.number))


def _row(sweep: Sweep, trial: Trial, folder: Path) -> dict[str, Any]:
    report = folder / str(trial.number) / "report.html"
    return {
        "trial": trial,
        "value": fmt.NOT_RECORDED if trial.value is None else f"{trial.value:.4g}",
        "words": [trial.words.get(key, fmt.NOT_RECORDED) for key in sweep.space],
        "link": f"{trial.number}/report.html" if report.is_file() else "",
        "best": trial is sweep.best,
    }


def _sentences(sweep: Sweep) -> list[str]:
    done, pruned, failed = (sweep.count(state) for state in ("finished", "pruned", "failed"))
    counts = [f"{done} of {fmt.plural(len(sweep.trials), 'trial')} finished"]
    if pruned:
        counts.append(f"{pruned} {'was' if pruned == 1 else 'were'} stopped early as hopeless")
    if failed:
        counts.append(f"{failed} failed")
    sentences = [f"{fmt.listed(counts)}."]
    if len(sweep.trials) < sweep.asked:
        sentences.append(f"The search was interrupted before its {sweep.asked} trials were done.")
    if sweep.best is not None and sweep.best.value is not None:
        sentences.append(f"The best is trial {sweep.best.number}: {sweep.name} {sweep.best.value:.4g}.")
    if sweep.importance:
        key, share = next(iter(sweep.importance.items()))
        sentences.append(f"What mattered most was {key}: it explains {fmt.share(share)} of the differences.")
    elif sweep.importance_missing:
        sentences.append(f"{sweep.importance_missing[0].upper()}{sweep.importance_missing[1:]}.")
    return sentences


def _tell(sweep: Sweep, folder: Path) -> None:
    console = Console()
    for sentence in _sentences(sweep):
        console.print(sentence, soft_wrap=True, highlight=False, markup=False)
    for trial in _ranked(sweep)[:FEW_IN_TERMINAL]:
        if trial.state == "finished":
            settings = " ".join(f"{key}={word}" for key, word in trial.words.items())
            line = f"  trial {trial.number}: {sweep.metric} {trial.value:.4g}  {settings}"
            console.print(line, soft_wrap=True, highlight=False, markup=False)
    if sweep.command:
        console.print(
            f"the best settings, chosen by validation alone:\n  {sweep.command}", soft_wrap=True, highlight=False, markup=False
        )
    console.print(f"all trials: {folder / 'sweep.html'}", soft_wrap=True, highlight=False, markup=False)
