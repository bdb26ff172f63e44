"""Rows of equal size on disk, each under a key: what has been computed once is read from here.

A store is a folder: about.json, and segments, each two arrays, rows and their keys. A segment is written under other names
and put in place whole, its keys last, and never changes: what a kill leaves is whole, and what others have mapped stays.
"""

import errno
import json
import logging
import mmap
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from artclf.run_folder import beside, put_in_place, write_text

log = logging.getLogger(__name__)

KEY_BYTES = 32
ABOUT = "about.json"
ROWS, KEYS = ".rows.npy", ".keys.npy"
COMMIT_BYTES = 2**30  # at most this much is lost to a kill
COMMIT_SECONDS = 10.0  # or what was computed in this time, or in a tenth of the build's
RESIDENT_BYTES = 128 * 2**20  # of mapped rows that may count as a process's memory before it lets go of them

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


class StoreError(Exception):
    """A store can't be written; the message is one line that says why, and what would help."""


class RowStore:
    """Rows in a folder of the cache, which is made if it is missing; or in memory, where `folder` is None.

    Args:
        folder: the store's.
        row_bytes: size of a row.
        about: plain values that describe what it holds, kept in about.json.

    Raises:
        StoreError: if the folder can't be made.
    """

    def __init__(self, folder: Path | None, row_bytes: int, about: dict[str, Any]) -> None:
        self.folder, self.row_bytes = folder, row_bytes
        self._index: dict[bytes, int] = {}
        self._segments: list[Bytes] = []
        self._starts = np.zeros(1, dtype=np.int64)  # number of the first row of each segment, and of the next one
        self._seen: set[str] = set()
        self._read = 0
        self._new: _Segment | None = None
        self._began: float | None = None  # when the build began
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / ABOUT).exists():
                os.utime(folder / ABOUT)  # when it was last used
            else:
                _write_once(folder / ABOUT, {**about, "row_bytes": row_bytes, "made": time.strftime("%Y-%m-%d")})
            self._look()
        except OSError as error:
            raise StoreError(_why(error, folder)) from error

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getstate__(self) -> dict[str, Any]:  # for another process: mapped files by their names
        return self.__dict__ | {"_segments": [getattr(part, "filename", part) for part in self._segments]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        segments = [part if isinstance(part, np.ndarray) else np.load(part, mmap_mode="r") for part in state["_segments"]]
        self.__dict__.update(state | {"_segments": segments})

    def find(self, keys: Sequence[bytes]) -> Numbers:
        """[N] keys → the number of each key's row, −1 where there is none."""
        return np.array([self._index.get(key, -1) for key in keys], dtype=np.int64)

    def read(self, numbers: Numbers) -> Bytes:
        """[N] numbers → their rows, uint8 [N, row_bytes], an array of its own."""
        out = np.empty((len(numbers), self.row_bytes), dtype=np.uint8)
        of = np.searchsorted(self._starts, numbers, side="right") - 1
        for segment in np.unique(of):
            here = of == segment
            rows, wanted = self._segments[segment], numbers[here] - self._starts[segment]
            if here.all():
                np.take(rows, wanted, axis=0, out=out, mode="clip")  # "raise" would copy once more
            else:
                out[here] = rows[wanted]
        self._read += out.nbytes
        if self._read > RESIDENT_BYTES:
            self._read = 0
            self._let_go()
        return out

    @contextmanager
    def building(self) -> Iterator[None]:
        """A context in which this process alone adds rows; another one that builds is waited for.

        Rows are found after it, also where it is left by an error; but for a StoreError (the disk is full, can't be written
        or has no locks), at which they are removed: a full disk would stop the run itself.
        """
        if self.folder is None:
            yield
            return
        with _locked(self.folder):
            self._look()
            before, self._began = set(self.folder.glob("*.npy")), time.monotonic()
            try:
                yield
                self._commit()
            except (OSError, StoreError) as error:
                if self._new is not None:
                    self._new.file.close()
                for file in set(self.folder.glob("*.npy*")) - before:
                    file.unlink()
                raise error if isinstance(error, StoreError) else StoreError(_why(error, self.folder)) from error
            except BaseException:
                self._commit()
                raise
            finally:
                self._new = self._began = None
                self._look()

    def append(self, keys: Sequence[bytes], rows: Bytes) -> None:
        """Add rows [N, row_bytes] under their keys, 32 bytes each, within `building`. Raises StoreError."""
        if rows.shape != (len(keys), self.row_bytes) or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"got rows {rows.shape} for {len(keys)} keys; a row has {self.row_bytes} bytes, a key {KEY_BYTES}")
        if self.folder is None:
            self._add(keys, rows.copy())
        elif self._began is None:
            raise RuntimeError("rows are added within building()")
        elif keys:
            try:
                if self._new is None:
                    self._new = _Segment(self.folder, self.row_bytes)
                self._new.write(keys, rows)
                now = time.monotonic()
                waited = now - self._new.began > max(COMMIT_SECONDS, 0.1 * (now - self._began))
                if waited or len(self._new.keys) * self.row_bytes > COMMIT_BYTES:
                    self._commit()
            except OSError as error:
                raise StoreError(_why(error, self.folder)) from error

    def remove(self) -> None:
        """Remove the folder; what is mapped stays readable in this process."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _commit(self) -> None:
        if self._new is not None:
            self._new.put_in_place()
            self._new = None

    def _look(self) -> None:
        """Map the segments that have come since it was last looked."""
        assert self.folder is not None
        for file in sorted(self.folder.glob(f"*{KEYS}")):
            if file.name not in self._seen:
                try:
                    keys = np.load(file)
                    rows = np.load(_rows_of(file), mmap_mode="r")
                except FileNotFoundError:  # another process has just cleared it
                    continue
                self._seen.add(file.name)
                self._add([key.tobytes() for key in keys], rows)

    def _add(self, keys: Sequence[bytes], rows: Bytes) -> None:
        self._index.update(zip(keys, range(len(self), len(self) + len(keys)), strict=True))
        self._segments.append(rows)
        self._starts = np.append(self._starts, len(self) + len(keys))

    def _let_go(self) -> None:
        """Give mapped pages back; they stay in the system's cache. Else all rows ever read would count as memory in use."""
        for part in self._segments:
            mapped: Any = part.base
            if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
                mapped.madvise(mmap.MADV_DONTNEED)


class _Segment:
    """The segment that a process writes, under other names."""

    def __init__(self, folder: Path, row_bytes: int) -> None:
        self.keys_file = folder / f"{len(list(folder.glob(f'*{KEYS}'))):04}{KEYS}"
        self.rows_file, self.row_bytes = _rows_of(self.keys_file), row_bytes
        self.began = time.monotonic()
        self.keys: list[bytes] = []
        # unbuffered: what is not written yet must not be tried again while the file is closed
        self.file = beside(self.rows_file).open("wb", buffering=0)

    def write(self, keys: Sequence[bytes], rows: Bytes) -> None:
        if not self.keys:
            _write_header(self.file, 0, self.row_bytes)
        _write(self.file, rows)
        self.keys += keys

    def put_in_place(self) -> None:
        self.file.seek(0)
        _write_header(self.file, len(self.keys), self.row_bytes)  # numpy leaves room in it for any number of rows
        self.file.close()
        put_in_place(beside(self.rows_file), self.rows_file)
        with beside(self.keys_file).open("wb", buffering=0) as file:
            _write_header(file, len(self.keys), KEY_BYTES)
            _write(file, np.frombuffer(b"".join(self.keys), dtype=np.uint8))
        put_in_place(beside(self.keys_file), self.keys_file)


def require_room(folder: Path | None, needed: int, max_gb: float | None) -> None:
    """Raise StoreError unless a store's folder (None: memory) has room for `needed` bytes: half of what is free, or max_gb."""
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


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / ".lock")
    try:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            log.info("another process is writing to %s; waiting for it", folder)
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        raise StoreError(_why(error, folder)) from error
    try:
        yield
    finally:
        lock.release()


def _rows_of(keys_file: Path) -> Path:
    return keys_file.with_name(keys_file.name.replace(KEYS, ROWS))


def _write_header(file: Any, rows: int, row_bytes: int) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (rows, row_bytes)})


def _write(file: Any, content: Bytes) -> None:
    rest = memoryview(np.ascontiguousarray(content).data).cast("B")
    while rest:
        rest = rest[file.write(rest) :]


def _write_once(file: Path, content: dict[str, Any]) -> None:
    try:
        write_text(file, json.dumps(content, indent=2) + "\n")
    except FileNotFoundError:
        if not file.exists():  # else another process has just written the same
            raise


def _why(error: Exception, folder: Path) -> str:
    if isinstance(error, NotImplementedError):
        return f"{folder}: this file system has no locks"
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return f"{folder}: the disk is full; artclf cache clear makes room, ARTCLF_CACHE names a folder on another disk"
    return f"{folder}: {str(getattr(error, 'strerror', None) or error).lower()}; ARTCLF_CACHE names another folder"
