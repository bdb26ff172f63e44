"""Finished runs side by side: comparison.html, its figures, comparison.csv and comparison.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from artclf.data.manifest import SHA256
from artclf.errors import ArtclfError
from artclf.evaluation.decision import THRESHOLD
from artclf.evaluation.intervals import Estimate, estimate_metrics
from artclf.evaluation.significance import FIGURES, Classifier, compare_with_best
from artclf.report import style
from artclf.report.figures.draw import draw_roc, plot_by_epoch, plot_intervals
from artclf.report.findings import runs_with_broken_guarantees
from artclf.report.finished_runs import ComparedRun, read_history, read_runs
from artclf.report.render import lines, report_link, save_figures, write_page
from artclf.run_folder import write_json, write_table

SHOWN = 20  # runs that the figures show, and whose differences get intervals
_PANELS = {
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "auroc": "AUROC",
    "false_positive_rate": "human called AI",
    "false_negative_rate": "AI missed",
}
_COUNTS = ["false_positives", "false_negatives", "parameters"]
_COLUMNS = ["run", "differs", "seed", *FIGURES, *_COUNTS, "seconds", "status"]  # of comparison.csv


@dataclass(frozen=True)
class Comparison:
    """Finished runs on the same test images."""

    runs: tuple[ComparedRun, ...]  # the best balanced accuracy first
    rows: pd.DataFrame  # a row for each run, in that order: the columns of comparison.csv, `setting` and `link`
    tests: Mapping[str, Any]  # pairs and method, as `compare_with_best` returns them
    failed: Mapping[str, str]  # name → reason of runs that did not finish
    standings: list[str]  # which run is best, and by how much
    cautions: list[str]  # what these figures do not show

    @property
    def table(self) -> pd.DataFrame:
        """What comparison.csv holds: the best balanced accuracy first, runs that failed last.

        `differs` are the overrides that not all runs share, the seed aside; the figures are of the test images.
        """
        failed = [{"run": name, "status": f"failed: {reason}"} for name, reason in self.failed.items()]
        table = pd.DataFrame([*self.rows.to_dict("records"), *failed], columns=_COLUMNS)
        return table.astype(dict.fromkeys(_COUNTS, "Int64"))


def compare_runs(folder: Path, runs: Sequence[Path], failed: Mapping[str, str] | None = None) -> Comparison:
    """Compare finished runs for a page in a folder, without writing it; `failed` runs (name → reason) are listed.

    Raises:
        ArtclfError: where no run finished, one of them cannot be read, or their test images differ.
    """
    failed = dict(failed or {})
    if not runs:
        reasons = "".join(f"\n{name}: {reason}" for name, reason in failed.items())
        raise ArtclfError(f"{folder}: no run finished, so there is nothing to compare{reasons}")
    finished = read_runs(runs)
    shared = set.intersection(*(set(run.overrides or ()) for run in finished))
    rows = pd.DataFrame([_row(run, shared, folder) for run in finished])
    rows = rows.astype(dict.fromkeys([*FIGURES, *_COUNTS, "seconds"], float))
    rows = rows.sort_values(["balanced_accuracy", "accuracy"], ascending=False, kind="stable")
    best_first = tuple(finished[row] for row in rows.index)
    classifiers = [Classifier(run.name, run.p_ai, run.overrides) for run in best_first]
    tests = compare_with_best(classifiers, best_first[0].is_ai, SHOWN)
    accuracy = rows.groupby("setting")["accuracy"]
    roots = list(dict.fromkeys(run.root for run in finished if run.root))
    verified = all((run.images[SHA256] != "").all() for run in finished)
    context = {
        **tests,
        "rows": rows.to_dict("records"),
        "seed_spread": (accuracy.max() - accuracy.min())[accuracy.size() > 1].max(),  # NaN with one seed of each
        "unverified_roots": roots if len(roots) > 1 and not verified else [],
    }
    standings, cautions = (lines(f"comparison_{part}.txt", **context) for part in ("standings", "cautions"))
    standings += runs_with_broken_guarantees({f"run {run.name}": run.metrics for run in best_first})
    return Comparison(best_first, rows.reset_index(drop=True), tests, failed, standings, cautions)


def _row(run: ComparedRun, shared: set[str], folder: Path) -> dict[str, Any]:
    confusion = run.figures["confusion"]
    return {
        "run": run.name,
        "differs": " ".join(word for word in run.overrides or () if word not in shared),
        "setting": None if run.overrides is None else " ".join(sorted(run.overrides)),
        "seed": str(run.metrics.get("seed", "")),
        **{name: run.figures[name] for name in FIGURES},
        "false_positives": confusion["human"]["ai"],
        "false_negatives": confusion["ai"]["human"],
        "parameters": (run.metrics.get("model") or {}).get("parameters"),
        "seconds": run.metrics.get("seconds"),
        "status": "finished",
        "link": report_link(run.folder, folder),
    }


def write_comparison(folder: Path, runs: Sequence[Path], failed: Mapping[str, str] | None = None) -> Comparison:
    """`compare_runs`, and write comparison.html, comparison.csv, comparison.json and the figures (comparison*.png)."""
    comparison = compare_runs(folder, runs, failed)
    folder.mkdir(parents=True, exist_ok=True)
    table, is_ai = comparison.table, comparison.runs[0].is_ai
    write_table(folder / "comparison.csv", table)
    finished = table.head(len(comparison.runs))
    content = {
        "test_pictures": {"n": len(is_ai), "ai": int(is_ai.sum()), "human": int((~is_ai).sum())},
        "threshold": THRESHOLD,
        "runs": finished.astype(object).where(finished.notna(), None).to_dict("records"),
        "failed": dict(comparison.failed),
        **comparison.tests,
        "standings": comparison.standings,
        "cautions": comparison.cautions,
    }
    write_json(folder / "comparison.json", content)
    write_page(
        folder / "comparison.html",
        "comparison.html",
        **{**content, "runs": comparison.rows.to_dict("records")},
        folder=folder.resolve().name,
        images=content["test_pictures"],
        figures=save_figures(folder, _draw(comparison)),
        names=FIGURES,
        shown=SHOWN,
        settings=_settings(comparison.rows),
    )
    return comparison


def _settings(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean and standard deviation (n - 1) of each setting; nothing where no setting was run with more than one seed."""
    settings = [of_one for _, of_one in rows.groupby("setting", sort=False)]
    if len(settings) == len(rows):
        return []
    names = [*FIGURES]
    return [
        {"differs": of_one["differs"].iloc[0], "runs": len(of_one), "mean": of_one[names].mean(), "std": of_one[names].std()}
        for of_one in settings
    ]


def _draw(comparison: Comparison) -> dict[str, Figure]:
    """The figures, of the best runs where there are many."""
    runs = comparison.runs[:SHOWN]
    figures = {"comparison": _plot_overview(runs)}
    if comparison.tests["pairs"]:
        figures["comparison_differences"] = _plot_differences(comparison.tests["pairs"])
    if runs[0].is_ai.any() and not runs[0].is_ai.all():
        figures["comparison_roc"] = _plot_rocs(runs)
    histories = {run.name: read_history(run.folder) for run in runs}
    if any(len(history) for history in histories.values()):
        figures["comparison_loss"] = plot_histories(histories)
    return figures


def _plot_overview(runs: Sequence[ComparedRun]) -> Figure:
    """Plot the figures of each run with 95% intervals."""
    estimates = [estimate_metrics(run.is_ai, run.p_ai) for run in runs]
    names = ("balanced_accuracy", "accuracy", "false_positive_rate")
    panels = {_PANELS[name]: {"": [one[name] for one in estimates]} for name in names}
    return plot_intervals(
        "Runs on the same test images, the best first, with 95% intervals", [run.name for run in runs], panels
    )


def _plot_differences(pairs: Sequence[Mapping[str, Any]]) -> Figure:
    """Plot the best run's figures minus each other run's, with intervals."""
    drawn = [pair for pair in pairs if pair["differences"]]
    panels = {title: {"": [Estimate(*pair["differences"][name].values()) for pair in drawn]} for name, title in _PANELS.items()}
    title = f"Run {style.short(drawn[0]['first'])} minus each other run, with 95% intervals"
    return plot_intervals(title, [pair["second"] for pair in drawn], panels, reference=0)


def _plot_rocs(runs: Sequence[ComparedRun]) -> Figure:
    """Plot the ROC curve of each run, and beside it the corner of few false accusations; dots at the threshold 0.5."""
    figure, (whole, corner) = style.panels("Every threshold: ROC curves", 2, 2, height=3.4)
    for row, (run, colour) in enumerate(zip(runs, style.run_colours(len(runs)), strict=True)):
        label = style.short(run.name) if row < len(style.RUNS) else "_"
        for axes in (whole, corner):
            draw_roc(axes, run.is_ai, run.p_ai, colour, label)
    whole.legend(title="AUROC", loc="lower right")
    corner.set(xlim=(-0.002, 0.102), title="at most 10% of the human images called AI")
    return figure


def plot_histories(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Plot accuracy and loss by epoch of several runs, the best first: run → metrics.csv by epoch."""
    columns = {"validation accuracy": "val/accuracy", "training loss": "train/loss", "validation loss": "val/loss"}
    panels = {
        title: {name: table[column].dropna() for name, table in histories.items() if column in table}
        for title, column in columns.items()
    }
    return plot_by_epoch(panels, dict(zip(histories, style.run_colours(len(histories)), strict=True)))
