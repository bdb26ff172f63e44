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
    for inside, names in picture_folders(folder):
        here = folder.joinpath(*inside)
        yield from (here / name for name in names)


def picture_folders(folder: Path) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield the folders that hold pictures, and the names of these: `pictures` without an object for each of many files.

    Yields:
        The names of the folders from the given one down, () for itself; and the files' names in it, sorted.

    Raises:
        ArtclfError: where a folder can't be opened: its pictures would be missed.
    """

    def refuse(error: OSError) -> None:
        raise ArtclfError(f"{error.filename}: this folder can't be read ({(error.strerror or str(error)).lower()})") from error

    for here, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names = sorted(name for name in files if not name.startswith(".") and _may_be_picture(name))
        if names:
            yield Path(here).relative_to(folder).parts, names


def _may_be_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() not in NOT_PICTURES  # noqa: PTH122 (a Path for each of many files is slow)
