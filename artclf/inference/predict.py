"""`artclf predict`: image files in, scores and verdicts out."""

import logging
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from artclf.data.files import DEFAULT_MAX_PIXELS, UnreadableImage
from artclf.data.sources.folder import image_files
from artclf.errors import printable
from artclf.evaluation.decision import DecisionRule, default_rule
from artclf.inference.finished_run import find_run, load_model
from artclf.inference.score import reader, score
from artclf.model.classifier import ArtClassifier
from artclf.provenance.read import read_provenance
from artclf.provenance.statement import NOTHING

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prediction:
    """The score and verdict of one image."""

    path: Path
    p_ai: float  # the network's score, from 0 (surely human) to 1; NaN where the image can't be read
    calibrated: float  # the probability of AI that the score stands for; NaN likewise
    verdict: str  # "ai", "human" or "unsure"; "" where the image can't be read
    reason: str = ""  # why it can't be read
    provenance: str = ""  # what the file declares, a `state` of artclf.provenance.statement; "" where the image can't be read


def predict_images(
    run: Path, paths: Iterable[Path], precision: str = "auto", *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> Generator[Prediction]:
    """Predict images with a run's best weights, in the order given; a folder stands for the images below it."""
    finished = find_run(run)
    model, rule, precision = load_model(finished, precision)
    if rule is None:
        rule = default_rule(str(finished.checkpoint))
    for line in rule.shortfalls():
        log.warning("%s", line)
    files = (file for path in paths for file in (image_files(path) if path.is_dir() else [path]))
    yield from predict_files(model, files, precision, rule, max_pixels=max_pixels)


def predict_files(
    model: ArtClassifier,
    files: Iterable[Path],
    precision: str,
    rule: DecisionRule | None = None,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Generator[Prediction]:
    """Predict image files, in the order given, batch by batch. Without a rule the verdict is ai from 0.5 on."""
    rule = rule or default_rule("nothing")
    with closing(score(model, files, precision, reader(model, model.canonical, max_pixels).read)) as batches:
        for paths, scores, reasons in batches:
            p_ai = scores[:, 0]
            declared = (_declared(path, max_pixels) if not reason else "" for path, reason in zip(paths, reasons, strict=True))
            columns = (paths, p_ai.tolist(), rule.calibrator.apply(p_ai).tolist(), rule.verdicts(p_ai), reasons, declared)
            yield from (Prediction(*row) for row in zip(*columns, strict=True))


def _declared(path: Path, max_pixels: int) -> str:
    """What a file declares about its origin, which stands beside its score and never changes it."""
    try:
        found = read_provenance(path, max_pixels=max_pixels)
    except UnreadableImage:  # it was there a moment ago
        return NOTHING
    if found.note:
        log.warning("%s: %s", printable(str(path)), found.note)
    return found.state
