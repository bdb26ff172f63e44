"""`artclf evaluate`: a finished model tested on images, with a report of its own."""

import hashlib
import logging
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from artclf.data.files import DEFAULT_MAX_PIXELS
from artclf.data.manifest import Manifest, columns_of
from artclf.data.rejected import count_rejected, describe_losses
from artclf.data.sampling import sample_test_images
from artclf.data.splits import Duplicates, drop_copies
from artclf.errors import ArtclfError
from artclf.evaluation.decision import THRESHOLD, default_rule
from artclf.evaluation.guarantees import seen_in_training
from artclf.evaluation.robustness import measure_robustness
from artclf.inference.assess import AssessOptions, assess, data_facts, environment, model_facts, write_results
from artclf.inference.finished_run import FinishedRun, Selection, load_model
from artclf.inference.score import reader, score_distorted, score_images
from artclf.model.classifier import ArtClassifier
from artclf.run_folder import MANIFEST_FILE, write_json, write_table, write_text

log = logging.getLogger(__name__)

SAMPLE = 300  # images that are distorted where no other number is asked for: each in nearly thirty versions


@dataclass(frozen=True)
class EvaluateOptions:
    """What is asked for besides the figures of all images."""

    distorted: int = 0  # how many test images, a random sample, are also scored distorted
    reencoded: bool = False  # whether they are a second time, all re-encoded alike first
    seed: int = 0  # of the sample and of random distortions
    precision: str = "auto"  # as in `choose_precision`
    command: str = ""  # the command line, for the report
    max_pixels: int = DEFAULT_MAX_PIXELS


def evaluate(
    folder: Path, run: FinishedRun, selection: Selection, options: EvaluateOptions
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Test a model on images, and write a folder like a run's, once the images have been scored.

    Returns:
        The content of metrics.json, and path and reason of the images that can't be read.

    Raises:
        ArtclfError: where no image can be read.
    """
    began = time.perf_counter()
    model, rule, precision = load_model(run, options.precision)
    manifest, predictions, every, duplicates = _score(selection, model, precision, options.max_pixels)
    unreadable = every.loc[every["reason"] != "", ["path", "reason"]]
    notes = [*describe_losses(every), *([str(duplicates)] if duplicates.files else [])]
    distorted = None
    if options.distorted:
        sample = sample_test_images(predictions, options.distorted, options.seed)
        how = {"seed": options.seed, "max_pixels": options.max_pixels}
        distorted, failed = score_distorted(model, manifest.root, sample, precision, reencoded=options.reencoded, **how)
        if distorted.empty:
            raise ArtclfError(f"--robustness: not one test image of {selection.name} can be scored; go without --robustness")
        notes += [f"{path} is not among the distorted images: {reason}" for path, reason in failed.itertuples(index=False)]
    for note in notes:  # the command has printed those of the selection
        log.warning("%s", note)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / MANIFEST_FILE, manifest.to_csv())
    if len(unreadable):
        write_table(folder / "rejected.csv", unreadable)
    if distorted is not None:
        _write_robustness(folder, distorted, model.image_size, options.seed)
    facts = {
        **_training_facts(run, model),
        "evaluation": _evaluation_facts(run, selection, manifest),
        "data": data_facts(selection.name, manifest, model, count_rejected(every), duplicates),
        **environment(model.device),
        "seed": options.seed,
        "precision": precision,
        "command": options.command,
        "fallbacks": [*selection.notes, *notes],
    }
    rule = rule or default_rule("its checkpoint")
    metrics = assess(folder, model, manifest, predictions, rule, facts, AssessOptions(max_pixels=options.max_pixels))
    write_results(folder, metrics, began)
    return metrics, unreadable


def _score(
    selection: Selection, model: ArtClassifier, precision: str, max_pixels: int
) -> tuple[Manifest, pd.DataFrame, pd.DataFrame, Duplicates]:
    """Score the selected images, and keep each once. ArtclfError where none is left.

    Returns:
        The manifest without copies; the images that can be read, with p_ai; all that were listed, each with a `reason`, ""
        where it can be read; and the copies.
    """
    root, rows = selection.manifest.root, selection.manifest.table
    scored, unreadable = score_images(model, root, rows, precision, reader(model, model.canonical, max_pixels).read)
    every = pd.concat([rows.merge(unreadable, on="path", how="left"), selection.manifest.rejected], ignore_index=True)
    if scored.empty:
        path, reason = unreadable.iloc[0]
        raise ArtclfError(f"{selection.name}: none of its {len(rows):,} images can be read (first: {root / path}: {reason})")
    kept, duplicates = drop_copies(scored)
    if kept.empty:
        raise ArtclfError(f"{selection.name}: none of its images can be used: {duplicates}")
    copies = scored["path"].drop(kept.index)
    manifest = replace(selection.manifest, table=rows[~rows["path"].isin(copies)].reset_index(drop=True))
    return manifest, kept[[*columns_of(kept), "p_ai"]].reset_index(drop=True), every.fillna({"reason": ""}), duplicates


def _write_robustness(folder: Path, scores: pd.DataFrame, image_size: int, seed: int) -> None:
    """Write robustness.csv, the scores, and robustness.json, the figures."""
    write_table(folder / "robustness.csv", scores, float_format="%.7g")
    sides = scores.drop_duplicates("path").groupby("label")["shorter_side"].median().to_dict()
    content = {"seed": seed, "image_size": image_size, "shorter_side": sides, **asdict(measure_robustness(scores))}
    write_json(folder / "robustness.json", content)


def _training_facts(run: FinishedRun, model: ArtClassifier) -> dict[str, Any]:
    """What metrics.json says of the training; the best weights are those of this checkpoint, where it is a stage's."""
    facts: dict[str, Any] = {key: run.metrics[key] for key in ("stages", "best") if key in run.metrics}
    for stage in facts.get("stages") or ():
        if stage.get("checkpoint") == run.checkpoint.name:
            score = {key: stage["score"] for key in facts.get("best") or () if key not in ("stage", "epoch")}
            facts["best"] = {"stage": stage["name"], "epoch": stage["best_epoch"], **score}
    return {**facts, "model": run.metrics.get("model") or model_facts(model)}


def _evaluation_facts(run: FinishedRun, selection: Selection, manifest: Manifest) -> dict[str, Any]:
    """What metrics.json says of the checkpoint, and of the images beside those that trained it."""
    with run.checkpoint.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "of": str(run.given),
        "checkpoint": str(run.checkpoint.absolute()),
        "checkpoint_sha256": sha256,
        "data": selection.name,
        "own_data": selection.own,
        "left_out": selection.left_out,
        **seen_in_training(manifest.table, run.images[run.images["split"] == "train"]),
        "trained_on": ((run.metrics.get("data") or {}).get("counts") or {}).get("train"),
        "threshold": THRESHOLD,
    }
