"""What a finished run left in its folder."""

import base64
import json
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image, UnidentifiedImageError

from artclf.errors import ArtclfError


@dataclass(frozen=True)
class EmbeddedPicture:
    """A picture as part of a page: base64 of a PNG file, and its size in pixels."""

    data: str
    width: int
    height: int


def read_metrics(run: Path) -> dict[str, Any]:
    """Read a run's metrics.json.

    Raises:
        ArtclfError: where it is missing (the run has not finished) or is not what a run writes.
    """
    path = run / "metrics.json"
    metrics = read_json(path, "run the training again")
    if metrics is None and not path.is_file():
        raise ArtclfError(f"{run}: no metrics.json in this folder; give the folder of a run that has finished")
    if not isinstance(metrics, dict):
        raise ArtclfError(f"{path}: got a {type(metrics).__name__}, a run writes an object with the key test")
    return metrics


def read_json(file: Path, remedy: str) -> Any:
    """Read a JSON file; None where there is none.

    Args:
        file: the file.
        remedy: what to do where it is damaged, in words.

    Raises:
        ArtclfError: where it is no JSON.
    """
    if not file.is_file():
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ArtclfError(f"{file}: is no JSON ({error}); {remedy}") from error


def read_table(path: Path, text: tuple[str, ...] = (), numbers: tuple[str, ...] = ()) -> pd.DataFrame | None:
    """Read columns of a run's CSV file; None where there is no such file or nothing in it.

    Text stays text (a generator called NA is no gap); an empty cell among numbers is NaN.

    Raises:
        ArtclfError: where a column is missing, or one of numbers holds something else.
    """
    content = path.read_text(encoding="utf-8") if path.is_file() else ""
    if not content.strip():
        return None
    table = pd.read_csv(StringIO(content), dtype=str, keep_default_na=False)
    missing = [name for name in (*text, *numbers) if name not in table.columns]
    if missing:
        raise ArtclfError(f"{path}: has no column {', '.join(missing)}; got {', '.join(table.columns)}")
    for name in numbers:
        try:
            table[name] = pd.to_numeric(table[name].where(table[name] != "")).astype(float)
        except ValueError as error:
            raise ArtclfError(f"{path}: column {name} holds what is no number: {error}") from error
    return table


def embed(path: Path) -> EmbeddedPicture | None:
    """Read a PNG file to put into a page; None where there is no such file.

    Raises:
        ArtclfError: where the file is no PNG picture.
    """
    if not path.is_file():
        return None
    try:
        with Image.open(path, formats=["PNG"]) as image:
            width, height = image.size
    except UnidentifiedImageError as error:
        raise ArtclfError(f"{path}: is no PNG picture; delete it, and the page goes without it") from error
    return EmbeddedPicture(base64.b64encode(path.read_bytes()).decode("ascii"), width, height)
