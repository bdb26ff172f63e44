"""Scores of image files by a finished model: as it was trained to see them, in another form, or distorted in many ways."""

import os
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.progress import Progress

from artclf.data.canonical import Canonical
from artclf.data.distortions import list_versions, make_versions
from artclf.data.images import UnreadableImage, read_image
from artclf.data.manifest import COLUMNS
from artclf.data.prefetch import read_ahead
from artclf.data.reader import ImageReader
from artclf.evaluation.decision import as_stored
from artclf.evaluation.types import Floats
from artclf.model.classifier import ArtClassifier
from artclf.model.precision import autocast

BATCH = {"cpu": 16, "cuda": 64}  # squares
_MOST_THREADS = 8  # more than a fast GPU needs of them, and each may hold an image of half a gigabyte


@dataclass(frozen=True)
class Versions:
    """What the network is shown of a file: one square, or several versions of the image."""

    read: Callable[[Path], torch.Tensor]  # file → uint8 [V, 3, S, S]; raises UnreadableImage
    number: int = 1  # V


@dataclass(frozen=True)
class Scored:
    """A batch of files and their scores."""

    files: list[Path]
    p_ai: Floats  # [B, V], from 0 (surely human) to 1; NaN where a file can't be read
    reasons: list[str]  # [B] why it can't; "" where it can


def one_version(model: ArtClassifier, canonical: Canonical | None) -> Versions:
    """One square of each file, in the given form; `model.canonical` is the form that the model was trained on."""
    reader = _reader(model, canonical)
    return Versions(lambda file: reader.read(file)[None])


def score(model: ArtClassifier, files: Iterable[Path], versions: Versions, precision: str) -> Generator[Scored]:
    """Score image files in batches, in the order given, while the next ones are read.

    Args:
        model: in eval mode, on its device.
        files: the files; taken as they are needed.
        versions: what the network is shown of each.
        precision: one of PRECISIONS.
    """
    device, size = model.device, int(model.hparams["image_size"])
    batches = read_ahead(
        files,
        versions.read,
        (versions.number, 3, size, size),
        batch=max(1, BATCH[device.type] // versions.number),
        threads=min(_MOST_THREADS, max(2, os.cpu_count() or 1)),
        pinned=device.type == "cuda",
    )
    with closing(batches):
        for batch in batches:
            with autocast(precision, device.type):
                scores = model.p_ai(batch.pixels.flatten(0, 1).to(device, non_blocking=True))
            p_ai = scores.double().view(len(batch.files), versions.number).cpu().numpy()
            p_ai[[bool(reason) for reason in batch.reasons]] = np.nan
            yield Scored(batch.files, p_ai, batch.reasons)


def score_rows(
    model: ArtClassifier, root: Path, rows: pd.DataFrame, versions: Versions, precision: str, progress: str = ""
) -> tuple[Floats, list[str]]:
    """Score the images of a manifest's rows.

    Args:
        model: in eval mode, on its device.
        root: the folder that paths are relative to.
        rows: with the column path.
        versions: what the network is shown of each.
        precision: one of PRECISIONS.
        progress: the label of a progress bar in the terminal; "" for none.

    Returns:
        p_ai [N, V], NaN where an image can't be read, and [N] the reasons, "" where it can.
    """
    p_ai, reasons = [np.empty((0, versions.number))], []
    terminal = Console(stderr=True)
    bar = Progress(console=terminal, transient=True, disable=not progress or not terminal.is_terminal)
    with bar, closing(score(model, (root / path for path in rows["path"]), versions, precision)) as batches:
        task = bar.add_task(progress, total=len(rows))
        for batch in batches:
            p_ai.append(batch.p_ai)
            reasons += batch.reasons
            bar.advance(task, len(batch.files))
    return np.concatenate(p_ai), reasons


def score_distorted(
    model: ArtClassifier, root: Path, rows: pd.DataFrame, precision: str, *, seed: int, all_alike: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score images in all versions of `list_versions`.

    Args:
        model: in eval mode, on its device.
        root: the folder that paths are relative to.
        rows: of a manifest's table.
        precision: one of PRECISIONS.
        seed: of random distortions.
        all_alike: score each level a second time, of images that were all re-encoded alike first.

    Returns:
        A row for each image and version: the manifest's columns, shorter_side (of the file, in pixels), first, distortion,
        level and p_ai; and the images that can't be read: path, reason.
    """
    reader = _reader(model, model.canonical)
    listed = list_versions(all_alike=all_alike)
    paths = {root / path: path for path in rows["path"]}
    sides: dict[str, int] = {}

    def read(file: Path) -> torch.Tensor:
        try:
            image = read_image(file)
            sides[paths[file]] = min(image.size)
            made = make_versions(image, path=paths[file], seed=seed, all_alike=all_alike)
            return torch.from_numpy(np.stack([reader.square(version).numpy() for version in made]))
        except MemoryError as error:
            raise UnreadableImage(file, "not enough memory for the versions of this image") from error

    p_ai, reasons = score_rows(model, root, rows, Versions(read, len(listed)), precision, "Scoring distorted images")
    unreadable = rows[["path"]].assign(reason=reasons).query("reason != ''")
    readable = ~np.isnan(p_ai[:, 0])
    scored = rows.loc[readable, list(COLUMNS)]
    scored = scored.assign(shorter_side=scored["path"].map(sides))
    tables = [
        scored.assign(
            first=version.first,
            distortion=version.distortion,
            level=np.nan if version.level is None else version.level,
            p_ai=as_stored(p_ai[readable, column]),
        )
        for column, version in enumerate(listed)
    ]
    return pd.concat(tables, ignore_index=True), unreadable


def _reader(model: ArtClassifier, canonical: Canonical | None) -> ImageReader:
    return ImageReader(int(model.hparams["image_size"]), str(model.hparams["interpolation"]), canonical=canonical)
