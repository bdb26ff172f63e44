"""`artclf card` and `artclf push`: a finished run for others."""

from pathlib import Path
from typing import Annotated

import typer

from artclf.runtime import quick_imports

Run = Annotated[Path, typer.Argument(help="The folder of a finished run.")]
License = Annotated[str | None, typer.Option(help="The model's license, as the Hub calls it: apache-2.0, mit, cc-by-4.0, …")]
Evaluations = Annotated[
    list[Path] | None,
    typer.Option(
        "--evaluation", help="A folder that artclf evaluate has written; may be given more than once.", show_default=False
    ),
]


def card(
    run: Run,
    to: Annotated[Path | None, typer.Option(file_okay=False, help="The folder to write to.", show_default="RUN/card")] = None,
    license: License = None,  # noqa: A002 (the Hub's word)
    evaluation: Evaluations = None,
) -> None:
    """Write a model card (README.md), Croissant metadata of the images (croissant.json), and the list that it describes."""
    with quick_imports():
        from artclf.inference.share import write_cards  # noqa: PLC0415 (loads torch)
    folder = to or run / "card"
    write_cards(run, folder, license=license, evaluations=evaluation or ())
    _remark(license)
    typer.echo(f"card: {folder / 'README.md'}")


def push(
    run: Run,
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The model's name on the Hugging Face Hub.")],
    private: Annotated[bool, typer.Option("--private", help="Only its owner sees it.")] = False,
    manifest: Annotated[
        bool, typer.Option("--manifest", help="Upload manifest.csv too, which names every image file.")
    ] = False,
    license: License = None,  # noqa: A002 (the Hub's word)
    evaluation: Evaluations = None,
) -> None:
    """Upload a model to the Hugging Face Hub: safetensors, JSON and its card. artclf predict hub:OWNER/NAME then loads it."""
    with quick_imports():
        from artclf.inference.share import push as upload  # noqa: PLC0415 (loads torch)
    _remark(license)
    address = upload(run, name, private=private, manifest=manifest, license=license, evaluations=evaluation or ())
    typer.echo(f"pushed: {address}")


def _remark(named: str | None) -> None:
    if named is None:
        typer.echo("note: the card names no license; --license apache-2.0, say, names one", err=True)
