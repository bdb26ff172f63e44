"""Runs that left one generator (style, source, period) out each: holdout.html and what stands beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artclf.config.command import command_of
from artclf.data.holdout import By
from artclf.errors import ArtclfError
from artclf.evaluation.gap import Row, lowest_first
from artclf.evaluation.holdout import HoldoutRun, holdout_results
from artclf.report.findings import Metrics, runs_with_broken_guarantees
from artclf.report.gap_page import write_gap
from artclf.report.render import lines, report_link
from artclf.run_folder import read_metrics, read_table


@dataclass(frozen=True)
class Holdout:
    """Runs that left one generator (style, source, period) out each, and how well they predict what they left out."""

    by: By
    failed: Mapping[str, str]  # name → reason of those whose run did not finish
    rows: Sequence[Row]  # up to four for each that was left out, the lowest AUROC first
    sentences: Sequence[str]  # what is said first
    demo: bool  # whether the images are drawn by a program


def write_holdout(
    folder: Path,
    runs: Mapping[str, Path],
    by: By,
    command: str,
    failed: Mapping[str, str],
    skipped: Mapping[str, str],
) -> Holdout:
    """Write holdout.html, holdout.csv, holdout.json and holdout.png into a folder; links to the runs start there.

    `runs` (what was left out → folder) have finished, those `failed` (name → reason) have not, those `skipped` (likewise) could
    not be left out; `command` trained all of them.

    Raises:
        ArtclfError: where there is no run, or one of them cannot be read, or they were tested on different images.
    """
    if not runs:
        reasons = "".join(f"\n{name}: {reason}" for name, reason in {**failed, **skipped}.items())
        raise ArtclfError(f"+holdout={by}: no run finished, so there is nothing to report{reasons}")
    every = {name: read_metrics(run, Metrics) for name, run in runs.items()}
    results = holdout_results([_read(name, run, every[name]) for name, run in runs.items()], by)
    results.sort(key=lambda rows: lowest_first(rows[0]))
    sentences = lines("gap.txt", by=by, results=results)
    sentences += runs_with_broken_guarantees({f"without {name}": metrics for name, metrics in every.items()})
    demo = any((metrics.get("data") or {}).get("source") == "demo" for metrics in every.values())
    rows = [row for of_one in results for row in of_one]
    write_gap(
        folder / "holdout",
        rows,
        sentences,
        title=f"{len(runs)} {by}{'s' * (len(runs) > 1)} left out of training",
        by=by,
        demo=demo,
        failed=failed,
        skipped=skipped,
        fallbacks=list(dict.fromkeys(line for metrics in every.values() for line in metrics.get("fallbacks") or [])),
        links={name: report_link(run, folder) for name, run in runs.items()},
        commands=[command, *(metrics["command"] for metrics in every.values())],
        resume=command_of([f"resume={folder}"]),
    )
    return Holdout(by, failed, rows, sentences, demo)


def _read(name: str, run: Path, metrics: Mapping[str, Any]) -> HoldoutRun:
    text, numbers = ("path", "label", "generator", "style", "split", "verdict"), ("p_ai", "calibrated")
    predictions = read_table(run / "predictions.csv", text, numbers)
    left_out = (metrics.get("data") or {}).get("left_out") or {}
    if predictions is None or left_out.get("leave") != name:
        raise ArtclfError(f"{run}: is not the run that left {name} out; move it away, and resume= trains it again")
    return HoldoutRun(name, predictions, left_out["split"])
