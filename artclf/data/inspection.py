"""The first look at every file: can it be read, and which files are the same?"""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from rich.progress import track

from artclf.data.images import UnreadableImage, read_image
from artclf.errors import ArtclfError


def inspect_files(root: Path, paths: Iterable[str], *, max_pixels: int, threads: int) -> pd.DataFrame:
    """Read and decode every file once.

    Args:
        root: the folder that the paths are relative to.
        paths: the files.
        max_pixels: a picture with more is refused.
        threads: how many at a time (Pillow decodes outside of Python's lock).

    Returns:
        A row a file, in the order given: `sha256` of its bytes, and `reason` why it can't be read ("" where it can).
    """
    files = [root / path for path in paths]

    def look(file: Path) -> tuple[str, str]:
        try:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            read_image(file, max_pixels=max_pixels)
        except UnreadableImage as error:
            return "", error.reason
        except OSError as error:
            return "", (error.strerror or str(error)).lower()
        return digest, ""

    with ThreadPoolExecutor(max(1, threads)) as pool:
        rows = list(track(pool.map(look, files), "Looking at every file", total=len(files), transient=True))
    return pd.DataFrame(rows, columns=["sha256", "reason"], dtype=str)


def hash_files(files: Sequence[Path]) -> list[str]:
    """Return the SHA-256 of each file's bytes, 64 hexadecimal digits; "" for a file that can't be read."""

    def digest(file: Path) -> str:
        try:
            with file.open("rb") as content:
                return hashlib.file_digest(content, "sha256").hexdigest()
        except OSError:  # whoever reads it as a picture lists it, with the reason
            return ""

    with ThreadPoolExecutor() as pool:
        return list(track(pool.map(digest, files), "Comparing files", total=len(files), transient=True))


def check_share(rejected: pd.DataFrame, total: int, *, allowed: float, listed: Path | None) -> None:
    """Stop where more files than allowed can't be read.

    Args:
        rejected: the columns `path` and `reason`.
        total: the number of files looked at.
        allowed: the share of them that may be rejected.
        listed: the file that lists them all, for the message.

    Raises:
        ArtclfError: with the share, and the first file and reason.
    """
    if len(rejected) and len(rejected) > allowed * total:
        first = rejected.iloc[0]
        where = f"; all are in {listed}" if listed else ""
        raise ArtclfError(
            f"{len(rejected)} of {total} pictures can't be read, more than data.max_rejected={allowed:g} allows "
            f"(first: {first['path']}: {first['reason']}{where}); mend or remove them, or raise data.max_rejected"
        )
