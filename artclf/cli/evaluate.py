"""`artclf evaluate`: a finished model on pictures, with a report of its own."""

import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from rich.progress import track

from artclf.cli.audit import free_folder, name_of, read_source_or_path
from artclf.cli.console import errors, name_unreadable, screen, table
from artclf.data.sampling import draw_test_pictures
from artclf.errors import ArtclfError
from artclf.evaluation.decision import as_stored, default_rule
from artclf.inference.altered import SAMPLE, score_versions
from artclf.inference.finished_run import Selection, Subject, choose_pictures, find_subject, own_pictures
from artclf.inference.predict import choose_precision, predict_files
from artclf.model.checkpoint import load_classifier, read_decision_rule
from artclf.model.classifier import ArtClassifier
from artclf.report import format as fmt
from artclf.report.text import describe_robustness, guessing, read_robustness
from artclf.runtime import keep_freed_memory
from artclf.training.assess import write_evaluation

T = TypeVar("T")


@dataclass(frozen=True)
class EvaluateOptions:
    """How to evaluate.

    Attributes:
        split: the only one to take; None for all.
        robustness: whether pictures are judged altered as well.
        sample: how many are; None for `SAMPLE`.
        all_alike: whether they are a second time, all made alike before.
        seed: of the sample and of noise.
        precision: as in `choose_precision`.
    """

    split: str | None = None
    robustness: bool = False
    sample: int | None = None
    all_alike: bool = False
    seed: int = 0
    precision: str = "auto"

    def check(self) -> None:
        """Refuse options that would do nothing.

        Raises:
            ArtclfError: where there are any.
        """
        idle = [name for name, given in (("--sample", self.sample is not None), ("--all-alike", self.all_alike)) if given]
        if idle and not self.robustness:
            raise ArtclfError(f"{' and '.join(idle)}: nothing without --robustness, which takes a sample; add --robustness")


def evaluate_model(run: Path, what: str | None, to: Path | None, options: EvaluateOptions) -> int:
    """Evaluate a model, print its figures, and write the report.

    Args:
        run: a run folder or a checkpoint.
        what: as for `read_source_or_path`; None for the pictures that the run was tested on.
        to: the folder of the report; None for a new outputs/evaluate/<date>_<time>.
        options: what is asked for.

    Returns:
        How many pictures can't be read.

    Raises:
        ArtclfError: where the model, the pictures or the folder are not what they should be.
    """
    began = time.perf_counter()
    options.check()
    subject = find_subject(run)
    selection = _select(subject, what, options.split)
    folder = _new_folder(to, selection.manifest.root)
    keep_freed_memory()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_classifier(subject.checkpoint).to(device)
    judge = read_decision_rule(subject.checkpoint)
    if judge is None:
        judge = default_rule("its checkpoint")
    if what is not None and Path(judge.fitted_on) == Path(what).expanduser().absolute():
        note = f"calibration and thresholds were set by the pictures of {what} themselves, and flatter: give it others"
        selection = replace(selection, notes=[*selection.notes, note])
    precision = choose_precision(subject.checkpoint, options.precision, device)
    for note in selection.notes:
        errors().print(f"note: {note}", markup=False)
    predictions, rejected = _predict(model, selection, precision)
    altered = None
    if options.robustness:
        altered, notes = _alter(model, selection, predictions, precision, options)
        selection = replace(selection, notes=[*selection.notes, *notes])
    folder.mkdir(parents=True, exist_ok=True)
    metrics = write_evaluation(
        folder,
        subject=subject,
        selection=selection,
        model=model,
        predictions=predictions,
        rejected=rejected,
        altered=altered,
        judge=judge,
        precision=precision,
        seed=options.seed,
        command=shlex.join(["artclf", *sys.argv[1:]]),
        began=began,
    )
    _print(metrics, selection, rejected, folder)
    return len(rejected)


def _select(subject: Subject, what: str | None, split: str | None) -> Selection:
    if what is None:
        return own_pictures(subject, split)
    return choose_pictures(subject, read_source_or_path(what), name_of(what), split)


def _new_folder(to: Path | None, data: Path) -> Path:
    folder = free_folder(to or Path("outputs", "evaluate", f"{datetime.now():%Y-%m-%d_%H-%M-%S}"), data)
    if folder.exists() and any(folder.iterdir()):
        raise ArtclfError(f"--to {folder}: is not empty; give a new folder")
    return folder


def _predict(model: ArtClassifier, selection: Selection, precision: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """predictions.csv and rejected.csv of the pictures."""
    table = selection.manifest.table
    files = [selection.manifest.root / path for path in table["path"]]
    with closing(predict_files(model, files, precision)) as judged:
        told = list(_counted(judged, "Judging pictures", len(files)))
    reasons = pd.Series([prediction.reason for prediction in told], index=table.index)
    read = reasons == ""
    if not read.any():
        raise ArtclfError(
            f"{selection.name}: none of its {len(files):,} pictures can be read (first: {files[0]}: {reasons[0]})"
        )
    p_ai = as_stored(np.array([prediction.p_ai for prediction in told if not prediction.reason], dtype=np.float64))
    rejected = pd.DataFrame({"path": table["path"][~read], "reason": reasons[~read]})
    return table[read].assign(p_ai=p_ai).reset_index(drop=True), rejected.reset_index(drop=True)


def _alter(
    model: ArtClassifier, selection: Selection, predictions: pd.DataFrame, precision: str, options: EvaluateOptions
) -> tuple[pd.DataFrame, list[str]]:
    """Scores of a sample of the test pictures in all versions, and what is to be told of those that have none."""
    rows = draw_test_pictures(predictions, SAMPLE if options.sample is None else options.sample, options.seed)
    if rows.empty:
        raise ArtclfError(f"--robustness: not one test picture of {selection.name} can be read")
    ticks = _counted(range(len(rows)), "Judging them altered", len(rows))
    scores, refused = score_versions(
        model, selection.manifest.root, rows, precision, seed=options.seed, all_alike=options.all_alike, told=ticks
    )
    if scores.empty:
        raise ArtclfError(f"--robustness: {selection.name}: {refused['reason'].iloc[0]}; go without --robustness")
    notes = [f"{path} is not among the altered pictures: {reason}" for path, reason in refused.itertuples(index=False)]
    for note in notes:
        errors().print(f"note: {note}", markup=False)
    return scores, notes


def _counted(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    console = errors()
    return iter(track(items, what, total=total, transient=True, console=console, disable=not console.is_terminal))


def _print(metrics: dict[str, Any], selection: Selection, rejected: pd.DataFrame, folder: Path) -> None:
    columns = ("split", "pictures", "accuracy", "balanced", "AUROC", "human\ncalled AI", "AI\nmissed")
    keys = ("accuracy", "balanced_accuracy", "auroc", "false_positive_rate", "false_negative_rate")
    rows = [
        (name, fmt.count(split["n"]), *((fmt.score if key == "auroc" else fmt.share)(split[key]) for key in keys))
        for name, split in metrics["splits"].items()
    ]
    made = table(f"{metrics['evaluation']['of']} on {selection.name}", columns, rows)
    made.caption = guessing(metrics)
    screen().print(made)
    found = read_robustness(folder)
    for line in describe_robustness(found) if found else []:
        screen().print(line, markup=False)
    name_unreadable(rejected, selection.manifest.root, folder / "rejected.csv")
    screen().print(f"page: {folder / 'report.html'}", markup=False)
