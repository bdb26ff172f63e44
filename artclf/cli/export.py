"""`artclf export`: a finished model as one file that other programs can use."""

from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from artclf.cli.console import MaxPixels, Run, name_unreadable, require_writable
from artclf.data.files import DEFAULT_MAX_PIXELS
from artclf.runtime import quick_imports


def export(
    run: Run,
    to: Annotated[Path, typer.Option(dir_okay=False, help="The file to write.", metavar="FILE.onnx|FILE.safetensors")],
    int8: Annotated[bool, typer.Option("--int8", help="Quantise to 8 bits: a quarter of the size, and other scores.")] = False,
    tolerance: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="How much p_ai of an image may differ.", show_default="0.01; with --int8 0.05"),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Compare on these labelled images.", show_default="those that tested the run")
    ] = None,
    max_pixels: MaxPixels = DEFAULT_MAX_PIXELS,
) -> int:
    """Export a model with its preprocessing, labels and decision rule; artclf predict and artclf.load take the file.

    It is scored on test images beside the checkpoint. Where p_ai differs by more than the tolerance, nothing is written.
    Exit code 1: so it was, or an image can't be read, which is named.
    """
    with quick_imports():
        from artclf.inference.export import export as write  # noqa: PLC0415 (loads torch)
    require_writable(to)
    parity = write(run, to, int8=int8, tolerance=tolerance, images=images, max_pixels=max_pixels)
    typer.echo(str(parity))
    unread = name_unreadable(parity.unreadable, parity.root)
    if not parity.holds:
        typer.echo(f"error: {to}: is not written, as p_ai differs by more than the tolerance; see --tolerance", err=True)
        return 1
    typer.echo(f"saved in {to} ({decimal(to.stat().st_size)})")
    return unread
