"""How commands end and what they print alike. Loads nothing heavy."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from artclf.data.files import MOST_PIXELS
from artclf.errors import boundary

if TYPE_CHECKING:
    import pandas as pd

MOST_LINES = 20  # unreadable files named in the terminal

MaxPixels = Annotated[
    int, typer.Option(min=1, max=MOST_PIXELS, help="An image with more is refused; a large JPEG is decoded smaller instead.")
]
To = Annotated[Path | None, typer.Option(file_okay=False, help="The folder to write to.", show_default="one in outputs/")]


class Commands(TyperGroup):
    """Commands that return how many images failed.

    Exit codes: 0 without failures, 1 with some, 2 after what the user or the machine got wrong (a line on stderr says what),
    130 after Ctrl-C, 143 after SIGTERM.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run a command, and end with its exit code."""
        with boundary("--to FOLDER"):
            failed = super().invoke(ctx)
        raise typer.Exit(1 if failed else 0)


def command_line() -> str:
    """The command as it was typed, for reports."""
    return shlex.join(["artclf", *sys.argv[1:]])


def name_unreadable(unreadable: "pd.DataFrame", root: Path, listed: Path | None = None) -> int:
    """Print the first unreadable images on stderr, with reasons, and the file that lists all; return how many there are."""
    for path, reason in unreadable[["path", "reason"]].head(MOST_LINES).itertuples(index=False):
        typer.echo(f"error: {root / path}: {reason}", err=True)
    if len(unreadable) > MOST_LINES:
        typer.echo(f"error: and {len(unreadable) - MOST_LINES:,} more{f', all in {listed}' if listed else ''}", err=True)
    return len(unreadable)
