"""`artclf predict`: image files in, scores and verdicts out."""

import json
import logging
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch

from artclf.data.sources.walk import pictures as images_below
from artclf.evaluation.decision import DecisionRule, default_rule
from artclf.inference.score import one_version, score
from artclf.model.checkpoint import find_checkpoint, load_classifier, read_decision_rule
from artclf.model.classifier import ArtClassifier
from artclf.model.precision import PRECISIONS, resolve_precision
from artclf.runtime import keep_freed_memory

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prediction:
    """The score and verdict of one image."""

    path: Path
    p_ai: float  # the network's score, from 0 (surely human) to 1; NaN where the image can't be read
    calibrated: float  # the probability of AI that the score stands for; NaN likewise
    verdict: str  # "ai", "human" or "unsure"; "" where the image can't be read
    reason: str = ""  # why it can't be read


def predict_images(run: Path, paths: Iterable[Path], precision: str = "auto") -> Generator[Prediction]:
    """Predict images with a run's best weights, in the order given.

    Args:
        run: a run folder or a checkpoint.
        paths: image files, and folders, which stand for the images below them.
        precision: as in `choose_precision`.

    Raises:
        ArtclfError: where there is no checkpoint.
    """
    checkpoint = find_checkpoint(run)
    model, rule, precision = load_model(checkpoint, precision)
    if rule is None:
        log.warning(
            "%s holds no thresholds: scores are not calibrated, and the verdict is ai from 0.5 on; "
            "artclf calibrate RUN --images FOLDER sets them",
            checkpoint,
        )
    files = (file for path in paths for file in (images_below(path) if path.is_dir() else [path]))
    yield from predict_files(model, files, precision, rule)


def load_model(checkpoint: Path, precision: str) -> tuple[ArtClassifier, DecisionRule | None, str]:
    """Load a model onto the GPU, if there is one, with its decision rule, if it has one, and the precision to compute in."""
    keep_freed_memory()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, rule = load_classifier(checkpoint).to(device), read_decision_rule(checkpoint)
    return model, rule, choose_precision(checkpoint, precision, device)


def predict_files(
    model: ArtClassifier, files: Iterable[Path], precision: str, rule: DecisionRule | None = None
) -> Generator[Prediction]:
    """Predict image files, in the order given, batch by batch.

    Args:
        model: in eval mode, on its device.
        files: the files; taken as they are needed.
        precision: one of PRECISIONS.
        rule: of the verdicts; None: threshold 0.5.
    """
    rule = rule or default_rule("nothing")
    with closing(score(model, files, one_version(model, model.canonical), precision)) as batches:
        for batch in batches:
            p_ai = batch.p_ai[:, 0]
            columns = (batch.files, p_ai.tolist(), rule.calibrator.apply(p_ai).tolist(), rule.verdicts(p_ai), batch.reasons)
            for row in zip(*columns, strict=True):
                yield Prediction(*row)


def choose_precision(checkpoint: Path, asked: str, device: str) -> str:
    """Return the precision in which a run's images are predicted.

    By default it is the one that the run was tested in, so that p_ai is what its report shows, slow as 32 bits may be. Where
    that is unknown or the device does not compute in it, it is the fastest one there.

    Args:
        checkpoint: the run's; metrics.json is looked for in the folder above its own.
        asked: "auto", or a precision, which is returned as it is.
        device: "cpu" or "cuda".
    """
    if asked != "auto":
        return asked
    best = resolve_precision("auto", "gpu" if device == "cuda" else "cpu")
    tested = _tested_precision(checkpoint)
    if tested in {None, "32-true", best} or (tested == "16-mixed" and device == "cuda"):
        return tested or best
    log.warning(
        "the run was tested in %s, which this %s does not compute in: in %s, p_ai can differ by some thousandths; "
        "--precision %s insists, and is slow",
        tested,
        {"cuda": "GPU", "cpu": "CPU"}[device],
        best,
        tested,
    )
    return best


def _tested_precision(checkpoint: Path) -> str | None:
    """What metrics.json says; None where it is not there, as for a checkpoint that was copied away."""
    try:
        content = json.loads((checkpoint.absolute().parents[1] / "metrics.json").read_text(encoding="utf-8"))
        precision = content["precision"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return precision if isinstance(precision, str) and precision in PRECISIONS else None
