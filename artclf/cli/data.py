"""`artclf data …`: commands on data sets. Heavy libraries are loaded where a command needs them."""

from pathlib import Path
from typing import Annotated

import typer

from artclf.errors import ArtclfError

data_app = typer.Typer(help="Look at data sets.", no_args_is_help=True)


@data_app.callback()
def data() -> None:
    """Look at data sets."""


@data_app.command()
def show(
    what: Annotated[
        str, typer.Argument(help="A folder or CSV file of pictures, or the name of a source: demo.", metavar="PATH|SOURCE")
    ],
    to: Annotated[Path | None, typer.Option(help="Folder of the page; default: outputs/data/NAME.")] = None,
    read_all: Annotated[bool, typer.Option("--all", help="Read every file's header, not only a sample's.")] = False,
    sample: Annotated[int | None, typer.Option(min=1, help="How many files' headers are read; default: 5000.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample.")] = 0,
) -> None:
    """Print what a data set holds, and write a page of figures: who made it, sizes, formats, JPEG qualities, samples.

    A picture that can't be read is named, and the others go on; the exit code is then 1.
    """
    from artclf.cli.show import show_data  # noqa: PLC0415 (loads pandas and matplotlib)

    try:
        unread = show_data(what, to, sample=sample, read_all=read_all, seed=seed)
    except ArtclfError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    if unread:
        raise typer.Exit(1)
