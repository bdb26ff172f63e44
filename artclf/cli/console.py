"""How every command ends where something is wrong that the user can mend, or where the user stopped it."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from artclf.errors import INTERRUPTED, USAGE_ERROR, ArtclfError


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
