"""HTML and text from the templates of this folder. In HTML, everything that comes from a run is escaped."""

import base64
import os
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import numpy as np
from jinja2 import ChainableUndefined, Environment, FileSystemLoader, Template, select_autoescape
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from artclf.data.images import DEFAULT_MAX_PIXELS, decoded_image
from artclf.evaluation.decision import THRESHOLD
from artclf.report import format as fmt
from artclf.report import plots
from artclf.report.beside import coming_pages
from artclf.run_folder import REPORT_FILE, write_text

THUMBNAIL = 200  # pixels of the longer side
EmbeddedImage: TypeAlias = dict[str, str | int]  # as part of a page: uri ("data:image/png;base64,…"), width and height
_FILTERS = (
    *("count", "share", "score", "figure", "interval", "points", "difference"),
    *("p_value", "size", "duration", "unfrozen", "plural", "markdown"),
)


def write_page(path: Path, template: str, **context: Any) -> Path:
    """Fill in an HTML template and write the page. A key that a run did not record is shown as a dash, never an error."""
    write_text(path, fill_in(template, **context))
    return path


def load_template(template: str) -> Template:
    """Read a template, which is then kept."""
    return _environment().get_template(template)


def fill_in(template: str, **context: Any) -> str:
    """Fill in a template, of a page or a part of one."""
    return load_template(template).render(context)


def report_link(run: Path, page: Path) -> str:
    """The address of a run's report.html from a page in the folder `page`; "" where there is no report."""
    report = run / REPORT_FILE
    return quote(os.path.relpath(report, page)) if report.is_file() or run in coming_pages() else ""


def text(template: str, **context: Any) -> str:
    """Fill in a text template; nothing is escaped."""
    return load_template(template).render(context)


def lines(template: str, **context: Any) -> list[str]:
    """Fill in a text template, for pages and the terminal alike: a sentence a line, nothing escaped."""
    return [line for line in text(template, **context).split("\n") if line.strip()]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(),  # in .html; the sentences of .txt are escaped where a page shows them
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"plots": plots, "threshold": THRESHOLD}
    environment.tests["missing"] = fmt.missing
    environment.filters |= {name: getattr(fmt, name) for name in _FILTERS}
    return environment


def save_figures(folder: Path, figures: Mapping[str, Figure]) -> dict[str, EmbeddedImage]:
    """Write figures as NAME.png into a folder, and return them to put into a page."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").save(folder / f"{name}.png")
    return {name: embed(folder / f"{name}.png") for name in figures}


def embed(path: Path) -> EmbeddedImage:
    """Read a PNG file to put into a page."""
    with Image.open(path, formats=["PNG"]) as image:
        return _embedded(path.read_bytes(), "png", image)


def thumbnail(file: Path, max_pixels: int = DEFAULT_MAX_PIXELS) -> EmbeddedImage:
    """Read an image file and scale it down to a JPEG for a page. UnreadableImage where it can't be read."""
    with decoded_image(file, max_pixels=max_pixels, shorter_side=THUMBNAIL) as image:
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        return as_jpeg(image)


def as_jpeg(image: Image.Image, quality: int = 80) -> EmbeddedImage:
    """An image as a JPEG for a page."""
    encoded = BytesIO()
    image.save(encoded, format="JPEG", quality=quality)
    return _embedded(encoded.getvalue(), "jpeg", image)


def _embedded(content: bytes, kind: str, image: Image.Image) -> EmbeddedImage:
    uri = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return {"uri": uri, "width": image.width, "height": image.height}
