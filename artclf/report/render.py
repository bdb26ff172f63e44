"""HTML from templates: everything that comes from a run is escaped."""

import base64
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, Environment, FileSystemLoader
from PIL import Image, UnidentifiedImageError

from artclf.errors import ArtclfError
from artclf.report import format as fmt
from artclf.report import style


def render(template: str, **context: Any) -> str:
    """Fill in a template of this folder. A key that a run did not record is shown as a dash, never an error."""
    return _environment().get_template(template).render(context)


@cache
def _environment() -> Environment:
    """What templates are read with; it keeps those that it has compiled."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["style"] = style
    readers = (fmt.count, fmt.share, fmt.score, fmt.size, fmt.duration, fmt.unfrozen)
    for reader in (*readers, fmt.points, fmt.p_value, fmt.share_range, fmt.score_range):
        environment.filters[reader.__name__] = reader
    return environment


@dataclass(frozen=True)
class EmbeddedPicture:
    """A picture as part of a page: base64 of a PNG file, and its size in pixels."""

    data: str
    width: int
    height: int


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
