"""The folder layout: [split/](ai|human)/[generator/][style/]image."""

from collections.abc import Iterator
from pathlib import Path

from artclf.data.manifest import HUMAN, LABELS, Manifest
from artclf.data.sources.walk import existing_root, image_folders
from artclf.errors import ArtclfError


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
