"""Folders of images, and the folder layout: [split/](ai|human)/[generator/][style/]image."""

import os
from collections.abc import Iterator
from pathlib import Path

from artclf.data.manifest import HUMAN, LABELS, Manifest
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


def read_folder(root: str | Path) -> Manifest:
    """List a folder that holds ai/ and human/, or a folder for each split that hold these.

    Below `ai`, the first folder is the generator and the rest the style; below `human`, all is the style.

    Raises:
        ArtclfError: where the root is missing, a folder is neither ai nor human, or there are no images.
    """
    top = existing_root(root)
    return Manifest.of(top, _rows(top, has_splits=not any((top / label).is_dir() for label in LABELS)))


def has_labels(top: Path) -> bool:
    """Whether a path is a folder in this layout: it holds ai/ or human/, or folders that do."""
    if not top.is_dir():
        return False
    folders = [entry for entry in top.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    return any((folder / label).is_dir() for folder in (top, *folders) for label in LABELS)


def _rows(top: Path, *, has_splits: bool) -> Iterator[tuple[str, ...]]:
    for inside, names in image_folders(top):
        folders = list(inside)
        split = folders.pop(0) if has_splits and folders else ""
        label = folders.pop(0).lower() if folders else ""
        if label not in LABELS:
            raise ArtclfError(
                f"{top.joinpath(*inside, names[0])}: is in the folder {label or top.name!r}, which names no label; "
                f"allowed: ai, human, as in {top / 'train' / 'ai'}/image.jpg or {top / 'ai'}/image.jpg"
            )
        generator = HUMAN if label == HUMAN else folders.pop(0) if folders else "unknown"
        for name in names:
            yield "/".join((*inside, name)), label, generator, "/".join(folders) or "unknown", split
