"""`artclf evaluate`: a finished model tested on images, with a report of its own."""

import hashlib
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from artclf.data.files import DEFAULT_MAX_PIXELS
from artclf.data.sampling import sample_test_images
from artclf.errors import ArtclfError
from artclf.evaluation.decision import THRESHOLD, default_rule
from artclf.evaluation.robustness import measure_robustness
from artclf.inference.assess import AssessOptions, assess, environment, model_facts, write_results
from artclf.inference.finished_run import FinishedRun, load_model
from artclf.inference.score import reader, score_distorted, score_images
from artclf.inference.selection import Selection
from artclf.model.classifier import ArtClassifier
from artclf.run_folder import MANIFEST_FILE, as_json, write_text

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
    root, rows = selection.manifest.root, selection.manifest.table
    predictions, unreadable = score_images(
        model, root, rows, precision, reader(model, model.canonical, options.max_pixels).read
    )
    if predictions.empty:
        path, reason = unreadable.iloc[0]
        raise ArtclfError(f"{selection.name}: none of its {len(rows):,} images can be read (first: {root / path}: {reason})")
    notes, distorted = list(selection.notes), None
    if options.robustness:
        sample = sample_test_images(predictions, options.sample, options.seed)
        how = {"seed": options.seed, "max_pixels": options.max_pixels}
        distorted, failed = score_distorted(model, root, sample, precision, reencoded=options.reencoded, **how)
        if distorted.empty:
            raise ArtclfError(f"--robustness: not one test image of {selection.name} can be scored; go without --robustness")
        for path, reason in failed.itertuples(index=False):
            notes.append(f"{path} is not among the distorted images: {reason}")
            log.warning("%s", notes[-1])
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / MANIFEST_FILE, selection.manifest.to_csv())
    if len(unreadable):
        unreadable.to_csv(folder / "rejected.csv", index=False)
    if distorted is not None:
        _write_robustness(folder, distorted, model.image_size, options.seed)
    facts = {
        **_facts(run, selection, model, len(unreadable)),
        **environment(model.device),
        "seed": options.seed,
        "precision": precision,
        "command": options.command,
        "fallbacks": notes,
    }
    rule = rule or default_rule("its checkpoint")
    metrics = assess(folder, model, selection.manifest, predictions, rule, facts, AssessOptions(max_pixels=options.max_pixels))
    write_results(folder, metrics, began)
    return metrics, unreadable


def _write_robustness(folder: Path, scores: pd.DataFrame, image_size: int, seed: int) -> None:
    """Write robustness.csv, the scores, and robustness.json, the figures."""
    scores.to_csv(folder / "robustness.csv", index=False, float_format="%.7g")
    sides = scores.drop_duplicates("path").groupby("label")["shorter_side"].median().to_dict()
    content = {"seed": seed, "image_size": image_size, "shorter_side": sides, **asdict(measure_robustness(scores))}
    write_text(folder / "robustness.json", as_json(content))


def _facts(run: FinishedRun, selection: Selection, model: ArtClassifier, rejected: int) -> dict[str, Any]:
    """What metrics.json says of the model and the images."""
    manifest, trained = selection.manifest, run.metrics
    with run.checkpoint.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        **{key: trained[key] for key in ("stages", "best") if key in trained},
        "evaluation": {
            "of": str(run.given),
            "checkpoint": str(run.checkpoint.absolute()),
            "checkpoint_sha256": sha256,
            "data": selection.name,
            "own_data": selection.own,
            "left_out": selection.left_out,
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
            "rejected": rejected,
        },
    }
