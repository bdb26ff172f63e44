"""HTML from templates: everything that comes from a run is escaped."""

import base64
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, Environment, FileSystemLoader, select_autoescape
from PIL import Image, UnidentifiedImageError

from artclf.data.images import DEFAULT_MAX_PIXELS, read_image
from artclf.errors import ArtclfError
from artclf.report import format as fmt
from artclf.report import style

THUMBNAIL = 200  # pixels of the longer side


def lines(template: str, **context: Any) -> list[str]:
    """Fill in a text template of this folder, for pages and the terminal alike: a sentence a line, nothing escaped."""
    return [line for line in render(template, **context).split("\n") if line.strip()]


def render(template: str, **context: Any) -> str:
    """Fill in a template of this folder. A key that a run did not record is shown as a dash, never an error."""
    return _environment().get_template(template).render(context)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(),  # in .html; the sentences of .txt are escaped where a page shows them
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["style"] = style
    readers = (fmt.count, fmt.share, fmt.score, fmt.size, fmt.duration, fmt.unfrozen)
    for reader in (*readers, fmt.points, fmt.p_value, fmt.share_range, fmt.score_range, fmt.plural):
        environment.filters[reader.__name__] = reader
    return environment


@dataclass(frozen=True)
class EmbeddedPicture:
    """An image as part of a page: the base64 of a file, its size in pixels, and its kind ("png", "jpeg")."""

    data: str
    width: int
    height: int
    kind: str = "png"


def embed(path: Path) -> EmbeddedPicture | None:
    """Read a PNG file to put into a page; None where there is no such file.

    Raises:
        ArtclfError: where the file is no PNG image.
    """
    if not path.is_file():
        return None
    try:
        with Image.open(path, formats=["PNG"]) as image:
            width, height = image.size
    except UnidentifiedImageError as error:
        raise ArtclfError(f"{path}: is no PNG picture; delete it, and the page goes without it") from error
    return EmbeddedPicture(base64.b64encode(path.read_bytes()).decode("ascii"), width, height)


def thumbnail(file: Path, max_pixels: int = DEFAULT_MAX_PIXELS) -> EmbeddedPicture:
    """Read an image file and scale it down to a JPEG for a page.

    Raises:
        UnreadableImage: where it can't be read.
    """
    image = read_image(file, max_pixels=max_pixels)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return as_jpeg(image)


def as_jpeg(image: Image.Image) -> EmbeddedPicture:
    """An image as a JPEG for a page."""
    encoded = BytesIO()
    image.save(encoded, format="JPEG", quality=80)
    return EmbeddedPicture(base64.b64encode(encoded.getvalue()).decode("ascii"), image.width, image.height, "jpeg")
