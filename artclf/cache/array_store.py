"""Rows of equal size on disk, each under a key: what has been computed once is read from here ever after.

A store is a folder: about.json, and segments, each a file of rows and a file of their keys. A process that adds rows writes
a segment of its own, and nobody writes to it after that: what others have mapped into memory never changes or shrinks. Keys
are written after their rows have reached the disk, so that whatever a kill or a power cut leaves is whole.
"""

import errno
import json
import logging
import mmap
import os
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from artclf.run_folder import write_text

log = logging.getLogger(__name__)

KEY_BYTES = 32
ABOUT = "about.json"
COMMIT_BYTES = 256 * 2**20  # at most this much is lost to a kill
COMMIT_SECONDS = 10.0  # or what was computed in this time
RESIDENT_BYTES = 128 * 2**20  # of mapped rows that may count as a process's memory before it lets go of them

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


class StoreError(Exception):
    """A store can't be written; the message is one line that says why, and what would help."""


class Rows(ABC):
    """What holds rows: a store on disk, or memory.

    Args:
        row_bytes: size of a row.
    """

    def __init__(self, row_bytes: int) -> None:
        self.row_bytes = row_bytes
        self._index: dict[bytes, int] = {}

    def find(self, keys: Sequence[bytes]) -> Numbers:
        """[N] keys → the number of each key's row, −1 where there is none."""
        return np.array([self._index.get(key, -1) for key in keys], dtype=np.int64)

    @abstractmethod
    def read(self, numbers: Numbers) -> Bytes:
        """[N] numbers → their rows, uint8 [N, row_bytes], an array of its own."""

    @abstractmethod
    def building(self) -> AbstractContextManager[None]:
        """A context in which this process alone adds rows. Raises StoreError."""

    @abstractmethod
    def append(self, keys: Sequence[bytes], rows: Bytes) -> None:
        """Add rows [N, row_bytes] under their keys. Raises StoreError."""


class MemoryRows(Rows):
    """Rows in memory, for as long as the process lives."""

    def __init__(self, row_bytes: int) -> None:
        super().__init__(row_bytes)
        self._parts: list[Bytes] = []

    def read(self, numbers: Numbers) -> Bytes:
        """As `Rows` says."""
        return np.stack([self._parts[number] for number in numbers.tolist()])

    def building(self) -> AbstractContextManager[None]:
        """As `Rows` says."""
        return nullcontext()

    def append(self, keys: Sequence[bytes], rows: Bytes) -> None:
        """As `Rows` says."""
        for key, row in zip(keys, rows, strict=True):
            self._index[key] = len(self._parts)
            self._parts.append(row.copy())


@dataclass
class _Segment:
    """Rows of a file, mapped into memory.

    Attributes:
        file: the rows; their keys are in the file of the same name with another suffix.
        skip: how many rows of the file are before these.
        first: the number of the first of these in the store.
        count: how many these are.
        map: the file, mapped; None only in a process that the segment was sent to.
    """

    file: Path
    skip: int
    first: int
    count: int
    map: mmap.mmap | None = field(default=None, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "map": None}

    def rows(self, row_bytes: int) -> Bytes:
        if self.map is None:
            with self.file.open("rb") as file:
                self.map = mmap.mmap(file.fileno(), (self.skip + self.count) * row_bytes, access=mmap.ACCESS_READ)
        return np.frombuffer(self.map, dtype=np.uint8).reshape(-1, row_bytes)[self.skip :]

    def let_go(self) -> None:
        """Give mapped pages back; they stay in the system's cache. Else all rows ever read would count as memory in use."""
        if self.map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.map.madvise(mmap.MADV_DONTNEED)


class RowStore(Rows):
    """Rows in a folder of the cache.

    Args:
        folder: the store's; made where it is missing.
        row_bytes: size of a row.
        about: plain values that tell a reader what it holds, kept in about.json.

    Raises:
        StoreError: where the folder can't be made.
    """

    def __init__(self, folder: Path, row_bytes: int, about: dict[str, Any]) -> None:
        super().__init__(row_bytes)
        self.folder = folder
        self._segments: list[_Segment] = []
        self._seen: dict[str, int] = {}  # how many rows of each file
        self._read = 0
        self._new: _NewSegment | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / ABOUT).exists():
                os.utime(folder / ABOUT)  # when it was last used
            else:
                text = json.dumps({**about, "row_bytes": row_bytes, "made": time.strftime("%Y-%m-%d")}, indent=2)
                _write_once(folder / ABOUT, text + "\n")
            self._look()
        except OSError as error:
            raise StoreError(_why(error, folder)) from error

    def __len__(self) -> int:
        return sum(segment.count for segment in self._segments)

    def read(self, numbers: Numbers) -> Bytes:
        """As `Rows` says."""
        out = np.empty((len(numbers), self.row_bytes), dtype=np.uint8)
        for segment in self._segments:
            here = (numbers >= segment.first) & (numbers < segment.first + segment.count)
            rows = segment.rows(self.row_bytes) if here.any() else None
            if rows is not None and here.all():
                np.take(rows, numbers - segment.first, axis=0, out=out, mode="clip")  # "raise" would copy once more
            elif rows is not None:
                out[here] = rows[numbers[here] - segment.first]
        self._read += out.nbytes
        if self._read > RESIDENT_BYTES:
            self._read = 0
            for segment in self._segments:
                segment.let_go()
        return out

    @contextmanager
    def building(self) -> Iterator[None]:
        """A context in which this process alone adds rows; another one that builds is waited for.

        Rows that were added by then are found afterwards, also where the context is left by an error.

        Raises:
            StoreError: where the disk is full, can't be written or has no locks. What this process has added is then gone:
                a full disk would stop the run itself.
        """
        lock = FileLock(self.folder / ".lock")
        try:
            try:
                lock.acquire(blocking=False)
            except Timeout:
                log.info("another process is writing to %s; waiting for it", self.folder)
                lock.acquire()
        except (OSError, NotImplementedError) as error:
            raise StoreError(_why(error, self.folder)) from error
        try:
            self._look()
            self._new = _NewSegment(self.folder / f"{len(self._seen):04}.rows")
            try:
                yield
                self._new.commit()
            except OSError as error:
                self._new.remove()
                raise StoreError(_why(error, self.folder)) from error
            except StoreError:
                self._new.remove()
                raise
            except BaseException:
                self._new.commit()
                raise
            finally:
                self._new.close()
                self._new = None
                self._look()
        finally:
            lock.release()

    def append(self, keys: Sequence[bytes], rows: Bytes) -> None:
        """As `Rows` says, within `building`. Keys are 32 bytes each."""
        if self._new is None:
            raise RuntimeError("rows are added within building()")
        if rows.shape != (len(keys), self.row_bytes) or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"got rows {rows.shape} for {len(keys)} keys; a row has {self.row_bytes} bytes, a key {KEY_BYTES}")
        if not keys:  # of a batch, all that is asked for may be there: a run of the head alone kept it
            return
        try:
            self._new.write(keys, rows)
        except OSError as error:
            raise StoreError(_why(error, self.folder)) from error

    def remove(self) -> None:
        """Remove the folder; what is mapped stays readable in this process."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _look(self) -> None:
        """Take in what is there and was not when it was last looked."""
        for file in sorted(self.folder.glob("*.keys")):
            seen, rows = self._seen.get(file.stem, 0), file.with_suffix(".rows")
            try:
                keys = file.read_bytes()
                count = min(len(keys) // KEY_BYTES, rows.stat().st_size // self.row_bytes)
                segment = _Segment(rows, seen, len(self), count - seen)
                if segment.count > 0:
                    segment.rows(self.row_bytes)  # mapped now: another process may remove the file
            except FileNotFoundError:
                continue
            self._seen[file.stem] = count
            if segment.count > 0:
                for number in range(segment.count):
                    start = (seen + number) * KEY_BYTES
                    self._index[keys[start : start + KEY_BYTES]] = segment.first + number
                self._segments.append(segment)


class _NewSegment:
    """The segment that a process writes; its files come into being with the first row."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.keys: list[bytes] = []
        self.bytes = 0
        self.committed = time.monotonic()
        self.handles: tuple[Any, Any] | None = None

    def write(self, keys: Sequence[bytes], rows: Bytes) -> None:
        if self.handles is None:
            # unbuffered: what is not written yet must not be tried again while the file is closed
            self.handles = (self.file.open("wb", buffering=0), self.file.with_suffix(".keys").open("wb", buffering=0))
        _write_all(self.handles[0], rows)
        self.keys += keys
        self.bytes += rows.nbytes
        if self.bytes > COMMIT_BYTES or time.monotonic() - self.committed > COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """See that all rows so far are on the disk, then say so by their keys."""
        if self.handles is None or not self.keys:
            return
        rows, keys = self.handles
        os.fsync(rows.fileno())
        _write_all(keys, np.frombuffer(b"".join(self.keys), dtype=np.uint8))
        os.fsync(keys.fileno())
        self.keys, self.bytes, self.committed = [], 0, time.monotonic()

    def close(self) -> None:
        for handle in self.handles or ():
            handle.close()

    def remove(self) -> None:
        self.close()
        self.file.unlink(missing_ok=True)
        self.file.with_suffix(".keys").unlink(missing_ok=True)


def _write_once(file: Path, text: str) -> None:
    try:
        write_text(file, text)
    except FileNotFoundError:
        if not file.exists():  # else another process has just written the same
            raise


def require_room(folder: Path | None, needed: int, max_gb: float | None) -> None:
    """See that there is room for rows before they are computed.

    Args:
        folder: of the store; None: there is none, and nothing to see to.
        needed: bytes.
        max_gb: gigabytes that may be taken; None: half of what is free on the disk.

    Raises:
        StoreError: where there is too little.
    """
    if folder is None:
        return
    free = shutil.disk_usage(folder).free
    if max_gb is None and needed > free / 2:
        raise StoreError(
            f"{folder}: would take {needed / 1e9:.3g} GB, more than half of the {free / 1e9:.3g} GB that are free; artclf "
            "cache clear makes room, ARTCLF_CACHE names a folder on another disk, cache.max_gb=NUMBER sets the limit"
        )
    if max_gb is not None and needed > max_gb * 1e9:
        raise StoreError(f"{folder}: would take {needed / 1e9:.3g} GB, more than cache.max_gb={max_gb:g} allows")


def _write_all(handle: Any, content: Bytes) -> None:
    rest = memoryview(content.tobytes() if not content.flags.c_contiguous else content.data).cast("B")
    while rest:
        rest = rest[handle.write(rest) :]


def _why(error: Exception, folder: Path) -> str:
    if isinstance(error, NotImplementedError):
        return f"{folder}: this file system has no locks"
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return f"{folder}: the disk is full; artclf cache clear makes room, ARTCLF_CACHE names a folder on another disk"
    return f"{folder}: {str(getattr(error, 'strerror', None) or error).lower()}; ARTCLF_CACHE names another folder"
