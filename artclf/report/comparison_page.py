"""Finished runs side by side: comparison.html, its figures, and the same as comparison.csv and comparison.json."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from matplotlib.figure import Figure

from artclf.errors import ArtclfError
from artclf.evaluation.metrics import THRESHOLD
from artclf.report import format as fmt
from artclf.report import style
from artclf.report.differences import Difference, Differences, against_the_best, cautions, standings, verdicts
from artclf.report.figures.forest import Series, plot_forest
from artclf.report.figures.runs import plot_losses, plot_rocs, plot_runs
from artclf.report.figures.scores import plot_confusions
from artclf.report.finished_runs import JudgedRun, other_folders, read_history, read_judged
from artclf.report.render import embed, render
from artclf.run_folder import as_json

SHOWN = 20  # runs that the figures hold, and that intervals are computed for
_FIGURES = ("accuracy", "balanced_accuracy", "auroc", "false_positive_rate", "false_negative_rate")
_PANELS = {
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "auroc": "AUROC (hundredths)",
    "false_positive_rate": "human called AI",
    "false_negative_rate": "AI missed",
}
_COUNTS = ("false_positives", "false_negatives", "parameters")
_NUMBERS = (*_FIGURES, *_COUNTS, "seconds")
_COLUMNS = ["run", "differs", "seed", *_NUMBERS, "status"]


@dataclass(frozen=True)
class Comparison:
    """What is to be told of runs on the same test pictures.

    Attributes:
        runs: the best balanced accuracy first.
        rows: a row for each run, in the same order: the columns of comparison.csv, and `link` to its report, or "".
        differences: of the best from each other run.
        failed: name → reason of runs that did not finish.
    """

    runs: tuple[JudgedRun, ...]
    rows: pd.DataFrame
    differences: Differences
    failed: Mapping[str, str]

    @property
    def table(self) -> pd.DataFrame:
        """What comparison.csv holds, those that failed at its end."""
        stopped = [{"run": name, "status": f"failed: {reason}"} for name, reason in self.failed.items()]
        table = pd.DataFrame([*self.rows.to_dict("records"), *stopped], columns=_COLUMNS)
        return table.astype(dict.fromkeys(_COUNTS, "Int64"))

    @property
    def standings(self) -> list[str]:
        """Which run comes first, and whether its lead is larger than chance explains."""
        first = standings(self.runs, list(self.rows["differs"]), self.differences)
        return [*first, *verdicts(self.differences)]

    @property
    def cautions(self) -> list[str]:
        """What these figures do not say."""
        said = cautions(self.runs, self.differences)
        roots = other_folders(self.runs)
        if roots:
            said.append(
                f"The runs read their pictures from different folders ({', '.join(roots)}): paths and labels agree. Whether "
                "the files do is only known where both folders are still there, and then of a few of them."
            )
        return said


def compare_runs(folder: Path, runs: Sequence[Path], failed: Mapping[str, str] | None = None) -> Comparison:
    """Compare finished runs, without writing anything.

    Args:
        folder: where the comparison is to go; names and links of the runs start there.
        runs: folders of finished runs, all tested on the same pictures.
        failed: for runs that did not finish: name → reason. They are listed, not compared.

    Raises:
        ArtclfError: where no run finished, one of them cannot be read, or their test sets differ.
    """
    failed = dict(failed or {})
    if not runs:
        reasons = "".join(f"\n{name}: {reason}" for name, reason in failed.items())
        raise ArtclfError(f"{folder}: no run finished, so there is nothing to compare{reasons}")
    judged = read_judged(runs, folder)
    shared = set.intersection(*(set(run.overrides or ()) for run in judged))
    rows = pd.DataFrame([_row(run, shared, folder) for run in judged]).astype(dict.fromkeys(_NUMBERS, float))
    rows = rows.sort_values(["balanced_accuracy", "accuracy"], ascending=False, kind="stable")
    best_first = tuple(judged[row] for row in rows.index)
    return Comparison(best_first, rows.reset_index(drop=True), against_the_best(best_first, shown=SHOWN), failed)


def write_comparison(folder: Path, runs: Sequence[Path], failed: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Compare finished runs and write the comparison into a folder; arguments and errors as for `compare_runs`.

    Returns:
        What comparison.csv holds, the best balanced accuracy first: run, differs (the overrides that not all runs share,
        the seed aside), seed, accuracy, balanced_accuracy, auroc, false_positive_rate, false_negative_rate, false_positives,
        false_negatives (all of test, at the threshold 0.5), parameters, seconds, status ("finished", or "failed: reason").
    """
    comparison = compare_runs(folder, runs, failed)
    write(folder, comparison)
    return comparison.table


def write(folder: Path, comparison: Comparison) -> None:
    """Write comparison.html, comparison.csv, comparison.json and the figures (comparison*.png) into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    comparison.table.to_csv(folder / "comparison.csv", index=False)
    (folder / "comparison.json").write_text(as_json(_to_json(comparison)), encoding="utf-8")
    pictures = {}
    for name, figure in _draw(comparison).items():
        file = folder / ("comparison.png" if name == "overview" else f"comparison_{name}.png")
        pictures[name] = embed(style.save(figure, file))
    runs, differences = comparison.runs, comparison.differences
    page = render(
        "comparison.html",
        folder=folder.resolve().name,
        title=f"{fmt.plural(len(runs), 'run')} on the same {fmt.plural(len(runs[0].paths), 'test picture')}",
        sentences=comparison.standings,
        cautions=comparison.cautions,
        failed=comparison.failed,
        pictures=pictures,
        shown=SHOWN if len(runs) > SHOWN else None,
        rows=comparison.rows.to_dict("records"),
        labels={"human": int((~runs[0].is_ai).sum()), "ai": int(runs[0].is_ai.sum())},
        settings=_settings(comparison.rows[[run.overrides is not None for run in runs]]),
        differences=differences,
        corrected=differences.tests > 1,
    )
    (folder / "comparison.html").write_text(page, encoding="utf-8")


def _draw(comparison: Comparison) -> dict[str, Figure]:
    """The figures that there is something to show in, of the best runs where these are many."""
    runs = comparison.runs[:SHOWN]
    names = [run.name for run in runs]
    histories = {run.name: read_history(run.folder) for run in runs}
    accuracies = {
        name: history.set_index("epoch")["val/accuracy"].dropna()
        for name, history in histories.items()
        if "val/accuracy" in history.columns
    }
    figures = {"overview": plot_runs(comparison.rows.head(SHOWN), accuracies)}
    if comparison.differences.pairs:
        figures["differences"] = _plot_differences(comparison.differences.pairs)
    figures["confusion"] = plot_confusions([(run.name, run.figures["confusion"]) for run in runs])
    if runs[0].is_ai.any() and not runs[0].is_ai.all():
        figures["roc"] = plot_rocs(runs)
    if any({"train/loss", "val/loss"} & set(history.columns) for history in histories.values()):
        figures["loss"] = plot_losses(histories, names)
    return figures


def _plot_differences(pairs: Sequence[Difference]) -> Figure:
    """Plot the best run's figures minus each other run's, in percentage points, with the interval of each."""
    drawn = [pair for pair in pairs if pair.figures]
    panels = {}
    for name, title in _PANELS.items():
        intervals = [pair.figures[name] for pair in drawn]
        estimates = [(_points(one.value), _points(one.low), _points(one.high)) for one in intervals]
        panels[title] = [Series(estimates, style.run_colours(len(drawn) + 1)[1:])]
    title = f"Run {style.short(drawn[0].best)} minus each other run, in points, with 95% intervals"
    return plot_forest(title, [pair.other for pair in drawn], panels, reference=0)


def _points(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _to_json(comparison: Comparison) -> dict[str, Any]:
    is_ai = comparison.runs[0].is_ai
    rows = comparison.table.head(len(comparison.runs)).to_dict("records")
    return {
        "test_pictures": {"n": len(is_ai), "ai": int(is_ai.sum()), "human": int((~is_ai).sum())},
        "threshold": THRESHOLD,
        "runs": [{key: None if pd.isna(value) else value for key, value in row.items()} for row in rows],
        "failed": dict(comparison.failed),
        **comparison.differences.to_json(),
        "standings": comparison.standings,
        "cautions": comparison.cautions,
    }


def _row(run: JudgedRun, shared: set[str], folder: Path) -> dict[str, Any]:
    report = run.folder / "report.html"
    confusion = run.figures["confusion"]
    return {
        "run": run.name,
        "differs": " ".join(word for word in run.overrides or () if word not in shared),
        "seed": run.seed,
        **{name: run.figures[name] for name in _FIGURES},
        "false_positives": confusion["human"]["ai"],
        "false_negatives": confusion["ai"]["human"],
        "parameters": (run.metrics.get("model") or {}).get("parameters"),
        "seconds": run.metrics.get("seconds"),
        "status": "finished",
        "link": quote(os.path.relpath(report, folder)) if report.is_file() else "",
    }


def _settings(finished: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean and standard deviation of each setting; nothing where no setting was run with more than one seed."""
    groups = [(str(setting), rows) for setting, rows in finished.groupby("differs", sort=False)]
    if all(len(rows) == 1 for _, rows in groups):
        return []
    return [
        {"setting": setting, "runs": len(rows), "texts": [_spread(name, rows[name]) for name in _FIGURES]}
        for setting, rows in groups
    ]


def _spread(name: str, values: pd.Series) -> str:
    """Mean ± standard deviation (of a sample: n - 1)."""
    known = pd.to_numeric(values).dropna()
    if not len(known):
        return fmt.NOT_RECORDED
    scale, digits = (1, 3) if name == "auroc" else (100, 1)
    unit = "" if name == "auroc" else "%"
    spread = f" ± {known.std() * scale:.{digits}f}" if len(known) > 1 else ""
    return f"{known.mean() * scale:.{digits}f}{spread}{unit}"
