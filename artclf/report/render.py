"""HTML and text from the templates of this folder. In HTML, everything that comes from a run is escaped."""

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
_FILTERS = (
    *(fmt.count, fmt.share, fmt.score, fmt.points, fmt.p_value, fmt.share_range, fmt.score_range),
    *(fmt.size, fmt.duration, fmt.unfrozen, fmt.listed, fmt.plural),
)


def render(template: str, **context: Any) -> str:
    """Fill in a template. A key that a run did not record is shown as a dash, never an error."""
    return _environment().get_template(template).render(context)


def lines(template: str, **context: Any) -> list[str]:
    """Fill in a text template, for pages and the terminal alike: a sentence a line, nothing escaped."""
    return [line for line in render(template, **context).split("\n") if line.strip()]


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
    environment.filters |= {written.__name__: written for written in _FILTERS}
    return environment


@dataclass(frozen=True)
class EmbeddedImage:
    """An image as part of a page."""

    data: str  # base64 of the file
    width: int
    height: int
    kind: str  # "png" or "jpeg"


def embed(path: Path) -> EmbeddedImage | None:
    """Read a PNG file to put into a page; None where there is no such file.

    Raises:
        ArtclfError: where the file is no PNG image.
    """
    if not path.is_file():
        return None
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return _embedded(path.read_bytes(), image, "png")
    except UnidentifiedImageError as error:
        raise ArtclfError(f"{path}: is no PNG image; delete it, and the page goes without it") from error


def thumbnail(file: Path, max_pixels: int = DEFAULT_MAX_PIXELS) -> EmbeddedImage:
    """Read an image file and scale it down to a JPEG for a page.

    Raises:
        UnreadableImage: where it can't be read.
    """
    image = read_image(file, max_pixels=max_pixels)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return as_jpeg(image)


def as_jpeg(image: Image.Image) -> EmbeddedImage:
    """An image as a JPEG for a page."""
    encoded = BytesIO()
    image.save(encoded, format="JPEG", quality=80)
    return _embedded(encoded.getvalue(), image, "jpeg")


def _embedded(content: bytes, image: Image.Image, kind: str) -> EmbeddedImage:
    return EmbeddedImage(base64.b64encode(content).decode("ascii"), image.width, image.height, kind)
