"""Folders of images, and the folder layout: [split/](ai|human)/[generator/][style/]image."""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from artclf.data.images import SIGNATURE, decoder_of
from artclf.data.manifest import HUMAN, LABELS, Manifest
from artclf.errors import ArtclfError, printable
from artclf.run_folder import is_output

log = logging.getLogger(__name__)

# By its suffix a file is taken for an image (and, if it can't be read, listed as rejected), or for what lies beside images and
# may begin like one: raw files, a camera's thumbnails, backups. Any other file is an image if it begins like one.
IMAGES = re.compile(r"\.(jpe?g|jpe|jfif|pjpeg|a?png|webp|gif|bmp|dib|tiff?|mpo|avif|hei[cf]|hif|jxl|jp2|tga)")
NOT_IMAGES = re.compile(r"\.(dng|nef|cr2|arw|orf|rw2|pef|srw|thm|bak|orig|tmp|part|crdownload|txt|json|.*_original|.*~)")
SYSTEM_FOLDERS = re.compile(
    r"\..*|@(eadir|tmp|recycle|__thumb)|#(recycle|snapshot)|\$recycle\.bin|system volume information|lost\+found|__macosx|"
    r"_?thumbs|thumbnails|wandb|mlruns|lightning_logs"
)


def existing_root(root: str | Path) -> Path:
    """The folder that `data.root` names. Raises an ArtclfError where there is none."""
    folder = Path(root).expanduser()
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.exists() else "does not exist"
        raise ArtclfError(f"data.root={root}: {problem} (looked in {Path.cwd()}); type data.root=FOLDER")
    return folder


def image_files(path: Path) -> Iterator[Path]:
    """Yield a file itself, or those below a folder that may be images, sorted by name, as `image_folders` finds them."""
    if not os.path.isdir(path):  # noqa: PTH112 (Path.is_dir raises for a name that is too long)
        yield path
        return
    for inside, names in image_folders(path):
        yield from (path.joinpath(*inside, name) for name in names)


def image_folders(folder: Path) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield each folder that holds images, as the parts of its path below `folder`, and their sorted names.

    Each folder is entered once, links to folders after all others. Hidden files, files beside images (see `IMAGES`), and
    folders of systems, programs and artclf itself are passed over, and counted in the log at the end.

    Raises:
        ArtclfError: where a folder can't be opened, whose images would be missed.
    """
    passed_over: Counter[str] = Counter()
    # a link up would lead out of the folder, and back into it
    entered = {_identity(parent) for parent in Path(os.path.realpath(folder)).parents}
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
            kinds = {name: _other_kind(here, name) for name in files}
            passed_over.update(kind for kind in kinds.values() if kind)
            names = sorted(name for name, kind in kinds.items() if not kind)
            if names:
                yield Path(here).relative_to(folder).parts, names
    if passed_over:
        found = ", ".join(f"{number} × {printable(what)}" for what, number in passed_over.most_common())
        level = logging.INFO if {*passed_over} == {"hidden"} else logging.WARNING
        log.log(level, "%s: passed over, as no images: %s", printable(str(folder)), found)


def _other_kind(folder: str, name: str) -> str:
    """What kind of file it is if it is not taken for an image, by its suffix or else by its first bytes; else ""."""
    path = os.path.join(folder, name)  # noqa: PTH118 (a Path for each of many files is slow)
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122
    if name.startswith("."):
        return "hidden"
    if not os.path.isfile(path) and os.path.exists(path):  # noqa: PTH110, PTH113
        return "pipe or device"
    if IMAGES.fullmatch(suffix) or (not NOT_IMAGES.fullmatch(suffix) and _begins(path)):
        return ""
    return suffix if suffix and len(suffix) <= 16 else "of another name"


def _begins(path: str) -> bool:
    """Whether a file begins like an image, or can't be opened: then it is listed, and rejected with the reason."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return decoder_of(file.read(SIGNATURE)) is not None
    except OSError:
        return True


def _is_system(folder: str) -> bool:
    return SYSTEM_FOLDERS.fullmatch(folder.lower()) is not None


def _identity(folder: str | Path) -> tuple[int, int]:
    """What tells a folder from others, whatever path leads to it."""
    status = os.stat(folder)  # noqa: PTH116
    return status.st_dev, status.st_ino


def _refuse(error: OSError) -> NoReturn:
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
    return any(name.lower() in LABELS for names in (below, *(_folders(top / name) for name in below)) for name in names)


def _folders(folder: Path) -> list[str]:
    """The names of the folders in a folder, without those that are passed over."""
    _, folders, _ = next(os.walk(folder, onerror=_refuse))
    return [name for name in folders if not _is_system(name)]


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
