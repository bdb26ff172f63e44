"""`artclf case`: one page about one image."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from artclf.cli.console import MaxPixels, Precision, Run, require_writable
from artclf.data.files import DEFAULT_MAX_PIXELS, UnreadableImage
from artclf.errors import ArtclfError, plain_name, printable
from artclf.runtime import quick_imports


def case(
    run: Run,
    image: Annotated[Path, typer.Argument(help="An image file.")],
    to: Annotated[
        Path | None, typer.Option(dir_okay=False, help="The page to write (.html).", show_default="one in outputs/case/")
    ] = None,
    views: Annotated[
        int,
        typer.Option(min=0, max=6, help="Score so many deliveries too; one that changes the verdict makes it unsure."),
    ] = 6,
    precision: Precision = "auto",
    max_pixels: MaxPixels = DEFAULT_MAX_PIXELS,
) -> int:
    """Write one page about one image: its verdict and what that guarantees, what its file declares, where its score comes from.

    The page prints on two sheets. An image that can't be read is named, and the exit code is then 1.
    """
    if to is not None and to.suffix.lower() != ".html":
        raise ArtclfError(f"--to {to}: the page is HTML; give a name that ends in .html")
    to = to or Path("outputs", "case", f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{plain_name(image.stem)}.html")
    require_writable(to)
    with quick_imports():
        from artclf.inference.case import write_case  # noqa: PLC0415 (loads torch)
        from artclf.inference.predict import load  # noqa: PLC0415
    model = load(run, precision, max_pixels=max_pixels)
    try:
        typer.echo(f"page: {write_case(model, image, to, views=views)}")
    except UnreadableImage as error:
        typer.echo(f"error: {printable(str(error))}", err=True)
        return 1
    return 0
