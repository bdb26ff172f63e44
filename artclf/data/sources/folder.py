"""Folders of one's own: [split/](ai|human)/[generator/][style/]picture."""

from collections.abc import Iterator
from pathlib import Path

from artclf.data.manifest import HUMAN, LABELS, Manifest
from artclf.data.sources.walk import existing_root, picture_folders
from artclf.errors import ArtclfError


def read_folder(root: str | Path) -> Manifest:
    """List a tree of folders.

    The first folder is a split where none of the top folders is named ai or human. Below `ai`, the first folder is the
    generator and the rest the style; below `human`, all is the style.

    Args:
        root: the folder that holds ai/ and human/, or one folder a split that hold these.

    Raises:
        ArtclfError: where the root is missing, a folder is neither ai nor human, or there are no pictures.
    """
    top = existing_root(root)
    return Manifest.of_folders(top, _folders(top, has_splits=not any((top / label).is_dir() for label in LABELS)))


def _folders(top: Path, *, has_splits: bool) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The paths in each folder, and what the folders' names tell of them."""
    for inside, names in picture_folders(top):
        folders = list(inside)
        split = folders.pop(0) if has_splits and folders else ""
        label = folders.pop(0).lower() if folders else ""
        if label not in LABELS:
            raise ArtclfError(
                f"{top.joinpath(*inside, names[0])}: stands in the folder {label or top.name!r}, which names no label; "
                f"allowed: ai, human, as in {top / 'train' / 'ai'}/picture.jpg or {top / 'ai'}/picture.jpg"
            )
        generator = HUMAN if label == HUMAN else (folders.pop(0) if folders else "unknown")
        yield (
            ["/".join((*inside, name)) for name in names],
            {"label": label, "generator": generator, "style": "/".join(folders) or "unknown", "split": split},
        )
