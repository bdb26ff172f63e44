"""Images in, scores and verdicts out: `artclf predict` and `artclf.load`."""

import logging
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from artclf.data.files import DEFAULT_MAX_PIXELS, UnreadableImage
from artclf.data.reader import ImageInMemory
from artclf.data.sources.folder import image_files
from artclf.errors import printable
from artclf.evaluation.decision import DecisionRule, default_rule
from artclf.inference.finished_run import FinishedRun, find_run, load_model
from artclf.inference.score import reader, score
from artclf.model.classifier import ArtClassifier
from artclf.provenance.read import read_provenance
from artclf.provenance.statement import NOTHING

log = logging.getLogger(__name__)

Given = str | os.PathLike[str] | Image.Image | np.ndarray[Any, np.dtype[np.uint8]]
"""An image: its file, or a folder that stands for the images below it; a PIL image; uint8 [H, W], [H, W, 3] or [H, W, 4]."""


@dataclass(frozen=True)
class Prediction:
    """The score and verdict of one image."""

    path: Path  # an image in memory is called as its place in what was given: [0], [1], …
    p_ai: float  # the network's score, from 0 (surely human) to 1; NaN where the image can't be read
    calibrated: float  # the probability of AI that the score stands for; NaN likewise
    verdict: str  # "ai", "human" or "unsure"; "" where the image can't be read
    reason: str = ""  # why it can't be read
    provenance: str = ""  # what the file declares, a `state` of artclf.provenance.statement; "" where the image can't be read


@dataclass(frozen=True)
class Model:
    """A trained model that judges images; `load` makes one."""

    run: FinishedRun  # where it comes from
    network: ArtClassifier  # in eval mode, on the GPU if there is one
    rule: DecisionRule  # from scores to probabilities and verdicts
    precision: str  # what is computed in
    max_pixels: int  # an image with more is refused; a large JPEG is decoded smaller instead

    def predict(self, images: Given | Iterable[Given]) -> pd.DataFrame:
        """Predict images, in the order given. One that can't be read has a reason and no score; the others go on.

        Args:
            images: one or many. A folder stands for the images below it.

        Returns:
            A row for each image: path ("[0]", "[1]", … for images in memory: their place in `images`), p_ai (the score, from
            0, human, to 1, AI), calibrated (the probability of AI that it stands for), verdict ("ai", "human" or "unsure"),
            reason (why the image can't be read; "" where it can: otherwise the numbers are NaN and the verdict is "") and
            provenance (what the file declares about its origin; "" for images in memory).

        Raises:
            ArtclfError: a folder can't be opened, whose images would be missed.
        """
        if isinstance(images, str | os.PathLike | Image.Image) or (isinstance(images, np.ndarray) and images.ndim in {2, 3}):
            images = [images]
        rows = [vars(one) | {"path": str(one.path)} for one in self.predictions(images)]
        table = pd.DataFrame(rows, columns=[field.name for field in fields(Prediction)])
        return table.astype({"p_ai": float, "calibrated": float})

    def predictions(self, images: Iterable[Given]) -> Generator[Prediction]:
        """As `predict`, image by image: memory for a few batches is enough for any number of images."""
        yield from predict_files(self.network, _files(images), self.precision, self.rule, max_pixels=self.max_pixels)


def load(run: str | os.PathLike[str], precision: str = "auto", *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Model:
    """Load a trained model with its decision rule, onto the GPU if there is one.

    Args:
        run: a run folder, whose best weights are taken, or a checkpoint.
        precision: "32-true", "bf16-mixed" or "16-mixed"; "auto" is what the run was tested in, where this device has it.
        max_pixels: an image with more is refused.

    Raises:
        ArtclfError: there is no such run or checkpoint, or it is damaged.
    """
    finished = find_run(Path(run))
    network, rule, precision = load_model(finished, precision)
    rule = rule or default_rule(str(finished.checkpoint))
    for line in rule.shortfalls():
        log.warning("%s", line)
    return Model(finished, network, rule, precision, max_pixels)


def _files(images: Iterable[Given]) -> Iterator[Path | ImageInMemory]:
    """The files that are meant, and images in memory, each called by its place in what was given."""
    for place, image in enumerate(images):
        if isinstance(image, str | os.PathLike):
            yield from image_files(Path(image))
        else:
            yield ImageInMemory(Path(f"[{place}]"), image)


def predict_files(
    model: ArtClassifier,
    files: Iterable[Path | ImageInMemory],
    precision: str,
    rule: DecisionRule | None = None,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Generator[Prediction]:
    """Predict image files, or images in memory, in the order given, batch by batch. Without a rule: ai from 0.5 on."""
    rule = rule or default_rule("nothing")
    with closing(score(model, files, precision, reader(model, model.canonical, max_pixels).read)) as batches:
        for batch, scores, reasons in batches:
            p_ai = scores[:, 0]
            declared = (
                "" if reason or isinstance(one, ImageInMemory) else _declared(one, max_pixels)
                for one, reason in zip(batch, reasons, strict=True)
            )
            paths = [one.path if isinstance(one, ImageInMemory) else one for one in batch]
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
