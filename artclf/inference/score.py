"""A finished network's scores of picture files, whatever form they are to be brought into."""

import os
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from artclf.data.canonical import Canonical
from artclf.data.prefetch import read_ahead
from artclf.data.reader import ImageReader
from artclf.model.classifier import ArtClassifier
from artclf.model.precision import autocast

BATCH = {"cpu": 16, "cuda": 64}
_MOST_THREADS = 8  # more than a fast GPU needs of them, and each may hold a picture of half a gigabyte


def decoding_threads() -> int:
    """How many threads read and decode pictures while a network computes."""
    return min(_MOST_THREADS, max(2, os.cpu_count() or 1))


@dataclass(frozen=True)
class Scored:
    """A batch of files.

    Attributes:
        files: [B] the files.
        p_ai: [B] the network's score of each, from 0 (surely human) to 1; without meaning where a file can't be read.
        reasons: [B] why not; "" where it can.
    """

    files: list[Path]
    p_ai: list[float]
    reasons: list[str]


def score_files(model: ArtClassifier, files: Iterable[Path], precision: str, canonical: Canonical | None) -> Generator[Scored]:
    """Score picture files in batches, in the order given, while the next ones are read.

    Args:
        model: in eval mode, on its device.
        files: the files; taken as they are needed.
        precision: one of PRECISIONS.
        canonical: the form that pictures are brought into first; `model.canonical` for the one that it was trained on.
    """
    device = model.device
    size = int(model.hparams["image_size"])
    squares = read_ahead(
        files,
        ImageReader(size, str(model.hparams["interpolation"]), canonical=canonical).read,
        (3, size, size),
        batch=BATCH[device.type],
        threads=decoding_threads(),
        pinned=device.type == "cuda",
    )
    with closing(squares):
        for batch in squares:
            with autocast(precision, device.type):
                scores = model.p_ai(batch.pixels.to(device, non_blocking=True)).tolist()
            yield Scored(batch.files, scores, batch.reasons)
