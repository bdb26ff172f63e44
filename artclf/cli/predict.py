"""`artclf predict`: pictures in, p(AI) and verdicts out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from artclf.data.images import UnreadableImage, read_pixels
from artclf.data.sources.walk import pictures as pictures_below
from artclf.data.transforms import to_square
from artclf.evaluation.metrics import verdict
from artclf.model.checkpoint import find_checkpoint, load_classifier

BATCH = 16


@dataclass(frozen=True)
class Prediction:
    """What is said of one picture.

    Attributes:
        path: the picture.
        p_ai: the probability of AI; NaN where the picture can't be read.
        verdict: "ai" or "human"; "" where it can't be read.
        reason: why it can't be read; "" where it can.
    """

    path: Path
    p_ai: float
    verdict: str
    reason: str = ""


def predict_pictures(run: Path, paths: Iterable[Path]) -> Iterator[Prediction]:
    """Predict pictures with a run's best weights, in the order given; folders stand for the pictures below them.

    Args:
        run: a run folder or a checkpoint.
        paths: pictures and folders.

    Raises:
        ArtclfError: where the run has no checkpoint.
    """
    model = load_classifier(find_checkpoint(run))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    size, interpolation = int(model.hparams["image_size"]), str(model.hparams["interpolation"])
    files = (file for path in paths for file in (pictures_below(path) if path.is_dir() else [path]))
    while chunk := list(islice(files, BATCH)):
        squares: dict[Path, torch.Tensor] = {}
        reasons: dict[Path, str] = {}
        for file in chunk:
            try:
                pixels = torch.from_numpy(read_pixels(file)).permute(2, 0, 1)
            except UnreadableImage as error:
                reasons[file] = error.reason
            else:
                squares[file] = to_square(pixels, size, interpolation)
        scores = model.p_ai(torch.stack(list(squares.values())).to(device)).tolist() if squares else []
        by_file = dict(zip(squares, scores, strict=True))
        for file in chunk:
            if file in reasons:
                yield Prediction(file, float("nan"), "", reasons[file])
            else:
                yield Prediction(file, by_file[file], verdict(by_file[file]))
