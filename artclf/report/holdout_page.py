"""Runs that left one generator (or style) out each: holdout.html, its figure, and the same as holdout.csv and holdout.json."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pandas as pd
from matplotlib.figure import Figure

from artclf.errors import ArtclfError
from artclf.evaluation.holdout import FIGURES, Figures, HoldoutResult, HoldoutRun, holdout_results
from artclf.evaluation.intervals import Estimate
from artclf.evaluation.metrics import THRESHOLD
from artclf.report import format as fmt
from artclf.report import style
from artclf.report.figures.forest import Series, plot_forest
from artclf.report.render import embed, render
from artclf.run_folder import HOLDOUT_FILE, as_json, read_metrics, read_table

PANELS = {
    "recall": "AI works found",
    "balanced_accuracy": "balanced accuracy",
    "auroc": "AUROC",
    "recall_at_1": "found, 1% accused",
    "recall_at_5": "found, 5% accused",
}
_FEW = 50  # AI works; a share of so many has an interval of up to ±14 points
_COLUMNS = ("left_out", "works", "ai", "human", "runs", *(f"{name}{end}" for name in FIGURES for end in ("", "_low", "_high")))


@dataclass(frozen=True)
class Holdout:
    """What is to be told of runs that left something out.

    Attributes:
        by: "generator" or "style".
        results: one for each that was left out, those that are found least when unseen first.
        runs: name → folder of its run.
        metrics: name → that run's metrics.json.
        threshold: from which p_ai on the verdicts are AI.
        command: that trained all of them.
        failed: name → reason of those whose run did not finish.
        aside: name → reason of those that could not be left out.
    """

    by: Literal["generator", "style"]
    results: tuple[HoldoutResult, ...]
    runs: Mapping[str, Path]
    metrics: Mapping[str, Mapping[str, Any]]
    threshold: float
    command: str
    failed: Mapping[str, str]
    aside: Mapping[str, str]

    @property
    def table(self) -> pd.DataFrame:
        """What holdout.csv holds: up to three rows for each that was left out."""
        return pd.DataFrame([row for result in self.results for row in _rows(result)], columns=list(_COLUMNS))


def read_holdout(
    runs: Mapping[str, Path],
    by: Literal["generator", "style"],
    command: str,
    failed: Mapping[str, str] | None = None,
    aside: Mapping[str, str] | None = None,
    *,
    threshold: float = THRESHOLD,
) -> Holdout:
    """Read finished runs that left one generator (or style) out each, and compute how what they left out is judged.

    Args:
        runs: what was left out → the folder of its finished run.
        by: "generator" or "style".
        command: the command line that trained all of them.
        failed: name → reason of those whose run did not finish.
        aside: name → reason of those that could not be left out.
        threshold: from which p_ai on the verdicts are AI.

    Raises:
        ArtclfError: where there is no run, or one of them cannot be read, or they were tested on different pictures.
    """
    failed, aside = dict(failed or {}), dict(aside or {})
    if not runs:
        reasons = "".join(f"\n{name}: {reason}" for name, reason in {**failed, **aside}.items())
        raise ArtclfError(f"+holdout={by}: no run finished, so there is nothing to tell{reasons}")
    metrics = {name: read_metrics(run) for name, run in runs.items()}
    results = holdout_results([_read(name, run, metrics[name], threshold) for name, run in runs.items()], by)
    worst_first = sorted(results, key=lambda result: (_order(result.unseen.estimates["recall"]), result.leave))
    return Holdout(by, tuple(worst_first), dict(runs), metrics, threshold, command, failed, aside)


def write_holdout(folder: Path, holdout: Holdout) -> None:
    """Write holdout.html, holdout.csv, holdout.json and holdout.png into a folder; links to the runs start there."""
    holdout.table.to_csv(folder / "holdout.csv", index=False)
    picture = embed(style.save(plot_unseen(holdout.results, holdout.by), folder / "holdout.png"))
    fallbacks = list(dict.fromkeys(line for metrics in holdout.metrics.values() for line in metrics.get("fallbacks") or []))
    fewest = min(result.unseen.human for result in holdout.results)
    page = render(
        "holdout.html",
        folder=folder.resolve().name,
        title=f"{fmt.plural(len(holdout.results), holdout.by)}, each judged by a network that has never seen it",
        holdout=holdout,
        sentences=sentences(holdout),
        fallbacks=fallbacks,
        demo=_is_demo(holdout),
        picture=picture,
        links={name: _link(run, folder) for name, run in holdout.runs.items()},
        commands={name: metrics.get("command") for name, metrics in holdout.metrics.items()},
        figures=FIGURES,
        few=fewest if fewest < 100 else None,
        percents=("recall", "false_positive_rate", "balanced_accuracy", "recall_at_1", "recall_at_5"),
        resume=f"python train.py {shlex.quote(f'resume={folder}')}",
    )
    (folder / "holdout.html").write_text(page, encoding="utf-8")
    (folder / HOLDOUT_FILE).write_text(as_json(_to_json(holdout)), encoding="utf-8")


def sentences(holdout: Holdout) -> list[str]:
    """Say which is missed most when unseen, what it loses by that, and what does not follow."""
    return [_missed_most(holdout), _costs(holdout), _does_not_follow(holdout)]


def plot_unseen(results: Sequence[HoldoutResult], by: str) -> Figure:
    """Plot each figure of each left-out generator or style, unseen and seen, with 95% intervals.

    Args:
        results: the first on top.
        by: "generator" or "style", for the heading.
    """
    panels = {}
    for name, title in PANELS.items():
        unseen = [result.unseen.estimates[name] for result in results]
        seen = [Estimate(None, None, None) if result.seen is None else result.seen.estimates[name] for result in results]
        panels[title] = [
            Series([(one.value, one.low, one.high) for one in estimates], [colour] * len(results), label, hollow)
            for estimates, colour, label, hollow in ((unseen, style.AI, "never seen", False), (seen, style.INK, "seen", True))
        ]
    title = f"The same images by networks that never saw their {by}, and by those that did"
    return plot_forest(title, [result.leave for result in results], panels)


def _read(name: str, run: Path, metrics: Mapping[str, Any], threshold: float) -> HoldoutRun:
    predictions = read_table(run / "predictions.csv", text=("path", "label", "generator", "style", "split"), numbers=("p_ai",))
    left_out = (metrics.get("data") or {}).get("left_out") or {}
    if predictions is None or left_out.get("leave") != name:
        raise ArtclfError(f"{run}: is not the run that left {name} out; move it away, and resume= trains it again")
    return HoldoutRun(name, predictions, left_out["split"], threshold)


def _order(recall: Estimate) -> float:
    return 2.0 if recall.value is None else recall.value


def _missed_most(holdout: Holdout) -> str:
    worst = holdout.results[0]
    recall, accused = worst.unseen.estimates["recall"], worst.unseen.estimates["false_positive_rate"]
    if recall.value is None:
        return f"No {holdout.by} that was left out has AI works to test, so it is not known which would be missed."
    said = f"finds {fmt.share(recall.value)} of its {fmt.plural(worst.unseen.ai, 'AI work')} {_between(recall)}"
    if accused.value is not None:
        human = f"{fmt.plural(worst.unseen.human, 'human work')}{' of this style' if holdout.by == 'style' else ''}"
        said += f", and wrongly calls {fmt.share(accused.value)} of {human} AI {_between(accused)}"
    number = len(holdout.results)
    if number == 1:
        return f"{worst.leave} was left out: a network that has never seen a picture of it {said}."
    which = f"Of {fmt.plural(number, holdout.by)} left out in turn,"
    if len({result.unseen.estimates["recall"].value for result in holdout.results}) == 1:
        return f"{which} none is missed more than another: a network that has never seen a picture of {worst.leave} {said}."
    return f"{which} {worst.leave} is missed most: a network that has never seen a picture of it {said}."


def _costs(holdout: Holdout) -> str:
    worst = holdout.results[0]
    if worst.seen is None or not worst.lost:
        return (
            f"What that costs is not known: no other run that was trained on {worst.leave} has finished, or it has works of "
            "one class only."
        )
    lost, seen = worst.lost["recall"], worst.seen.estimates["recall"]
    another = next((result.leave for result in holdout.results if result is not worst), "another one")
    by = f"networks trained on it find (mean of {worst.seen_by})"
    by = f"a network trained on it, without {another}, finds" if worst.seen_by == 1 else by
    said = f"Of the same works, {by} {fmt.share(seen.value)}"
    points = f"{fmt.points(lost.value)} points ({fmt.points(lost.low)} to {fmt.points(lost.high)})"
    others = worst.others.estimates["recall"] if worst.others else None
    beside = (
        f"; of what it was trained on, the network that has never seen it finds {fmt.share(others.value)}"
        if others is not None and others.value is not None
        else ""
    )
    return f"{said}: being unseen changes that by {points}{beside}."


def _does_not_follow(holdout: Holdout) -> str:
    said = (
        f"It does not follow that works of a further {holdout.by} would be found as well or as badly: "
        f"{'these stand' if len(holdout.results) > 1 else 'this stands'} in one collection, whose files were made in one way, "
        "and each run was trained once, with one seed, so that another training may differ by more than the intervals say"
    )
    worst = holdout.results[0]
    if len(holdout.results) > 1 and worst.unseen.ai < _FEW:
        said += f"; with {fmt.plural(worst.unseen.ai, 'AI work')}, chance may have put {worst.leave} first"
    if _is_demo(holdout):
        said += "; the pictures of the demo are drawn by a program, and tell nothing about art"
    return f"{said}."


def _between(estimate: Estimate) -> str:
    return f"(95% interval {fmt.share(estimate.low)} to {fmt.share(estimate.high)})"


def _is_demo(holdout: Holdout) -> bool:
    return any((metrics.get("data") or {}).get("source") == "demo" for metrics in holdout.metrics.values())


def _link(run: Path, folder: Path) -> str:
    report = run / "report.html"
    return quote(os.path.relpath(report, folder)) if report.is_file() else ""


def _cases(result: HoldoutResult) -> list[tuple[str, Figures, int]]:
    """Which works by which networks: the name of the case, the figures, and how many runs they are of."""
    cases = [("unseen", result.unseen, 1), ("seen", result.seen, result.seen_by), ("others", result.others, 1)]
    return [(name, figures, runs) for name, figures, runs in cases if figures is not None]


def _rows(result: HoldoutResult) -> list[dict[str, Any]]:
    rows = []
    for works, figures, runs in _cases(result):
        row: dict[str, Any] = {"left_out": result.leave, "works": works, "ai": figures.ai, "human": figures.human, "runs": runs}
        for name, estimate in figures.estimates.items():
            row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        rows.append(row)
    return rows


def _to_json(holdout: Holdout) -> dict[str, Any]:
    def plain(one: Figures | None) -> dict[str, Any] | None:
        if one is None:
            return None
        return {"ai": one.ai, "human": one.human, **{name: asdict(estimate) for name, estimate in one.estimates.items()}}

    return {
        "by": holdout.by,
        "threshold": holdout.threshold,
        "command": holdout.command,
        "left_out": [
            {
                "name": result.leave,
                "run": holdout.runs[result.leave].name,
                "unseen": plain(result.unseen),
                "seen": plain(result.seen),
                "seen_by": result.seen_by,
                "others": plain(result.others),
                "lost": {
                    name: {"difference": change.value, "low": change.low, "high": change.high}
                    for name, change in result.lost.items()
                },
            }
            for result in holdout.results
        ],
        "failed": dict(holdout.failed),
        "aside": dict(holdout.aside),
        "sentences": sentences(holdout),
    }
