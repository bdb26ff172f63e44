"""`artclf …`: commands on finished runs and on pictures. Heavy libraries are loaded where a command needs them."""

from pathlib import Path
from typing import Annotated

import typer

import artclf
from artclf.cli.data import data_app
from artclf.errors import ArtclfError

app = typer.Typer(
    name="artclf",
    help="Tell AI-generated art from human-made art. Training: python train.py --help.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.add_typer(data_app, name="data")


@app.callback()
def main() -> None:
    """Tell AI-generated art from human-made art. Training: python train.py --help."""


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(artclf.__version__)


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="A run folder, or a checkpoint of one.")],
    pictures: Annotated[list[Path], typer.Argument(help="Picture files, or folders of them.")],
) -> None:
    """Print p_ai, the probability of AI, and the verdict for each picture.

    A picture that can't be read is named, and the others go on; the exit code is then 1.
    """
    from artclf.cli.predict import predict_pictures  # noqa: PLC0415 (loads torch)

    try:
        unread = 0
        typer.echo("p_ai    verdict  picture")
        for prediction in predict_pictures(run, pictures):
            if prediction.reason:
                unread += 1
                typer.echo(f"error: {prediction.path}: {prediction.reason}", err=True)
            else:
                typer.echo(f"{prediction.p_ai:.4f}  {prediction.verdict:<7}  {prediction.path}")
    except ArtclfError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    if unread:
        raise typer.Exit(1)
