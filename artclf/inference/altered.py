"""Pictures judged as they are and in all ways in which they may be altered."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from artclf.data.distortions import list_versions, make_versions
from artclf.data.images import UnreadableImage, read_image
from artclf.data.manifest import COLUMNS
from artclf.data.prefetch import read_ahead
from artclf.data.reader import ImageReader
from artclf.evaluation.decision import as_stored
from artclf.inference.score import decoding_threads
from artclf.model.classifier import ArtClassifier
from artclf.model.precision import autocast

SAMPLE = 300
"""Pictures that are judged where no other number is asked for: each in nearly thirty versions."""


def score_versions(
    model: ArtClassifier,
    root: Path,
    rows: pd.DataFrame,
    precision: str,
    *,
    seed: int,
    all_alike: bool,
    told: Iterable[int] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """DecisionRule pictures in all versions of `list_versions`.

    Args:
        model: in eval mode, on its device.
        root: the folder that paths are relative to.
        rows: of a manifest's table.
        precision: one of PRECISIONS.
        seed: of what chance adds.
        all_alike: judge each level a second time, of the pictures made alike.
        told: gone through as pictures are done, for a progress bar.

    Returns:
        The scores, a row for each picture and version: the manifest's columns, shorter_side (of the file, in pixels), first,
        distortion, level and p_ai; and the pictures that can't be read: path, reason.
    """
    reader = ImageReader(int(model.hparams["image_size"]), str(model.hparams["interpolation"]), canonical=model.canonical)
    listed = list_versions(all_alike=all_alike)
    names = dict(zip([root / path for path in rows["path"]], rows["path"], strict=True))
    sides: dict[str, int] = {}

    def read(file: Path) -> torch.Tensor:
        try:
            image = read_image(file)
            sides[names[file]] = min(image.size)
            made = make_versions(image, path=names[file], seed=seed, all_alike=all_alike)
            return torch.from_numpy(np.stack([reader.square(version).numpy() for version in made]))
        except MemoryError as error:
            raise UnreadableImage(file, "not enough memory for the versions of this picture") from error

    device = model.device
    pictures = read_ahead(
        names,
        read,
        (len(listed), 3, reader.size, reader.size),
        batch=2 if device.type == "cuda" else 1,
        threads=decoding_threads(),
        pinned=device.type == "cuda",
    )
    scores: list[Sequence[float]] = []
    rejected: list[tuple[str, str]] = []
    ticks = iter(told if told is not None else ())
    with closing(pictures):
        for batch in pictures:
            with autocast(precision, device.type):
                judged = model.p_ai(batch.pixels.flatten(0, 1).to(device, non_blocking=True))
            for file, p_ai, reason in zip(batch.files, judged.view(len(batch.files), -1).tolist(), batch.reasons, strict=True):
                next(ticks, None)
                if reason:
                    rejected.append((names[file], reason))
                else:
                    scores.append(p_ai)
    refused = pd.DataFrame(rejected, columns=["path", "reason"])
    judged_rows = rows.loc[~rows["path"].isin(refused["path"]), list(COLUMNS)]
    judged_rows = judged_rows.assign(shorter_side=judged_rows["path"].map(sides))
    table = pd.concat(
        [
            judged_rows.assign(
                first=version.first, distortion=version.distortion, level=np.nan if version.level is None else version.level
            )
            for version in listed
        ],
        ignore_index=True,
    )
    return table.assign(p_ai=as_stored(np.array(scores).reshape(-1, len(listed)).T.ravel())), refused
