"""Runs that left one generator (style, source, period) out each: holdout.html, its figure, holdout.csv and holdout.json."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from artclf.data.holdout import By
from artclf.errors import ArtclfError
from artclf.evaluation.decision import THRESHOLD
from artclf.evaluation.holdout import FIGURES, HoldoutResult, HoldoutRun, holdout_results
from artclf.evaluation.intervals import UNDEFINED
from artclf.report.findings import Metrics, runs_with_broken_guarantees
from artclf.report.plots import plot_intervals
from artclf.report.render import lines, report_link, save_figures, write_page
from artclf.run_folder import HOLDOUT_FILE, read_metrics, read_table, write_json, write_table

_PANELS = {
    "recall": "AI images found",
    "balanced_accuracy": "balanced accuracy",
    "auroc": "AUROC",
    "recall_at_1": "found at FPR 1%",
    "recall_at_5": "found at FPR 5%",
}


@dataclass(frozen=True)
class Holdout:
    """Runs that left one generator (style, source, period) out each, and how well they predict what they left out."""

    by: By
    command: str  # that trained all of them
    failed: Mapping[str, str]  # name → reason of those whose run did not finish
    skipped: Mapping[str, str]  # name → reason of those that could not be left out
    results: Sequence[HoldoutResult]  # of each that was left out, the lowest recall first
    metrics: Mapping[str, Mapping[str, Any]]  # what was left out → metrics.json

    @property
    def demo(self) -> bool:
        """Whether the images are drawn by a program."""
        return any((metrics.get("data") or {}).get("source") == "demo" for metrics in self.metrics.values())

    @property
    def table(self) -> pd.DataFrame:
        """What holdout.csv holds: up to four rows for each that was left out."""
        rows = []
        for result in self.results:
            cases = [("unseen", result.unseen, 1), ("unseen test", result.paired, 1)]
            cases += [("seen test", result.seen, result.seen_by), ("others", result.others, 1)]
            for images, found, runs in cases:
                if found is not None:
                    row = {"left_out": result.leave, "images": images, "ai": found.ai, "human": found.human, "runs": runs}
                    for name, estimate in found.estimates.items():
                        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
                    rows.append(row)
        return pd.DataFrame(rows)


def write_holdout(
    folder: Path,
    runs: Mapping[str, Path],
    by: By,
    command: str,
    failed: Mapping[str, str],
    skipped: Mapping[str, str],
) -> Holdout:
    """Write holdout.html, holdout.csv, holdout.json and holdout.png into a folder; links to the runs start there.

    `runs` (what was left out → folder) have finished; the other arguments are as for `Holdout`.

    Raises:
        ArtclfError: where there is no run, or one of them cannot be read, or they were tested on different images.
    """
    if not runs:
        reasons = "".join(f"\n{name}: {reason}" for name, reason in {**failed, **skipped}.items())
        raise ArtclfError(f"+holdout={by}: no run finished, so there is nothing to report{reasons}")
    every = {name: read_metrics(run, Metrics) for name, run in runs.items()}
    results = holdout_results([_read(name, run, every[name]) for name, run in runs.items()], by)
    recalls = pd.Series([result.unseen.estimates["recall"].value for result in results], dtype=float)
    lowest_first = [results[place] for place in recalls.sort_values(kind="stable").index]  # not defined: last
    holdout = Holdout(by, command, failed, skipped, lowest_first, every)
    sentences = lines("holdout.txt", holdout=holdout)
    sentences += runs_with_broken_guarantees({f"without {name}": metrics for name, metrics in every.items()})
    write_table(folder / "holdout.csv", holdout.table)
    write_page(
        folder / "holdout.html",
        "holdout.html",
        folder=folder.resolve().name,
        holdout=holdout,
        sentences=sentences,
        demo=holdout.demo,
        fallbacks=dict.fromkeys(line for metrics in every.values() for line in metrics.get("fallbacks") or []),
        figures=save_figures(folder, {"holdout": plot_holdout(holdout)}),
        links={name: report_link(run, folder) for name, run in runs.items()},
        names=FIGURES,
        fewest=min(result.unseen.human for result in results),
        resume=f"python train.py {shlex.quote(f'resume={folder}')}",
    )
    content = {
        "by": by,
        "threshold": THRESHOLD,
        "command": command,
        "left_out": [{"run": runs[result.leave].name, **asdict(result)} for result in lowest_first],
        "failed": dict(failed),
        "skipped": dict(skipped),
        "sentences": sentences,
    }
    write_json(folder / HOLDOUT_FILE, content)
    return holdout


def _read(name: str, run: Path, metrics: Mapping[str, Any]) -> HoldoutRun:
    predictions = read_table(run / "predictions.csv", text=("path", "label", "generator", "style", "split"), numbers=("p_ai",))
    left_out = (metrics.get("data") or {}).get("left_out") or {}
    if predictions is None or left_out.get("leave") != name:
        raise ArtclfError(f"{run}: is not the run that left {name} out; move it away, and resume= trains it again")
    return HoldoutRun(name, predictions, left_out["split"])


def plot_holdout(holdout: Holdout) -> Figure:
    """Plot each figure of each that was left out, by networks not trained on it and trained on it."""
    panels = {
        title: {
            f"not trained on the {holdout.by} (all images)": [result.unseen.estimates[name] for result in holdout.results],
            "trained on it (its test images)": [
                result.seen.estimates[name] if result.seen else UNDEFINED for result in holdout.results
            ],
        }
        for name, title in _PANELS.items()
    }
    title = f"Images of each {holdout.by}, by networks trained and not trained on it"
    return plot_intervals(title, [result.leave for result in holdout.results], panels)
