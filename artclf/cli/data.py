"""`artclf data …`: download a data set, verify it, and look at what it holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from artclf.cli.console import exit_codes
from artclf.errors import ArtclfError

if TYPE_CHECKING:
    from artclf.data.sources.artbench_download import Verification

app = typer.Typer(help="Download a data set, verify it, and look at what it holds.", no_args_is_help=True)

LISTED = 10  # unreadable images that are named

Quick = Annotated[bool, typer.Option("--quick", help="Count alone: don't decode the images, which takes minutes.")]


@app.command()
def fetch(
    dataset: Annotated[Literal["ai_artbench"], typer.Argument(help="Kaggle's AI-ArtBench, version 5.")],
    quick: Quick = False,
) -> None:
    """Download a data set (about 10.7 GB, and as much again to extract), then verify it.

    The same command continues a broken download. KAGGLEHUB_CACHE names the folder; default: ~/.cache/kagglehub. Exit codes:
    0 all is well, 1 the download differs from version 5, 2 it can't be downloaded.
    """
    from artclf.cache.folder import AI_ARTBENCH, kaggle_ai_artbench, kaggle_cache  # noqa: PLC0415 (`artclf --help` stays quick)
    from artclf.data.sources.artbench_download import fetch_ai_artbench, verify_ai_artbench  # noqa: PLC0415 (so too)

    with exit_codes("interrupted; nothing is lost: the same command goes on with what is downloaded"):
        if kaggle_ai_artbench() is not None:
            typer.echo("already downloaded; verifying it")
        else:
            typer.echo(f"AI-ArtBench to {kaggle_cache()}; its licence: https://www.kaggle.com/datasets/{AI_ARTBENCH}")
        folder = fetch_ai_artbench()
        verification = verify_ai_artbench(folder, decode=not quick)
    _show(verification)
    if not verification.is_version_5:
        typer.echo(f"To download it anew, remove {folder} and type artclf data fetch {dataset}")
        raise typer.Exit(1)
    found = kaggle_ai_artbench() is not None  # in notebooks kagglehub mounts the data set elsewhere
    typer.echo(f"python train.py data={dataset} finds it" if found else f"python train.py data={dataset} data.root={folder}")


@app.command()
def verify(
    path: Annotated[
        Path | None, typer.Argument(help="Real_AI_SD_LD_Dataset, or a folder above it; none: what was fetched.")
    ] = None,
    quick: Quick = False,
) -> None:
    """Compare a folder with version 5 of AI-ArtBench: folders, counts, spellings, and whether each image can be read.

    Exit codes: 0 nothing differs, 1 something does, 2 there is no AI-ArtBench.
    """
    from artclf.cache.folder import kaggle_ai_artbench, kaggle_cache  # noqa: PLC0415 (`artclf --help` stays quick)
    from artclf.data.sources.artbench_download import verify_ai_artbench  # noqa: PLC0415 (so too)

    with exit_codes():
        root = path or kaggle_ai_artbench()
        if root is None:
            raise ArtclfError(
                f"nothing (or nothing whole) was fetched into {kaggle_cache()}; type artclf data verify FOLDER, or "
                "artclf data fetch ai_artbench"
            )
        verification = verify_ai_artbench(root, decode=not quick)
    _show(verification)
    raise typer.Exit(0 if verification.is_version_5 else 1)


def _show(verification: "Verification") -> None:
    """Print what differs from version 5, and how much was compared."""
    from artclf.report.terminal import screen, table  # noqa: PLC0415 (`artclf --help` stays quick)

    folders, unreadable = verification.folders, verification.unreadable
    different = folders[folders["problem"] != ""]
    if len(different):
        rows = [(str(row.Index), f"{row.found:,}", f"{row.expected:,}", str(row.problem)) for row in different.itertuples()]
        columns = ["folder", "images", "version 5", "problem"]
        screen().print(table(f"{verification.base}, and version 5 of AI-ArtBench", columns, rows, text=(0, 3)))
    same, images, expected = len(folders) - len(different), folders["found"].sum(), folders["expected"].sum()
    typer.echo(f"{same} of {len(folders)} folders are as in version 5: {images:,} of {expected:,} images")
    for row in unreadable[:LISTED].itertuples():
        typer.echo(f"{row.path}: {row.reason}")
    if len(unreadable) > LISTED:
        typer.echo(f"and {len(unreadable) - LISTED:,} more")
    if verification.decoded:
        typer.echo(f"images that can't be read: {len(unreadable):,}")
    else:
        typer.echo("--quick: no image was decoded, so it is not known whether they can be read")


What = Annotated[
    str,
    typer.Argument(help="A folder or CSV file of images, or the name of a source: demo, ai_artbench.", metavar="PATH|SOURCE"),
]
Page = Annotated[Path | None, typer.Option(help="Folder of the page; default: outputs/audit/NAME.")]
Everything = Annotated[bool, typer.Option("--all", help="Open every file, not only a sample.")]
Sample = Annotated[int | None, typer.Option(min=1, help="How many files are opened; default: 5000.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the sample, the folds and the forests.")]
Json = Annotated[Path | None, typer.Option("--json", help="Also write the audit to this file.", metavar="FILE")]
Headers = Annotated[bool, typer.Option("--quick", help="Read the files' headers alone: decode and audit nothing.")]


def audit(
    what: What,
    json: Json = None,
    to: Page = None,
    read_all: Everything = False,
    sample: Sample = None,
    seed: Seed = 0,
    quick: Headers = False,
) -> None:
    """Show what a data set holds and what a classifier could cheat with: file facts, overall looks, duplicates; write a page.

    An image that can't be read is named, and the others go on; the exit code is then 1.
    """
    from artclf.cli.audit import audit_data  # noqa: PLC0415 (loads scikit-learn and matplotlib)

    with exit_codes():
        unread = audit_data(what, to, json=json, sample=sample, read_all=read_all, seed=seed, quick=quick)
    raise typer.Exit(1 if unread else 0)


@app.command()
def show(what: What, to: Page = None, read_all: Everything = False, sample: Sample = None, seed: Seed = 0) -> None:
    """The same as artclf audit --quick: what a data set holds, by the files' headers alone."""
    audit(what, to=to, read_all=read_all, sample=sample, seed=seed, quick=True)
