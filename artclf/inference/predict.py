"""Images in, scores and verdicts out: `artclf predict` and `artclf.load`. Loads torch only where the model needs it."""

import logging
import math
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from artclf.data.distortions import DELIVERIES, deliver
from artclf.data.files import DEFAULT_MAX_PIXELS, file_content
from artclf.data.images import decoded_image
from artclf.data.reader import ImageInMemory, ImageReader, Pixels
from artclf.data.sources.folder import image_files
from artclf.errors import ArtclfError, printable
from artclf.evaluation import Floats
from artclf.evaluation.decision import UNSURE, DecisionRule, default_rule
from artclf.inference.finished_run import FinishedRun, find_run
from artclf.inference.onnx_scorer import ONNX, OnnxScorer
from artclf.inference.score import Scorer, score
from artclf.provenance.read import provenance_of

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
    reason: str = ""  # why it can't be read, or which delivery made the verdict unsure
    provenance: str = ""  # what the file declares, a `state` of artclf.provenance.statement; "" for an image in memory
    views: Mapping[str, float] = field(default_factory=dict)  # delivery → p_ai, where deliveries were asked for


@dataclass(frozen=True)
class Model:
    """A trained model that judges images; `load` makes one."""

    run: FinishedRun  # where it comes from
    scorer: Scorer  # its network, on the GPU if there is one
    rule: DecisionRule  # from scores to probabilities and verdicts
    max_pixels: int  # an image with more is refused; a large JPEG is decoded smaller instead

    def predict(self, images: Given | Iterable[Given], *, views: int = 0) -> pd.DataFrame:
        """Predict images, in the order given. One that can't be read has a reason and no score; the others go on.

        Args:
            images: one or many. A folder stands for the images below it.
            views: in how many realistic deliveries each image is scored too: JPEG of quality 75, scaled to 3/4, cropped by 5%,
                WebP of quality 75, JPEG of quality 50, screenshot. Where one changes the verdict, it becomes "unsure".

        Returns:
            A row for each image: path ("[0]", "[1]", … for images in memory: their place in `images`), p_ai (the score, from
            0, human, to 1, AI), calibrated (the probability of AI that it stands for), verdict ("ai", "human" or "unsure"),
            reason (why the image can't be read, and the numbers are NaN and the verdict ""; or which delivery changed the
            verdict), provenance (what the file declares about its origin; "" for images in memory) and, where they were asked
            for, views (a dict: delivery → p_ai).

        Raises:
            ArtclfError: a folder can't be opened, whose images would be missed; there are not so many deliveries.
        """
        if isinstance(images, str | os.PathLike | Image.Image) or (isinstance(images, np.ndarray) and images.ndim in {2, 3}):
            images = [images]
        rows = [vars(one) | {"path": str(one.path)} for one in self.predictions(images, views=views)]
        columns = [column.name for column in fields(Prediction) if views or column.name != "views"]
        return pd.DataFrame(rows, columns=columns).astype({"p_ai": float, "calibrated": float})

    def predictions(self, images: Iterable[Given], *, views: int = 0) -> Generator[Prediction]:
        """As `predict`, image by image: memory for a few batches is enough for any number of images."""
        if not 0 <= views <= len(DELIVERIES):
            raise ArtclfError(f"views={views}: allowed are 0 to {len(DELIVERIES)}")
        reader = self.scorer.reader(self.max_pixels)
        names = [name for name, *_ in DELIVERIES[:views]]
        with closing(score(self.scorer, _jobs(images), lambda job: job.read(reader, views), 1 + views)) as batches:
            for jobs, scores, reasons in batches:
                calibrated = self.rule.calibrator.apply(scores[:, 0]).tolist()
                for job, p_ai, probability, reason in zip(jobs, scores, calibrated, reasons, strict=True):
                    yield self._prediction(job, p_ai, probability, reason, names)

    def _prediction(self, job: "_Job", p_ai: Floats, calibrated: float, reason: str, names: list[str]) -> Prediction:
        """The verdict by the scores of an image and its deliveries, [1 + V]: one that a delivery changes is unsure."""
        if reason:
            return Prediction(job.path, math.nan, math.nan, "", reason)
        verdict, *others = self.rule.verdicts(p_ai)
        views = dict(zip(names, p_ai[1:].tolist(), strict=True))
        changed = [
            f"{other} as {name} (p_ai {views[name]:.3f})" for name, other in zip(names, others, strict=True) if other != verdict
        ]
        if changed and verdict != UNSURE:
            reason = f"{verdict} as given (p_ai {p_ai[0]:.3f}), but {', '.join(changed)}"
            verdict = UNSURE
        return Prediction(job.path, float(p_ai[0]), calibrated, verdict, reason, job.provenance, views)


@dataclass(eq=False)
class _Job:
    """An image that is read, and what its file declares."""

    image: Path | ImageInMemory
    provenance: str = ""

    @property
    def path(self) -> Path:
        return self.image.path if isinstance(self.image, ImageInMemory) else self.image

    def read(self, reader: ImageReader, views: int) -> Pixels:
        """What the network is shown, [3, S, S], or [1 + V, 3, S, S] with deliveries; the file is read once."""
        if isinstance(self.image, ImageInMemory):
            square = reader.read(self.image)
            return np.stack([square, *_delivered(self.image.as_rgb(reader.max_pixels), reader, views)]) if views else square
        with file_content(self.image, max_pixels=reader.max_pixels) as content:
            found = provenance_of(self.image, content)
            self.provenance = found.state
            if found.note:
                log.warning("%s: %s", printable(str(self.image)), found.note)
            square = reader.read(self.image, content)
            if not views:
                return square
            with decoded_image(self.image, max_pixels=reader.max_pixels, content=content) as image:
                return np.stack([square, *_delivered(image, reader, views)])


def _delivered(image: Image.Image, reader: ImageReader, views: int) -> list[Pixels]:
    return [reader.square(version) for version in deliver(image, views).values()]


def load(run: str | os.PathLike[str], precision: str = "auto", *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Model:
    """Load a trained model with its decision rule, onto the GPU if there is one.

    Args:
        run: a run folder, whose best weights are taken; a checkpoint; a .safetensors file; an .onnx file of `artclf export`,
            which needs no torch; or hub:OWNER/NAME on the Hugging Face Hub, or hub:OWNER/NAME@REVISION.
        precision: "32-true", "bf16-mixed" or "16-mixed"; "auto" is what the run was tested in, where this device has it. An
            .onnx file runs on the CPU, in the precision that it was exported in.
        max_pixels: an image with more is refused.

    Raises:
        ArtclfError: there is no such run or checkpoint, or it is damaged.
    """
    finished = find_run(Path(run))
    scorer: Scorer
    if finished.checkpoint.suffix == ONNX:
        if precision != "auto":
            raise ArtclfError(f"{run}: runs in the precision that it was exported in; got {precision}, allowed is auto")
        scorer = OnnxScorer(finished.checkpoint)
        rule = scorer.rule
    else:
        from artclf.inference.torch_scorer import load_scorer  # noqa: PLC0415 (loads torch)

        scorer, rule = load_scorer(finished, precision)
    rule = rule or default_rule(str(finished.checkpoint))
    for line in rule.shortfalls():
        log.warning("%s", line)
    return Model(finished, scorer, rule, max_pixels)


def _jobs(images: Iterable[Given]) -> Iterator[_Job]:
    """The files that are meant, and images in memory, each called by its place in what was given."""
    for place, image in enumerate(images):
        if isinstance(image, str | os.PathLike):
            yield from map(_Job, image_files(Path(image)))
        else:
            yield _Job(ImageInMemory(Path(f"[{place}]"), image))
