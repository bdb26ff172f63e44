"""`artclf evaluate`: a finished model tested on images, with a report of its own."""

import hashlib
import logging
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from artclf.data.files import DEFAULT_MAX_PIXELS
from artclf.data.manifest import SHA256, Manifest
from artclf.data.rejected import count_rejected, describe_losses
from artclf.data.sampling import sample_test_images
from artclf.data.splits import Duplicates, drop_copies
from artclf.errors import ArtclfError
from artclf.evaluation.decision import THRESHOLD, default_rule
from artclf.evaluation.guarantees import seen_in_training
from artclf.evaluation.robustness import measure_robustness
from artclf.inference.assess import AssessOptions, assess, environment, model_facts, write_results
from artclf.inference.finished_run import FinishedRun, load_model
from artclf.inference.score import reader, score_distorted, score_images
from artclf.inference.selection import Selection
from artclf.model.classifier import ArtClassifier
from artclf.run_folder import MANIFEST_FILE, write_json, write_table, write_text

log = logging.getLogger(__name__)

SAMPLE = 300  # images that are distorted where no other number is asked for: each in nearly thirty versions


@dataclass(frozen=True)
class EvaluateOptions:
    """What is asked for besides the figures of all images."""

    robustness: bool = False  # whether a sample of the test images is also scored distorted
    sample: int = SAMPLE  # how many at most
    reencoded: bool = False  # whether they are a second time, all re-encoded alike first
    seed: int = 0  # of the sample and of random distortions
    precision: str = "auto"  # as in `choose_precision`
    command: str = ""  # the command line, for the report
    max_pixels: int = DEFAULT_MAX_PIXELS


@dataclass(frozen=True)
class _Tested:
    """Selected images, each of which counts once, and what was left out."""

    manifest: Manifest  # without the copies
    predictions: pd.DataFrame  # those that can be read, with p_ai
    every: pd.DataFrame  # all that were listed, each with a `reason`, "" where it can be read
    duplicates: Duplicates

    @property
    def unreadable(self) -> pd.DataFrame:
        return self.every.loc[self.every["reason"] != "", ["path", "reason"]]


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
    tested = _score(selection, model, precision, options.max_pixels)
    root, predictions, unreadable = tested.manifest.root, tested.predictions, tested.unreadable
    copies = [str(tested.duplicates)] if tested.duplicates.files else []
    notes, distorted = [*selection.notes, *describe_losses(tested.every), *copies], None
    if options.robustness:
        sample = sample_test_images(predictions, options.sample, options.seed)
        how = {"seed": options.seed, "max_pixels": options.max_pixels}
        distorted, failed = score_distorted(model, root, sample, precision, reencoded=options.reencoded, **how)
        if distorted.empty:
            raise ArtclfError(f"--robustness: not one test image of {selection.name} can be scored; go without --robustness")
        notes += [f"{path} is not among the distorted images: {reason}" for path, reason in failed.itertuples(index=False)]
    for note in notes[len(selection.notes) :]:  # the command has printed those
        log.warning("%s", note)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / MANIFEST_FILE, tested.manifest.to_csv())
    if len(unreadable):
        write_table(folder / "rejected.csv", unreadable)
    if distorted is not None:
        _write_robustness(folder, distorted, model.image_size, options.seed)
    facts = {
        **_facts(run, selection, model, tested),
        **environment(model.device),
        "seed": options.seed,
        "precision": precision,
        "command": options.command,
        "fallbacks": notes,
    }
    rule = rule or default_rule("its checkpoint")
    metrics = assess(folder, model, tested.manifest, predictions, rule, facts, AssessOptions(max_pixels=options.max_pixels))
    write_results(folder, metrics, began)
    return metrics, unreadable


def _score(selection: Selection, model: ArtClassifier, precision: str, max_pixels: int) -> _Tested:
    """Score the selected images, and keep each once. ArtclfError where none is left."""
    root, rows = selection.manifest.root, selection.manifest.table
    read = reader(model, model.canonical, max_pixels).read
    scored, unreadable = score_images(model, root, rows.assign(sha256=selection.hashes), precision, read)
    every = pd.concat([rows.merge(unreadable, on="path", how="left"), selection.manifest.rejected], ignore_index=True)
    every = every.fillna({"reason": ""})
    if scored.empty:
        path, reason = unreadable.iloc[0]
        raise ArtclfError(f"{selection.name}: none of its {len(rows):,} images can be read (first: {root / path}: {reason})")
    predictions, duplicates = drop_copies(scored)
    if predictions.empty:
        raise ArtclfError(f"{selection.name}: none of its images can be used: {duplicates}")
    copies = scored["path"].drop(predictions.index)
    manifest = replace(selection.manifest, table=rows[~rows["path"].isin(copies)].reset_index(drop=True))
    return _Tested(manifest, predictions.drop(columns=SHA256).reset_index(drop=True), every, duplicates)


def _write_robustness(folder: Path, scores: pd.DataFrame, image_size: int, seed: int) -> None:
    """Write robustness.csv, the scores, and robustness.json, the figures."""
    write_table(folder / "robustness.csv", scores, float_format="%.7g")
    sides = scores.drop_duplicates("path").groupby("label")["shorter_side"].median().to_dict()
    content = {"seed": seed, "image_size": image_size, "shorter_side": sides, **asdict(measure_robustness(scores))}
    write_json(folder / "robustness.json", content)


def _stage_of(run: FinishedRun) -> dict[str, Any]:
    """What metrics.json calls the best weights, where the checkpoint is that of a stage; else nothing."""
    stage = next((one for one in run.metrics.get("stages") or () if one.get("checkpoint") == run.checkpoint.name), None)
    best = run.metrics.get("best") or {}
    if stage is None:
        return {}
    score = {key: stage["score"] for key in best if key not in ("stage", "epoch")}
    return {"best": {"stage": stage["name"], "epoch": stage["best_epoch"], **score}}


def _facts(run: FinishedRun, selection: Selection, model: ArtClassifier, tested: _Tested) -> dict[str, Any]:
    """What metrics.json says of the model and the images."""
    manifest, trained = tested.manifest, run.metrics
    with run.checkpoint.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        **{key: trained[key] for key in ("stages", "best") if key in trained},
        **_stage_of(run),
        "evaluation": {
            "of": str(run.given),
            "checkpoint": str(run.checkpoint.absolute()),
            "checkpoint_sha256": sha256,
            "data": selection.name,
            "own_data": selection.own,
            "left_out": selection.left_out,
            **seen_in_training(manifest.table, run.images[run.images["split"] == "train"]),
            "trained_on": ((trained.get("data") or {}).get("counts") or {}).get("train"),
            "threshold": THRESHOLD,
        },
        "model": trained.get("model") or model_facts(model),
        "data": {
            "source": selection.name,
            "root": str(manifest.root),
            "image_size": model.image_size,
            "canonical": model.canonical.to_json() if model.canonical else None,
            "manifest_sha256": manifest.sha256,
            "counts": manifest.counts(),
            "rejected": len(tested.unreadable),
            "rejected_by": count_rejected(tested.every),
            "duplicates": asdict(tested.duplicates),
        },
    }
