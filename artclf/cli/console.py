"""How commands end where something is wrong that the user can mend, and how they name images that can't be read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from artclf.errors import INTERRUPTED, USAGE_ERROR, ArtclfError

if TYPE_CHECKING:
    import pandas as pd

MOST_LINES = 20  # unreadable files named in the terminal


@contextmanager
def exit_codes(interrupted: str = "interrupted") -> Iterator[None]:
    """End after an ArtclfError with its message on stderr and code 2, after Ctrl-C with the given one and code 130."""
    try:
        yield
    except ArtclfError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(USAGE_ERROR) from error
    except KeyboardInterrupt as error:
        typer.echo(interrupted, err=True)
        raise typer.Exit(INTERRUPTED) from error


def name_unreadable(unreadable: "pd.DataFrame", root: Path, listed: Path) -> None:
    """Print the first images that can't be read on stderr.

    Args:
        unreadable: their path and reason.
        root: the folder that paths start from.
        listed: the file that holds all of them.
    """
    for path, reason in unreadable[["path", "reason"]].head(MOST_LINES).itertuples(index=False):
        typer.echo(f"error: {root / path}: {reason}", err=True)
    if len(unreadable) > MOST_LINES:
        typer.echo(f"error: and {len(unreadable) - MOST_LINES:,} more, all in {listed}", err=True)
