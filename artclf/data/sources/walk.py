"""The image files below a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from artclf.errors import ArtclfError

# All other files are taken for images and, where they can't be read, listed as rejected.
NOT_IMAGES = frozenset({".txt", ".md", ".csv", ".json", ".ini", ".db", ".html", ".xml", ".yaml", ".yml", ".pdf", ".zip"})


def existing_root(root: str | Path) -> Path:
    """The folder that `data.root` names. Raises an ArtclfError where there is none."""
    folder = Path(root).expanduser()
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.exists() else "does not exist"
        raise ArtclfError(f"data.root={root}: {problem} (looked in {Path.cwd()}); type data.root=FOLDER")
    return folder


def image_files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder that may be images, sorted by name; hidden ones are skipped."""
    for inside, names in image_folders(folder):
        yield from (folder.joinpath(*inside, name) for name in names)


def image_folders(folder: Path) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield each folder that holds images, as the parts of its path below `folder`, and their sorted names.

    Raises:
        ArtclfError: where a folder can't be opened, whose images would be missed.
    """

    def refuse(error: OSError) -> None:
        raise ArtclfError(f"{error.filename}: this folder can't be read ({(error.strerror or str(error)).lower()})") from error

    for here, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        # os.path, as a Path for each of many files is slow
        names = [name for name in files if not name.startswith(".") and os.path.splitext(name)[1].lower() not in NOT_IMAGES]  # noqa: PTH122
        if names:
            yield Path(here).relative_to(folder).parts, sorted(names)
