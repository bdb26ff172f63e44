"""`artclf predict`: the scores and verdicts of images, in the terminal or in a file."""

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artclf.cli.console import MOST_LINES, MaxPixels, Precision, Run, require_images
from artclf.data.files import DEFAULT_MAX_PIXELS
from artclf.errors import ArtclfError, printable
from artclf.runtime import progress, quick_imports

if TYPE_CHECKING:
    from artclf.inference.predict import Prediction
    from artclf.inference.prediction_file import PredictionFile


def predict(
    run: Run,
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    to: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write to this .csv, .json, .jsonl or .html (a page with thumbnails) instead."),
    ] = None,
    views: Annotated[
        int,
        typer.Option(min=0, max=6, help="Score each in so many deliveries too; one that changes the verdict makes it unsure."),
    ] = 0,
    cases: Annotated[
        int, typer.Option(min=0, help="With --to FILE.html: write and link the case files of so many images.")
    ] = 0,
    precision: Precision = "auto",
    max_pixels: MaxPixels = DEFAULT_MAX_PIXELS,
) -> int:
    """Print p_ai (the score), the probability of AI that it stands for, and the verdict (ai, human, unsure) for each image.

    What the file declares about its origin stands beside it and never changes it (see artclf provenance).

    An image that can't be read is named, and the others go on; the exit code is then 1. A command with --to that was
    interrupted goes on when it is typed again.
    """
    if cases and (to is None or to.suffix != ".html"):
        raise ArtclfError(f"--cases {cases}: a page links to case files; give --to FILE.html")
    with quick_imports():
        from artclf.inference.predict import load  # noqa: PLC0415 (loads torch)
    model = load(run, precision, max_pixels=max_pixels)
    if to is not None:
        from artclf.inference.prediction_file import PredictionFile  # noqa: PLC0415 (loads matplotlib)

        return _write(PredictionFile(to, model, images, views, cases))
    typer.echo(f"p_ai    calibrated  verdict  {'file declares':<24}  image")
    with closing(model.predictions(images, views=views)) as predictions:
        read = [_print(found) for found in predictions]
    require_images(len(read), images)
    return read.count(False)


def _print(found: "Prediction") -> bool:
    """Print a prediction; returns whether the image could be read."""
    path = printable(str(found.path))
    if not found.verdict:
        typer.echo(f"error: {path}: {found.reason}", err=True)
        return False
    figures = f"{found.p_ai:.4f}  {found.calibrated:<10.4f}  {found.verdict:<7}"
    typer.echo(f"{figures}  {found.provenance.removeprefix('declares '):<24}  {path}")
    if found.reason:
        typer.echo(f"{'':<28}{found.reason}")
    return True


def _write(file: "PredictionFile") -> int:
    """Predict into a file, with a progress bar; returns how many images can't be read."""
    with file.writing() as write:
        files = file.remaining()
        if not files and not file.done:
            file.partial.unlink()
            require_images(0, file.images)
        if file.done:
            typer.echo(
                f"{len(file.done):,} images were predicted before {file.to} was interrupted; {len(files):,} remain", err=True
            )
        with closing(file.model.predictions(files, views=file.about["views"])) as predictions:
            for found in progress(predictions, "Predicting images", len(files)):
                write(found)
        verdicts: Counter[str] = Counter()
        for row in file.rows():
            verdicts[row["verdict"]] += 1
            if not row["verdict"] and verdicts[""] <= MOST_LINES:
                typer.echo(f"error: {printable(row['path'])}: {row['reason']}", err=True)
        file.finish()
    if verdicts[""] > MOST_LINES:
        typer.echo(f"error: and {verdicts[''] - MOST_LINES:,} more, all in {file.to}", err=True)
    counts = ", ".join(f"{verdicts[verdict]:,} {verdict}" for verdict in ("ai", "unsure", "human"))
    typer.echo(f"{sum(verdicts.values()):,} images: {counts}, {verdicts['']:,} can't be read; written to {file.to}")
    return verdicts[""]
