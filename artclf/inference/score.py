"""Scores of image files by a finished model: as it was trained to see them, in another form, or distorted in many ways."""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from artclf.data.canonical import Canonical
from artclf.data.distortions import list_versions, make_versions
from artclf.data.images import DEFAULT_MAX_PIXELS, decoded_image
from artclf.data.manifest import COLUMNS
from artclf.data.prefetch import File, read_batches
from artclf.data.reader import ImageReader
from artclf.evaluation import Floats
from artclf.evaluation.decision import as_stored
from artclf.model.classifier import ArtClassifier
from artclf.model.precision import autocast
from artclf.runtime import cores, progress

BATCH = {"cpu": 16, "cuda": 64}  # squares
THREADS = min(8, max(2, cores()))  # 8 are more than a fast GPU needs, and each may hold an image of half a gigabyte

Read = Callable[[Path], torch.Tensor]
"""File → what the network is shown of it: uint8 [3, S, S], or [V, 3, S, S] for V versions of the image."""


def reader(model: ArtClassifier, canonical: Canonical | None, max_pixels: int = DEFAULT_MAX_PIXELS) -> ImageReader:
    """How images are read for a model: as they are stored, or in canonical form (its own is `model.canonical`)."""
    return ImageReader(model.image_size, model.interpolation, max_pixels, canonical)


def score(
    model: ArtClassifier, files: Iterable[File], precision: str, read: Callable[[File], torch.Tensor], versions: int = 1
) -> Generator[tuple[list[File], Floats, list[str]]]:
    """Score image files, or images in memory, in batches, in the order given, while the next ones are read.

    Args:
        model: in eval mode, on its device.
        files: the files; taken as they are needed.
        precision: one of PRECISIONS.
        read: reads a file.
        versions: how many versions of each image it returns, V.

    Yields:
        B files; p_ai [B, V], from 0 (surely human) to 1, NaN where a file can't be read; and B reasons why, "" where it can.
    """
    device, size = model.device, model.image_size
    batches = read_batches(
        files,
        read,
        (versions, 3, size, size),
        batch=max(1, BATCH[device.type] // versions),
        threads=THREADS,
        pinned=device.type == "cuda",
    )
    with closing(batches):
        for batch in batches:
            with autocast(precision, device.type):
                scores = model.p_ai(batch.pixels.flatten(0, 1).to(device, non_blocking=True))
            p_ai = scores.double().view(len(batch.files), versions).cpu().numpy()
            p_ai[[bool(reason) for reason in batch.reasons]] = np.nan
            yield batch.files, p_ai, batch.reasons


def score_images(
    model: ArtClassifier, root: Path, rows: pd.DataFrame, precision: str, read: Read
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score the images of a manifest's rows, whose paths are relative to `root`.

    Returns:
        The rows that can be read, with p_ai; and path and reason of the others.
    """
    p_ai, reasons = _score_all(model, [root / path for path in rows["path"]], precision, read)
    scored = rows.assign(p_ai=as_stored(p_ai[:, 0]))
    return scored[~np.isnan(p_ai[:, 0])].reset_index(drop=True), _unreadable(rows, reasons)


def score_distorted(
    model: ArtClassifier,
    root: Path,
    rows: pd.DataFrame,
    precision: str,
    *,
    seed: int,
    reencoded: bool,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score the images of a manifest's rows in all versions of `list_versions`; the seed is of random distortions.

    Returns:
        A row for each version of each image: the manifest's columns, shorter_side (of the file, in pixels), first, distortion,
        level and p_ai; and path and reason of images that can't be read.
    """
    show = reader(model, model.canonical).square
    paths = {root / path: path for path in rows["path"]}
    sides: dict[str, int] = {}

    def read(file: Path) -> torch.Tensor:
        with decoded_image(file, max_pixels=max_pixels) as image:
            sides[paths[file]] = min(image.size)
            made = make_versions(image, path=paths[file], seed=seed, reencoded=reencoded)
            return torch.from_numpy(np.stack([show(version).numpy() for version in made]))

    versions = pd.DataFrame(list_versions(reencoded=reencoded))
    p_ai, reasons = _score_all(model, list(paths), precision, read, len(versions))
    readable = ~np.isnan(p_ai[:, 0])
    images = rows.loc[readable, list(COLUMNS)]
    images = images.assign(shorter_side=images["path"].map(sides))
    scored = versions.merge(images, how="cross").assign(p_ai=as_stored(p_ai[readable].T.ravel()))
    return scored[[*images, *versions, "p_ai"]], _unreadable(rows, reasons)


def _score_all(
    model: ArtClassifier, files: list[Path], precision: str, read: Read, versions: int = 1
) -> tuple[Floats, list[str]]:
    """Scores [N, V], and N reasons why files can't be read ("" where they can)."""
    batches = list(score(model, progress(files, "Scoring images"), precision, read, versions))
    p_ai = np.concatenate([np.empty((0, versions)), *(scores for _, scores, _ in batches)])
    return p_ai, [reason for _, _, reasons in batches for reason in reasons]


def _unreadable(rows: pd.DataFrame, reasons: list[str]) -> pd.DataFrame:
    return rows[["path"]].assign(reason=reasons).query("reason != ''").reset_index(drop=True)
