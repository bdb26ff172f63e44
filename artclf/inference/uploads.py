"""What is uploaded: images and zips of them, taken in under limits. All of a zip is checked before any of it is unpacked."""

import io
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from artclf.data.files import UnreadableImage, refusing
from artclf.data.sources.folder import NOT_IMAGES, SYSTEM_FOLDERS
from artclf.errors import ArtclfError, plain_name, printable

MOST_LISTED = 2**20  # bytes of a zip's list of files: some thousands of them
_COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # bzip2 and LZMA take far more memory
_ENCRYPTED = 0x1  # a bit of ZipInfo.flag_bits


@dataclass(frozen=True)
class Limits:
    """Of one upload."""

    images: int = 200
    megabytes: int = 500  # of all files together, as they are sent and as they are unpacked

    @property
    def bytes(self) -> int:
        """The megabytes, in bytes."""
        return self.megabytes * 10**6


@dataclass(frozen=True)
class Upload:
    """An uploaded file."""

    name: str  # as the user calls it, with the folders of a zip; printable, but it may hold HTML
    file: Path  # where it lies now, in a folder of its own
    reason: str = ""  # why it was refused


class _Archive(io.BufferedReader):
    """A zip file that refuses to be read in large pieces, as zipfile reads the list of its files."""

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(MOST_LISTED + 1 if size is None or size < 0 else min(size, MOST_LISTED + 1))
        if len(content) > MOST_LISTED:
            raise UnreadableImage("", "its list of files is too long")
        return content


def take_in(files: Sequence[Path], folder: Path, limits: Limits) -> list[Upload]:
    """Move uploaded files into a folder, and unpack zips. What is refused has a reason, and the others go on.

    Args:
        files: images, and zips of images (by the suffix .zip, in any case).
        folder: an empty one.
        limits: how much is taken in.

    Raises:
        ArtclfError: the files are more than is allowed.
    """
    zips = [file for file in files if file.suffix.lower() == ".zip"]
    sizes = {file: file.stat().st_size for file in files}
    if len(files) > limits.images or sum(sizes.values()) > limits.bytes:
        what = f"{len(files):,} files, {sum(sizes.values()) / 1e6:,.1f} MB"
        raise ArtclfError(f"{what}; allowed are {limits.images:,} images and {limits.megabytes:,} MB at a time")
    uploads = [
        Upload(printable(file.name), Path(shutil.move(file, _place(folder, file.name)))) for file in files if file not in zips
    ]
    left = limits.bytes - sum(one.file.stat().st_size for one in uploads)
    for file in zips:
        try:
            with refusing(file, "zip"), _Archive(io.FileIO(file)) as content, zipfile.ZipFile(content) as archive:
                members = list(_members(archive, file, limits.images - len(uploads), left))
                left -= sum(member.file_size for member in members)
                uploads += [_unpack(archive, member, _place(folder, member.filename)) for member in members]
        except UnreadableImage as error:
            uploads.append(Upload(printable(file.name), file, error.reason))
        file.unlink()
    return uploads


def _place(folder: Path, name: str) -> Path:
    """Where an image goes: in a new folder, under the letters, digits and dots of its name."""
    return Path(tempfile.mkdtemp(dir=folder)) / (plain_name(PureWindowsPath(name).name) or "image")


def _members(archive: zipfile.ZipFile, file: Path, images: int, size: int) -> list[zipfile.ZipInfo]:
    """The images of a zip, by its list of files. UnreadableImage where it holds anything harmful, or too much."""
    wanted = []
    for member in archive.infolist():
        path, harm = PureWindowsPath(member.filename), ""  # it splits names at / and \ and knows drives
        if path.anchor or ".." in path.parts:
            harm = "a path that leads out of it"
        elif stat.S_ISLNK(member.external_attr >> 16):
            harm = "a link"
        elif path.suffix.lower() == ".zip":
            harm = "another zip"
        elif member.flag_bits & _ENCRYPTED:
            harm = "an encrypted file"
        elif member.compress_type not in _COMPRESSIONS:
            harm = "a file in another compression than Deflate"
        if harm:
            raise UnreadableImage(file, f"refused: it holds {harm} ({printable(member.filename)[:100]})")
        passed_over = path.name.startswith(".") or any(SYSTEM_FOLDERS.fullmatch(part.lower()) for part in path.parts[:-1])
        if not (member.is_dir() or passed_over or NOT_IMAGES.fullmatch(path.suffix.lower())):
            wanted.append(member)
    total = sum(member.file_size for member in wanted)
    if len(wanted) > images or total > size:
        holds, allowed = (
            f"{len(wanted):,} images, {total / 1e6:,.1f} MB unpacked",
            f"{images:,} images and {size / 1e6:,.1f} MB",
        )
        raise UnreadableImage(file, f"refused: it holds {holds}; allowed are {allowed} more")
    return wanted


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, place: Path) -> Upload:
    """Unpack an image: never more bytes than the zip's list says."""
    name = printable(member.filename)
    try:
        with refusing(place, "zip"), archive.open(member) as packed, place.open("xb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    except UnreadableImage as error:
        return Upload(name, place, error.reason)
    return Upload(name, place)
