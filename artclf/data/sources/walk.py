"""The picture files below a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from artclf.errors import ArtclfError

# What lies among pictures and is none. All else is taken for a picture and, where it can't be read, listed as rejected.
NOT_PICTURES = frozenset({".txt", ".md", ".csv", ".json", ".ini", ".db", ".html", ".xml", ".yaml", ".yml", ".pdf", ".zip"})


def existing_root(root: str | Path) -> Path:
    """The folder that `data.root` names.

    Raises:
        ArtclfError: where there is none.
    """
    folder = Path(root).expanduser()
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.exists() else "does not exist"
        raise ArtclfError(f"data.root={root}: {problem} (looked in {Path.cwd()}); type data.root=FOLDER")
    return folder


def pictures(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder that may be pictures, in the order of their names; hidden ones are passed over."""
    for here, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() not in NOT_PICTURES:
                yield Path(here, name)
