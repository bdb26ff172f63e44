"""Paths in a configuration."""

import os
from pathlib import Path

from artclf.errors import shown

LONGEST_NAME, LONGEST_PATH = 255, 4096  # bytes, of Linux; of other systems about as many


def path_mistake(path: str) -> str | None:
    """Why no file system can have a path."""
    too_long = len(os.fsencode(path)) >= LONGEST_PATH or max(map(len, os.fsencode(path).split(b"/"))) > LONGEST_NAME
    if not too_long and "\0" not in path:
        return None
    return f"got {shown(path)}; allowed: names of at most {LONGEST_NAME} bytes, {LONGEST_PATH - 1} in all, without NUL"


def absolute(path: str) -> str:
    """A path that means the same wherever it is read again: relative ones start in today's working directory.

    ValueError where no file system has it.
    """
    if wrong := path_mistake(path):
        raise ValueError(wrong)
    place = Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 (which leaves an unknown ~name as it is)
    return path and str(place.resolve() if ".." in place.parts else place)
