"""Rows of equal size on disk, each under a key, so that what has been computed once is read from here.

A store is a folder: about.json and numbered segments, each a pair of .npy files (rows and their keys). A segment is put in
place by renaming, its keys last, and never changes: a killed process leaves whole segments, and mapped ones stay valid.
"""

import errno
import json
import logging
import mmap
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import BaseFileLock, FileLock, Timeout

from artclf.errors import ArtclfError
from artclf.run_folder import read_json, replacing, write_json

log = logging.getLogger(__name__)

KEY_BYTES = 32
ABOUT = "about.json"
ROWS, KEYS = ".rows.npy", ".keys.npy"
COMMIT_BYTES = 2**26  # appended rows are held in memory, and written as a segment after this much
COMMIT_SECONDS = 20.0  # or after this time, so that a killed process loses little
RESIDENT_BYTES = 128 * 2**20  # after reading this much, mapped pages are given back to the system

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


class StoreError(ArtclfError):
    """A store can't be read or written; the message is one line with the reason and the remedy."""


class RowStore:
    """Rows in a folder of the cache, which is made if it is missing.

    Args:
        folder: the store's.
        row_bytes: size of a row.
        about: JSON values that describe the content, written to about.json.

    Raises:
        StoreError: if the folder can't be made.
    """

    def __init__(self, folder: Path, row_bytes: int, about: dict[str, Any]) -> None:
        self.folder, self.row_bytes, self.about = folder, row_bytes, about
        self._index: dict[bytes, int] = {}
        self._segments: list[Bytes] = []
        self._starts = np.zeros(1, dtype=np.int64)  # number of the first row of each segment, and of the next one
        self._read = 0  # bytes since mapped pages were given back
        self._pending: list[tuple[Sequence[bytes], Bytes]] = []  # appended, not written yet
        self._writing: Future[None] | None = None  # of the segment before these
        self._last_commit = 0.0
        self._lock = FileLock(folder / ".lock")
        content = json.loads(json.dumps({**about, "row_bytes": row_bytes}))
        with _store_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if content.items() <= read_about(folder).items():
                os.utime(folder / ABOUT)  # when it was last used
            else:
                with _locked(self._lock):
                    write_json(folder / ABOUT, {**content, "made": time.strftime("%Y-%m-%d")})
            self._map_whole()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __str__(self) -> str:
        return str(self.folder)

    def __reduce__(self) -> tuple[Any, ...]:  # another process opens the files itself; rows keep their numbers
        return RowStore, (self.folder, self.row_bytes, self.about)

    def find(self, keys: Sequence[bytes]) -> Numbers:
        """[N] keys → the number of each key's row, −1 where there is none."""
        return np.array([self._index.get(key, -1) for key in keys], dtype=np.int64)

    def read(self, numbers: Numbers) -> Bytes:
        """[N] numbers → a copy of their rows, uint8 [N, row_bytes]. StoreError where another process has changed the files."""
        if (numbers < 0).any() or any(_mapped(part).size() < len(_mapped(part)) for part in self._segments):
            raise StoreError(f"{self.folder}: another process has changed it meanwhile; type the command again")
        out = np.empty((len(numbers), self.row_bytes), dtype=np.uint8)
        segment_of = np.searchsorted(self._starts, numbers, side="right") - 1
        for segment in np.unique(segment_of):
            here = segment_of == segment
            rows, wanted = self._segments[segment], numbers[here] - self._starts[segment]
            if here.all():
                np.take(rows, wanted, axis=0, out=out, mode="clip")  # "raise" would copy once more
            else:
                out[here] = rows[wanted]
        self._read += out.nbytes
        if self._read > RESIDENT_BYTES:
            self._read = 0
            for part in self._segments:  # the system caches them; else all rows read would count as this process's memory
                if hasattr(mmap, "MADV_DONTNEED"):
                    _mapped(part).madvise(mmap.MADV_DONTNEED)
        return out

    @contextmanager
    def building(self) -> Iterator[None]:
        """A context in which this process alone adds rows; it waits for another process that builds.

        The rows are found after it, also where an exception ends it. Only a StoreError (the disk is full, say) removes them:
        a full disk would stop the run itself.
        """
        with _store_errors(self.folder), _locked(self._lock), ThreadPoolExecutor(1, "write rows") as self._writer:
            self._map_whole()
            before = set(self.folder.glob("*.npy"))
            self._last_commit = time.monotonic()
            try:
                try:
                    yield
                finally:
                    self._commit()
                    self._wait()
            except (OSError, StoreError):
                for file in set(self.folder.glob("*.npy*")) - before:
                    file.unlink()
                raise
            finally:
                self._pending, self._writing = [], None
                self._map_whole()

    def append(self, keys: Sequence[bytes], rows: Bytes) -> None:
        """Add rows [N, row_bytes] under their keys of 32 bytes, within `building`; the rows must not change afterwards."""
        if keys:
            self._pending.append((keys, rows))
            large = sum(part.nbytes for _, part in self._pending) > COMMIT_BYTES
            if large or time.monotonic() - self._last_commit > COMMIT_SECONDS:
                self._commit()

    def _commit(self) -> None:
        """Begin to write the pending rows as a segment, while the next ones are made."""
        self._wait()
        pending, self._pending, self._last_commit = self._pending, [], time.monotonic()
        if pending:
            self._writing = self._writer.submit(self._write_segment, pending)

    def _wait(self) -> None:
        """Until the segment before is written; raises why it can't be."""
        if self._writing is not None:
            self._writing.result()

    def _write_segment(self, pending: list[tuple[Sequence[bytes], Bytes]]) -> None:
        keys = np.frombuffer(b"".join(key for keys, _ in pending for key in keys), dtype=np.uint8)
        name = f"{len(list(self.folder.glob(f'*{KEYS}'))):04}"
        _write(self.folder / f"{name}{ROWS}", [rows for _, rows in pending])
        _write(self.folder / f"{name}{KEYS}", [keys.reshape(-1, KEY_BYTES)])

    def _map_whole(self) -> None:
        """Map the segments that are not mapped yet; remove damaged ones and those after them, which are then computed anew."""
        if self._map_new():
            with _locked(self._lock):
                damage = self._map_new()  # none: another process has just cleared it
                if damage:
                    log.warning("%s: is damaged (%s); what is missing is computed anew", self.folder, damage)
                    for file in self.folder.glob("*.npy"):
                        if file.name >= f"{len(self._segments):04}":
                            file.unlink()

    def _map_new(self) -> str:
        """Map segments up to the last one, or to one that is damaged; return what is wrong with that, or ""."""
        while True:
            name = f"{len(self._segments):04}"
            try:
                keys, rows = (np.lib.format.open_memmap(self.folder / f"{name}{part}", mode="r") for part in (KEYS, ROWS))
            except FileNotFoundError:
                later = any(file.name >= f"{name}{KEYS}" for file in self.folder.glob(f"*{KEYS}"))
                return f"{name} is missing" if later else ""
            except OSError:
                raise  # the system's business
            except Exception as error:  # noqa: BLE001 (whatever numpy makes of other bytes)
                return f"{name}: {error}"
            shapes = keys.shape, rows.shape[1:]
            if shapes != ((len(rows), KEY_BYTES), (self.row_bytes,)) or {keys.dtype, rows.dtype} != {np.dtype(np.uint8)}:
                return f"{name} has other rows"
            self._index.update((key.tobytes(), number) for number, key in enumerate(np.array(keys), len(self)))
            self._segments.append(rows)
            self._starts = np.append(self._starts, len(self) + len(rows))


def _mapped(rows: Bytes) -> mmap.mmap:
    """The mapped file of a segment."""
    mapped: Any = rows.base
    assert isinstance(mapped, mmap.mmap)
    return mapped


def read_about(folder: Path) -> dict[str, Any]:
    """Read a store's about.json; empty where there is none, or, with a warning, where it can't be read."""
    try:
        found: dict[str, Any] | None = read_json(folder / ABOUT, "it is written anew", dict[str, Any])
    except ArtclfError as error:
        log.warning("%s", error)
        found = None
    return found or {}


def require_room(folder: Path, needed: int, max_gb: float | None) -> None:
    """Raise StoreError unless a store's folder has room for `needed` bytes: half of what is free, or max_gb."""
    free = shutil.disk_usage(folder).free
    if max_gb is None and needed > free / 2:
        raise StoreError(
            f"{folder}: would take {needed / 1e9:.3g} GB, more than half of the {free / 1e9:.3g} GB that are free; artclf "
            "cache clear makes room, ARTCLF_CACHE names a folder on another disk, cache.max_gb=NUMBER sets the limit"
        )
    if max_gb is not None and needed > max_gb * 1e9:
        raise StoreError(f"{folder}: would take {needed / 1e9:.3g} GB, more than cache.max_gb={max_gb:g} allows")


@contextmanager
def _locked(lock: BaseFileLock) -> Iterator[None]:
    folder = Path(lock.lock_file).parent
    try:
        lock.acquire(blocking=False)
    except Timeout:
        log.info("another process is writing to %s; waiting for it", folder)
        lock.acquire()
    except NotImplementedError as error:
        raise StoreError(f"{folder}: this file system has no locks") from error
    try:
        yield
    finally:
        lock.release()


def _write(file: Path, parts: Sequence[Bytes]) -> None:
    """Write arrays [N, B] as one .npy file and put it in place; np.save would lose the error's number on a full disk."""
    shape = (sum(len(part) for part in parts), parts[0].shape[1])
    with replacing(file) as new, new.open("wb") as out:
        np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for part in parts:
            out.write(part.data)


@contextmanager
def _store_errors(folder: Path) -> Iterator[None]:
    """Turn an error of the file system into a StoreError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "the disk is full; artclf cache clear makes room, ARTCLF_CACHE names a folder on another disk"
        else:
            remedy = f"{(error.strerror or str(error)).lower()}; ARTCLF_CACHE names another folder"
        raise StoreError(f"{folder}: {remedy}") from error
