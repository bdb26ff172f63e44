"""Opening the files that a user names, which may be anything, and damaged; and how much of them is in memory at a time."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from threading import Condition
from typing import Self

from artclf.errors import ArtclfError

FORMATS = "JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF"
DEFAULT_MAX_PIXELS = 89_478_485  # 256 MiB as 8-bit RGB
MOST_PIXELS = 2**32  # the highest limit that can be asked for


class Budget:
    """Lets threads hold at most `limit` together; what is larger waits until nothing else is held."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._begin()
        if hasattr(os, "register_at_fork"):  # a forked process has none of the threads that would give back what they hold
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self.held = 0
        self._changed = Condition()

    @contextmanager
    def hold(self, amount: int) -> Iterator[None]:
        """Wait until so much fits in, and hold its place. Not to be called inside itself."""
        with self._changed:
            self._changed.wait_for(lambda: not self.held or self.held + amount <= self.limit)
            self.held += amount
        try:
            yield
        finally:
            with self._changed:
                self.held -= amount
                self._changed.notify_all()


_IN_MEMORY = Budget(2**28)  # bytes of files


class UnreadableImage(ArtclfError):  # noqa: N818  the name says what it is about
    """A file that gives no image: its `path`, and a short `reason` such as ``empty file``."""

    def __init__(self, path: Path | str, reason: str = "") -> None:
        super().__init__(path, reason)  # both: it is pickled on its way out of a worker process; torch's gives a text alone
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.reason else f"{self.path}"

    @classmethod
    def of(cls, path: Path, error: OSError | ValueError) -> Self:
        """For an error of the file system."""
        return cls(path, (getattr(error, "strerror", None) or str(error)).lower())


def open_file(path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> BufferedReader:
    """Open a user's file for reading, if it is a regular one and not too large for an image of so many pixels.

    Raises:
        UnreadableImage: it is neither, or empty, or the file system refuses.
    """
    most = 16 * max_pixels + 2**28  # no format takes more than 16 bytes a pixel; the rest may be metadata, or further frames
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableImage(path, "is a directory")
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableImage(path, "not a regular file, but a pipe, socket or device")
        if not status.st_size:  # or a file of /proc, which may never end
            raise UnreadableImage(path, "empty file")
        if status.st_size > most:
            raise UnreadableImage(path, f"{status.st_size:,} bytes are over the limit of {most:,}")
        # it may have become a pipe meanwhile, on which opening would wait
        return os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    except (OSError, ValueError) as error:  # ValueError: a name that can't be one
        raise UnreadableImage.of(path, error) from error


@contextmanager
def file_content(path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Iterator[bytes]:
    """The bytes of a user's file; those of all threads take 256 MiB at most, or one larger file.

    Raises:
        UnreadableImage: as `open_file`.
    """
    with open_file(path, max_pixels=max_pixels) as file:
        size = os.fstat(file.fileno()).st_size
        with _IN_MEMORY.hold(size):
            with refusing(path, "file"):
                content = file.read(size)
            yield content


@contextmanager
def refusing(path: Path, kind: str | None) -> Iterator[None]:
    """Turn whatever is raised while a file is read into an UnreadableImage: decoders raise nearly anything on a damaged one."""
    try:
        yield
    except UnreadableImage:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise UnreadableImage.of(path, error) from error
        if isinstance(error, MemoryError):
            raise UnreadableImage(path, f"not enough memory for this {kind}") from error
        # messages of other types are about Pillow's code, not about the file
        message = f": {' '.join(str(error).split())}" if type(error) in {OSError, SyntaxError, ValueError} else ""
        raise UnreadableImage(path, f"damaged, incomplete or unsupported {kind}{message}") from error
