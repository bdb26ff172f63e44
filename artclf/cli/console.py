"""What commands print, and how each ends where something is wrong that the user can mend, or where the user stopped it."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from artclf.errors import INTERRUPTED, USAGE_ERROR, ArtclfError

if TYPE_CHECKING:
    import pandas as pd

MOST_LINES = 20  # unreadable files named in the terminal


@contextmanager
def mistakes_told(interrupted: str = "interrupted") -> Iterator[None]:
    """Print an ArtclfError as one line, and after Ctrl-C the given one, on stderr; end with the exit code that tells.

    Raises:
        Exit: typer's, with code 2 after an ArtclfError, 130 after Ctrl-C.
    """
    try:
        yield
    except ArtclfError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(USAGE_ERROR) from error
    except KeyboardInterrupt as error:
        typer.echo(interrupted, err=True)
        raise typer.Exit(INTERRUPTED) from error


def screen() -> Console:
    """The terminal; wide where it is a file or a pipe."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)


def errors() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, text: Iterable[int] = (0,)) -> Table:
    """Make a table; the columns numbered in `text` stand left and may be broken into lines, the others right."""
    made = Table(title=title, title_justify="left")
    left = set(text)
    for place, heading in enumerate(columns):
        if place in left:
            made.add_column(heading, overflow="fold")
        else:
            made.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        made.add_row(*map(Text, row))  # a name in square brackets is no markup
    return made


def name_unreadable(unreadable: "pd.DataFrame", root: Path, listed: Path) -> None:
    """Print the first files that can't be read on stderr.

    Args:
        unreadable: their path and reason.
        root: the folder that paths start from.
        listed: the file that holds all of them.
    """
    for path, reason in unreadable[["path", "reason"]].head(MOST_LINES).itertuples(index=False):
        errors().print(f"error: {root / path}: {reason}", markup=False)
    if len(unreadable) > MOST_LINES:
        errors().print(f"error: and {len(unreadable) - MOST_LINES:,} more, all in {listed}", markup=False)
