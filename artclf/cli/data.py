"""`artclf data …`: download a data set, verify it, and look at what it holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from artclf.cli.console import (
    DEMO,
    MaxPixels,
    To,
    command_line,
    fetched_ai_artbench,
    name_of,
    name_unreadable,
    output_folder,
    read_images,
    require_writable,
)
from artclf.data.files import DEFAULT_MAX_PIXELS
from artclf.errors import ArtclfError

if TYPE_CHECKING:
    from artclf.data.manifest import Manifest
    from artclf.data.sources.artbench_download import Verification

app = typer.Typer(help="Download a data set, verify it, and look at what it holds.", no_args_is_help=True)

SIZE, DEMO_SIZE = 224, 96  # pixels a side that canonical images are made for: most weights' own, and the demo's

Quick = Annotated[bool, typer.Option("--quick", help="Count alone: don't decode the images, which takes minutes.")]


@app.command()
def fetch(
    dataset: Annotated[Literal["ai_artbench"], typer.Argument(help="Kaggle's AI-ArtBench, version 5.")],
    quick: Quick = False,
) -> int:
    """Download a data set (about 10.7 GB, and as much again to extract), then verify it.

    The same command continues a broken download. KAGGLEHUB_CACHE names the folder; default: ~/.cache/kagglehub. Exit codes:
    0 all is well, 1 the download differs from version 5, 2 it can't be downloaded.
    """
    from artclf.cache.folder import AI_ARTBENCH, kaggle_ai_artbench, kaggle_cache  # noqa: PLC0415 (`artclf --help` stays quick)
    from artclf.data.sources.artbench_download import fetch_ai_artbench, verify_ai_artbench  # noqa: PLC0415 (so too)

    if kaggle_ai_artbench() is not None:
        typer.echo("already downloaded; verifying it")
    else:
        typer.echo(f"AI-ArtBench to {kaggle_cache()}; its licence: https://www.kaggle.com/datasets/{AI_ARTBENCH}")
        typer.echo("if this is interrupted, the same command goes on with what is downloaded")
    folder = fetch_ai_artbench()
    verification = verify_ai_artbench(folder, decode=not quick)
    _show(verification)
    if not verification.is_version_5:
        typer.echo(f"To download it anew, remove {folder} and type artclf data fetch {dataset}")
        return 1
    found = kaggle_ai_artbench() is not None  # in notebooks kagglehub mounts the data set elsewhere
    typer.echo(f"artclf train data={dataset} finds it" if found else f"artclf train data={dataset} data.root={folder}")
    return 0


@app.command()
def verify(
    path: Annotated[
        Path | None, typer.Argument(help="Real_AI_SD_LD_Dataset, or a folder above it; none: what was fetched.")
    ] = None,
    quick: Quick = False,
) -> int:
    """Compare a folder with version 5 of AI-ArtBench: folders, counts, spellings, and whether each image can be read.

    Exit codes: 0 nothing differs, 1 something does, 2 there is no AI-ArtBench.
    """
    from artclf.data.sources.artbench_download import verify_ai_artbench  # noqa: PLC0415 (`artclf --help` stays quick)

    verification = verify_ai_artbench(path or fetched_ai_artbench(), decode=not quick)
    _show(verification)
    return not verification.is_version_5


def _show(verification: "Verification") -> None:
    """Print what differs from version 5, and how much was compared."""
    from artclf.report.terminal import screen, table  # noqa: PLC0415 (`artclf --help` stays quick)

    folders = verification.folders
    different = folders[folders["problem"] != ""]
    if len(different):
        rows = [(str(row.Index), f"{row.found:,}", f"{row.expected:,}", str(row.problem)) for row in different.itertuples()]
        columns = ["folder", "images", "version 5", "problem"]
        screen().print(table(f"{verification.base}, and version 5 of AI-ArtBench", columns, rows, text=(0, 3)))
    same, images, expected = len(folders) - len(different), folders["found"].sum(), folders["expected"].sum()
    typer.echo(f"{same} of {len(folders)} folders are as in version 5: {images:,} of {expected:,} images")
    unreadable = name_unreadable(verification.unreadable, verification.base)
    typer.echo(f"images that can't be read: {unreadable:,}" if verification.decoded else "--quick: no image was decoded")


What = Annotated[
    str,
    typer.Argument(help="A folder or CSV file of images, or the name of a source: demo, ai_artbench.", metavar="PATH|SOURCE"),
]
Everything = Annotated[bool, typer.Option("--all", help="Open every file, not only a sample.")]
Sample = Annotated[int | None, typer.Option(min=1, help="How many files are opened; default: 5000.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the sample, the folds and the forests.")]


def audit(
    what: What,
    json: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="Also write the audit to this file.", metavar="FILE")
    ] = None,
    to: To = None,
    read_all: Everything = False,
    sample: Sample = None,
    seed: Seed = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Read the files' headers alone: decode and audit nothing.")] = False,
    max_pixels: MaxPixels = DEFAULT_MAX_PIXELS,
) -> int:
    """Show what a data set holds and what a classifier could cheat with: file facts, overall looks, duplicates; write a page.

    An image that can't be read is named, and the others go on; the exit code is then 1.
    """
    from artclf.data.canonical import Canonical  # noqa: PLC0415
    from artclf.data.facts import DEFAULT_SAMPLE, survey_files  # noqa: PLC0415 (scikit-learn and matplotlib are slow to load)
    from artclf.evaluation.audit import audit_survey  # noqa: PLC0415
    from artclf.provenance.read import declared_state  # noqa: PLC0415
    from artclf.report import data_page  # noqa: PLC0415
    from artclf.report.terminal import screen, table  # noqa: PLC0415
    from artclf.run_folder import write_json  # noqa: PLC0415

    if read_all and sample is not None:
        raise ArtclfError(f"--all and --sample {sample}: got both; --all reads every file, --sample N only N of them")
    if json is not None and quick:
        raise ArtclfError(f"--json {json}: holds an audit, which --quick leaves out; type one of the two")
    if json is not None:
        require_writable(json)
    manifest, number = read_images(what), None if read_all else sample or DEFAULT_SAMPLE
    name, demo = name_of(what), what == DEMO
    with output_folder(to, "audit", name=name) as folder:
        canonical = None if quick else Canonical.for_size(DEMO_SIZE if demo else SIZE)
        survey = survey_files(
            manifest, sample=number, seed=seed, canonical=canonical, declared=declared_state, max_pixels=max_pixels
        )
        (folder / data_page.AUDIT_FILE).unlink(missing_ok=True)  # of an earlier audit
        lines = []
        if not quick:
            found = audit_survey(survey, seed)
            lines = [data_page.describe_audit_method(found), *data_page.describe_audit(found)]
            for file in filter(None, (folder / data_page.AUDIT_FILE, json)):
                write_json(file, found)
        page, survey, warning = data_page.write_dataset(
            folder, survey, name=name, seed=seed, demo=demo, command=command_line(), max_pixels=max_pixels
        )
        title, _, *read = data_page.describe(survey, seed)
        terminal = screen()
        terminal.print(table(title, ("split", "label", "generator", "images"), _counts(manifest), text=(0, 1, 2)))
        for line in [*read, *(lines or [warning]), f"page: {page}"]:
            terminal.print(line)
        return name_unreadable(survey.unreadable, manifest.root, folder / "unreadable.csv")


def _counts(manifest: "Manifest") -> list[tuple[str, ...]]:
    """Images by split, label and generator: human ones first, then the largest generators."""
    counts = manifest.table.value_counts(["split", "label", "generator"]).reset_index(name="number")
    ordered = counts.sort_values(["split", "label"], ascending=[True, False], kind="stable")
    return [
        (split or "none given", label, generator if label == "ai" else "", f"{number:,}")
        for split, label, generator, number in ordered.itertuples(index=False)
    ]


@app.command()
def show(
    what: What,
    to: To = None,
    read_all: Everything = False,
    sample: Sample = None,
    seed: Seed = 0,
    max_pixels: MaxPixels = DEFAULT_MAX_PIXELS,
) -> int:
    """The same as artclf audit --quick: what a data set holds, by the files' headers alone."""
    return audit(what, to=to, read_all=read_all, sample=sample, seed=seed, quick=True, max_pixels=max_pixels)
