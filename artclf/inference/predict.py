"""`artclf predict`: pictures in, p(AI) and verdicts out."""

import json
import logging
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from artclf.data.sources.walk import pictures as pictures_below
from artclf.evaluation.decision import DecisionRule, default_rule
from artclf.inference.score import score_files
from artclf.model.checkpoint import find_checkpoint, load_classifier, read_decision_rule
from artclf.model.classifier import ArtClassifier
from artclf.model.precision import PRECISIONS, resolve_precision
from artclf.runtime import keep_freed_memory

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prediction:
    """What is said of one picture.

    Attributes:
        path: the picture.
        p_ai: the network's score, from 0 (surely human) to 1; NaN where the picture can't be read.
        calibrated: the probability of AI that it stands for; NaN likewise.
        verdict: "ai", "human" or "unsure"; "" where it can't be read.
        reason: why it can't be read; "" where it can.
    """

    path: Path
    p_ai: float
    calibrated: float
    verdict: str
    reason: str = ""


def predict_pictures(run: Path, paths: Iterable[Path], precision: str = "auto", *, tell: bool = True) -> Generator[Prediction]:
    """Predict pictures with a run's best weights, in the order given; folders stand for the pictures below them.

    Args:
        run: a run folder or a checkpoint.
        paths: pictures and folders.
        precision: as in `choose_precision`.
        tell: whether to warn where the checkpoint has no thresholds.

    Raises:
        ArtclfError: where the run has no checkpoint.
    """
    keep_freed_memory()
    checkpoint = find_checkpoint(run)
    model, judge = load_classifier(checkpoint), read_decision_rule(checkpoint)
    if judge is None and tell:
        log.warning(
            "%s holds no thresholds: scores are not calibrated, and the verdict is ai from 0.5 on; "
            "artclf calibrate RUN --images FOLDER sets them",
            checkpoint,
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    files = (file for path in paths for file in (pictures_below(path) if path.is_dir() else [path]))
    yield from predict_files(model.to(device), files, choose_precision(checkpoint, precision, device), judge)


def choose_precision(checkpoint: Path, asked: str, device: str) -> str:
    """Return the precision in which a run's pictures are predicted.

    What the run was tested in comes first, so that p_ai is what its report says: a run tested in 32 bits is predicted in 32
    bits, slow as that is. Where the device does not compute in it, or nothing tells of it, it is what is fastest there.

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


def predict_files(
    model: ArtClassifier, files: Iterable[Path], precision: str, judge: DecisionRule | None = None
) -> Generator[Prediction]:
    """Predict picture files, in the order given. A batch's files are told of when all of it has been computed.

    Args:
        model: in eval mode, on its device.
        files: the files; taken as they are needed.
        precision: one of PRECISIONS.
        judge: of the scores; None: threshold 0.5.
    """
    judge = judge or default_rule("nothing")
    with closing(score_files(model, files, precision, model.canonical)) as batches:
        for batch in batches:
            scores = np.array(batch.p_ai)
            calibrated, verdicts = judge.calibrator.apply(scores).tolist(), judge.verdicts(scores)
            for file, score, probability, verdict, reason in zip(
                batch.files, batch.p_ai, calibrated, verdicts, batch.reasons, strict=True
            ):
                if reason:
                    yield Prediction(file, float("nan"), float("nan"), "", reason)
                else:
                    yield Prediction(file, score, probability, verdict)
