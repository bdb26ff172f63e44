"""Scores of image files by a finished model: as it was trained to see them, in another form, or distorted in many ways."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from artclf.data.canonical import Canonical
from artclf.data.distortions import list_versions, make_versions
from artclf.data.images import DEFAULT_MAX_PIXELS, decoded_image
from artclf.data.manifest import COLUMNS
from artclf.data.prefetch import File, read_batches, zero_pixels
from artclf.data.reader import ImageReader, Pixels
from artclf.evaluation import Floats
from artclf.evaluation.decision import as_stored
from artclf.runtime import cores, progress

THREADS = min(8, max(2, cores()))  # 8 are more than a fast GPU needs, and each may hold an image of half a gigabyte
NO_SCORE = "the network gives no score for it (NaN)"

Read = Callable[[Path], Pixels]
"""File → what the network is shown of it: uint8 [3, S, S], or [V, 3, S, S] for V versions of the image."""


class Scorer(ABC):
    """A network that scores images, whatever library it runs in."""

    image_size: int  # S, pixels per side
    interpolation: str
    canonical: Canonical | None  # the form that it was trained on
    batch: int  # squares that are scored at a time
    precision: str  # what it computes in
    reads: ClassVar[type[ImageReader]] = ImageReader

    @abstractmethod
    def p_ai(self, pixels: Pixels) -> Floats:
        """Score squares, uint8 [B, 3, S, S] → p_ai [B], from 0 (surely human) to 1."""

    def zeros(self, shape: tuple[int, ...]) -> Pixels:
        """Allocate pixels, where they are quickly scored from."""
        return zero_pixels(shape)

    def reader(self, max_pixels: int = DEFAULT_MAX_PIXELS) -> ImageReader:
        """How images are read for it."""
        return self.reader_as(self.canonical, max_pixels)

    def reader_as(self, canonical: Canonical | None, max_pixels: int = DEFAULT_MAX_PIXELS) -> ImageReader:
        """How images are read as they are stored, or in canonical form."""
        return self.reads(self.image_size, self.interpolation, max_pixels, canonical)


def score(
    scorer: Scorer, files: Iterable[File], read: Callable[[File], Pixels], versions: int = 1
) -> Generator[tuple[list[File], Floats, list[str]]]:
    """Score image files, or images in memory, in batches, in the order given, while the next ones are read.

    Args:
        scorer: the network.
        files: the files; taken as they are needed.
        read: reads a file.
        versions: how many versions of each image it returns, V.

    Yields:
        B files; p_ai [B, V], from 0 (surely human) to 1, NaN where a file can't be read or gets no score; and B reasons why, ""
        where it does.
    """
    shape = (versions, 3, scorer.image_size, scorer.image_size)
    at_once = max(1, scorer.batch // versions)
    with closing(read_batches(files, read, shape, batch=at_once, threads=THREADS, zeros=scorer.zeros)) as batches:
        for batch in batches:
            p_ai = scorer.p_ai(batch.pixels.reshape(-1, *shape[1:])).reshape(len(batch.files), versions)
            found = zip(batch.reasons, p_ai, strict=True)
            reasons = [reason or (NO_SCORE if np.isnan(scores).any() else "") for reason, scores in found]
            p_ai[[bool(reason) for reason in reasons]] = np.nan
            yield batch.files, p_ai, reasons


def score_images(scorer: Scorer, root: Path, rows: pd.DataFrame, read: Read) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score the images of a manifest's rows, whose paths are relative to `root`.

    Returns:
        The rows that can be read, with p_ai; and path and reason of the others.
    """
    p_ai, reasons = _score_all(scorer, [root / path for path in rows["path"]], read)
    scored = rows.assign(p_ai=as_stored(p_ai[:, 0]))
    return scored[~np.isnan(p_ai[:, 0])].reset_index(drop=True), _unreadable(rows, reasons)


def score_distorted(
    scorer: Scorer,
    root: Path,
    rows: pd.DataFrame,
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
    show = scorer.reader().square
    paths = {root / path: path for path in rows["path"]}
    sides: dict[str, int] = {}

    def read(file: Path) -> Pixels:
        with decoded_image(file, max_pixels=max_pixels) as image:
            sides[paths[file]] = min(image.size)
            made = make_versions(image, path=paths[file], seed=seed, reencoded=reencoded)
            return np.stack([show(version) for version in made])

    versions = pd.DataFrame(list_versions(reencoded=reencoded))
    p_ai, reasons = _score_all(scorer, list(paths), read, len(versions))
    readable = ~np.isnan(p_ai[:, 0])
    images = rows.loc[readable, list(COLUMNS)]
    images = images.assign(shorter_side=images["path"].map(sides))
    scored = versions.merge(images, how="cross").assign(p_ai=as_stored(p_ai[readable].T.ravel()))
    return scored[[*images, *versions, "p_ai"]], _unreadable(rows, reasons)


def _score_all(scorer: Scorer, files: list[Path], read: Read, versions: int = 1) -> tuple[Floats, list[str]]:
    """Scores [N, V], and N reasons why files can't be read ("" where they can)."""
    batches = list(score(scorer, progress(files, "Scoring images"), read, versions))
    p_ai = np.concatenate([np.empty((0, versions)), *(scores for _, scores, _ in batches)])
    return p_ai, [reason for _, _, reasons in batches for reason in reasons]


def _unreadable(rows: pd.DataFrame, reasons: list[str]) -> pd.DataFrame:
    return rows[["path"]].assign(reason=reasons).query("reason != ''").reset_index(drop=True)
