"""`artclf serve`: a page on which images are dropped and judged."""

import os
import socket
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from artclf.cli.console import MaxPixels, Run
from artclf.data.files import DEFAULT_MAX_PIXELS
from artclf.errors import ArtclfError, reason_of
from artclf.inference.guard import LOCAL
from artclf.runtime import quick_imports


def serve(
    run: Run,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0: all of this machine's.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 7860,
    most_images: Annotated[int, typer.Option(min=1, help="How many images may be dropped at a time.")] = 200,
    most_mb: Annotated[int, typer.Option(min=1, help="Megabytes of them together, those of zips unpacked.")] = 500,
    views: Annotated[
        int, typer.Option(min=0, max=6, help="Judge each in so many deliveries too, as artclf case does; fewer are faster.")
    ] = 6,
    max_pixels: MaxPixels = DEFAULT_MAX_PIXELS,
) -> None:
    """Show a page on which images, or a zip of them, are dropped and judged. Ctrl-C ends it.

    It is for this machine alone unless --host says otherwise. Images are deleted when their page is closed. Nothing is asked of
    the network.
    """
    try:
        listening = socket.create_server((host, port))
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else reason_of(error)  # below: of a name
        raise ArtclfError(f"--host {host} --port {port}: {reason}; try --port 0, or --host 127.0.0.1") from error
    with listening, tempfile.TemporaryDirectory(prefix="artclf_serve_") as folder:
        with quick_imports():
            from artclf.inference.predict import load  # noqa: PLC0415 (loads torch)
            from artclf.inference.serve import build_page, listen  # noqa: PLC0415
            from artclf.inference.uploads import Limits  # noqa: PLC0415

            page = build_page(load(run, max_pixels=max_pixels), Limits(most_images, most_mb), Path(folder), host, views)
        if host not in LOCAL:
            typer.echo(
                f"warning: --host {host}: anyone on the network can use this page; docs/serving.md has a password", err=True
            )
        typer.echo(f"page: http://{host}:{listening.getsockname()[1]}/ (Ctrl-C ends it)")
        listen(page, listening)
