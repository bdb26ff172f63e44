"""`artclf cache …`: what is kept so that it need not be computed again, and making room."""

import time
from typing import Annotated

import typer
from rich.filesize import decimal

app = typer.Typer(help="What is kept so that it need not be computed again: list it, or make room.", no_args_is_help=True)

DAY = 86400.0  # seconds


@app.command("list")
def list_() -> None:
    """List what is kept: pixels, outputs of frozen layers, features, audits, demo images. ARTCLF_CACHE names the folder."""
    from artclf.cache.folder import cache_folder, entries  # noqa: PLC0415 (`artclf --help` stays quick)

    kept = entries()
    width = max((len(entry.name) for entry in kept), default=0)
    if kept:
        typer.echo(f"{'size':>9}  {'last used':<10}  {'name':<{width}}  what")
    for entry in kept:
        used = time.strftime("%Y-%m-%d", time.localtime(entry.used))
        typer.echo(f"{decimal(entry.bytes):>9}  {used:<10}  {entry.name:<{width}}  {entry.what}")
    typer.echo(f"{decimal(sum(entry.bytes for entry in kept))} in {cache_folder()}; artclf cache clear removes it")


@app.command()
def clear(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="pixels, prefix, features, audits, demo, or names of the list; none: all."),
    ] = None,
    unused: Annotated[int, typer.Option(metavar="DAYS", min=0, help="Only what was not used in so many days.")] = 0,
) -> int:
    """Remove what is kept; it is computed again when it is needed. What a process is writing stays, and the exit code is 1."""
    from artclf.cache import folder  # noqa: PLC0415 (as above)

    freed, stayed = 0, 0
    for entry in folder.chosen(folder.entries(), names or []):
        if time.time() - entry.used < unused * DAY:
            continue
        if reason := folder.clear(entry):
            stayed += 1
            typer.echo(f"error: {entry.name} stays: {reason}", err=True)
        else:
            freed += entry.bytes
            typer.echo(f"removed {entry.name}: {entry.what}, {decimal(entry.bytes)}")
    typer.echo(f"{decimal(freed)} freed in {folder.cache_folder()}")
    return stayed
