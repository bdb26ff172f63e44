"""Folders of images, and the folder layout: [split/](ai|human)/[generator/][style/]image."""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from artclf.data.images import SIGNATURE, decoder_of
from artclf.data.manifest import HUMAN, LABELS, Manifest
from artclf.errors import ArtclfError, printable
from artclf.run_folder import is_output

log = logging.getLogger(__name__)

# Files of these suffixes are taken for images and, where they can't be read, listed as rejected.
IMAGES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
        *(".mpo", ".avif", ".heic", ".heif", ".hif", ".jxl", ".jp2", ".tga"),
    )
)
# What lies beside images: raw files, a camera's thumbnails and backups, which begin like images, and what need not be opened.
# Any other file is an image if it begins like one.
NOT_IMAGES = frozenset(
    (
        *(".dng", ".nef", ".cr2", ".arw", ".orf", ".rw2", ".pef", ".srw", ".thm", ".bak", ".orig", ".tmp", ".part"),
        *(".crdownload", ".txt", ".caption", ".csv", ".json", ".npz", ".npy", ".pt", ".xmp", ".html"),
    )
)
SYSTEM_FOLDERS = frozenset(
    (
        *("@eadir", "@tmp", "@recycle", "@__thumb", "#recycle", "#snapshot", "$recycle.bin", "system volume information"),
        *("lost+found", "__macosx", "thumbs", "thumbnails", "_thumbs", "wandb", "mlruns", "lightning_logs"),
    )
)


def existing_root(root: str | Path) -> Path:
    """The folder that `data.root` names. Raises an ArtclfError where there is none."""
    folder = Path(root).expanduser()
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.exists() else "does not exist"
        raise ArtclfError(f"data.root={root}: {problem} (looked in {Path.cwd()}); type data.root=FOLDER")
    return folder


def image_files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder that may be images, sorted by name, as `image_folders` finds them."""
    for inside, names in image_folders(folder):
        yield from (folder.joinpath(*inside, name) for name in names)


def image_folders(folder: Path) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield each folder that holds images, as the parts of its path below `folder`, and their sorted names.

    Each folder is entered once, links to folders after all others. Hidden files, files beside images (see `IMAGES`), and
    folders of systems, programs and artclf itself are passed over, and counted in the log at the end.

    Raises:
        ArtclfError: where a folder can't be opened, whose images would be missed.
    """
    passed_over: Counter[str] = Counter()
    real = Path(os.path.realpath(folder))
    entered = {_identity(parent) for parent in real.parents}  # a link up would lead out of the folder, and back into it
    starts = [os.fspath(folder)]  # and links to folders, as they are found
    for start in starts:
        for here, folders, files in os.walk(start, onerror=_refuse):
            if _identity(here) in entered or (here != starts[0] and is_output(files)):
                what = "folder that artclf has written" if is_output(files) else "link to a folder that is listed already"
                passed_over[what] += 1
                folders.clear()
                continue
            entered.add(_identity(here))
            passed = [name for name in folders if _is_system(name)]
            passed_over.update("hidden" if name.startswith(".") else f"{name}/" for name in passed)
            folders[:] = sorted({*folders} - {*passed})
            starts += [link for name in folders if os.path.islink(link := os.path.join(here, name))]  # noqa: PTH114, PTH118
            names = [name for name in files if _may_be_image(here, name, passed_over)]
            if names:
                yield Path(here).relative_to(folder).parts, sorted(names)
    if passed_over:
        found = ", ".join(f"{number} × {printable(what)}" for what, number in passed_over.most_common())
        level = logging.INFO if {*passed_over} == {"hidden"} else logging.WARNING
        log.log(level, "%s: passed over, as no images: %s", printable(str(folder)), found)


def _may_be_image(folder: str, name: str, passed_over: Counter[str]) -> bool:
    """Whether a file is taken for an image, by its suffix or else by its first bytes; if not, its kind is counted."""
    path = os.path.join(folder, name)  # noqa: PTH118 (a Path for each of many files is slow)
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122
    if name.startswith("."):
        kind = "hidden"
    elif not os.path.isfile(path) and os.path.exists(path):  # noqa: PTH110, PTH113
        kind = "pipe or device"
    elif suffix in IMAGES or (suffix not in NOT_IMAGES and not suffix.endswith(("~", "_original")) and _begins(path)):
        return True
    else:
        kind = suffix if suffix and len(suffix) <= 16 else "of another name"
    passed_over[kind] += 1
    return False


def _begins(path: str) -> bool:
    """Whether a file begins like an image, or can't be opened: then it is listed, and rejected with the reason."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return decoder_of(file.read(SIGNATURE)) is not None
    except OSError:
        return True


def _is_system(folder: str) -> bool:
    return folder.startswith(".") or folder.lower() in SYSTEM_FOLDERS


def _identity(folder: str | Path) -> tuple[int, int]:
    """What tells a folder from others, whatever path leads to it."""
    status = os.stat(folder)  # noqa: PTH116
    return status.st_dev, status.st_ino


def _refuse(error: OSError) -> None:
    reason = (error.strerror or str(error)).lower()
    raise ArtclfError(f"{printable(str(error.filename))}: this folder can't be read ({reason})") from error


def read_folder(root: str | Path) -> Manifest:
    """List a folder that holds ai/ and human/, in any case, or a folder for each split that hold these.

    Below `ai`, the first folder is the generator and the rest the style; below `human`, all is the style.

    Raises:
        ArtclfError: where the root is missing, a folder is neither ai nor human, or there are no images.
    """
    top = existing_root(root)
    return Manifest.of(top, _rows(top, has_splits=not any(name.lower() in LABELS for name in _folders(top))))


def has_labels(top: Path) -> bool:
    """Whether a path is a folder in this layout: it holds ai/ or human/, in any case, or folders that do."""
    if not top.is_dir():
        return False
    below = _folders(top)
    names = [*below, *(name for folder in below for name in _folders(top / folder))]
    return any(name.lower() in LABELS for name in names)


def _folders(folder: Path) -> list[str]:
    """The names of the folders in a folder, without those that are passed over."""
    try:
        return [entry.name for entry in folder.iterdir() if not _is_system(entry.name) and entry.is_dir()]
    except OSError as error:
        _refuse(error)
        raise


def _rows(top: Path, *, has_splits: bool) -> Iterator[tuple[str, ...]]:
    for inside, names in image_folders(top):
        folders = list(inside)
        split = folders.pop(0) if has_splits and folders else ""
        label = folders.pop(0).lower() if folders else ""
        if label not in LABELS:
            raise ArtclfError(
                f"{printable(str(top.joinpath(*inside, names[0])))}: is in the folder {label or top.name!r}, which names no "
                f"label; allowed: ai, human, as in {top / 'train' / 'ai'}/image.jpg or {top / 'ai'}/image.jpg"
            )
        generator = HUMAN if label == HUMAN else folders.pop(0) if folders else "unknown"
        for name in names:
            yield "/".join((*inside, name)), label, generator, "/".join(folders) or "unknown", split
