"""The pixel cache: the first pass over a data set reads, hashes and decodes every file; later passes read the store.

An image is found by the SHA-256 of its file's bytes, so that splits, seeds, labels and names do not matter. A store is named
by the images' folder and by everything that its pixels depend on. Beside it lies what is known of each file (size and times,
as in git's index, and the hash), so that a file is read again once it has changed.
"""

import hashlib
import json
import logging
import math
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from artclf.cache.array_store import COMMIT_BYTES, Numbers, RowStore, require_room
from artclf.cache.folder import cache_folder
from artclf.data.files import UnreadableImage, file_content, open_file
from artclf.data.prefetch import read_batches, share, zero_pixels
from artclf.data.reader import ImageReader, Pixels
from artclf.runtime import fitting_workers, memory, progress, shared_memory, speed

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

LEDGER = "files.jsonl"
DECODING = 2  # increase it with each change in what pixels artclf makes of a file
BATCH = 16  # images that are stored at a time
MOST_THREADS = 4  # that decode: Python's lock would let more of them wait
WORTH_PROCESSES = 2000  # files, below which starting processes takes longer than they save
PROCESS_BYTES = 2**31  # that a process may take: decoding the largest image takes 1.3 GB
SETTLED = 2 * 10**9  # nanoseconds: a file changed less than this ago may change again without its times showing it

Stamp = tuple[int, int, int]  # size, and the times of the last change of contents and of the file's entry, in nanoseconds


@dataclass(frozen=True)
class _File:
    """What reading a file found."""

    path: str
    stamp: Stamp | None
    digest: bytes = b""  # SHA-256, if it can be read
    reason: str = ""  # why it can't be read


class PixelStore:
    """The pixels of a folder's images, uint8 [3, S, S] each.

    Args:
        root: the folder that the paths of the images are relative to.
        reader: how files are read.
        max_gb: gigabytes that the store may take; None: half of what is free on its disk.

    Raises:
        StoreError: its folder can't be made.
    """

    def __init__(self, root: Path, reader: ImageReader, *, max_gb: float | None) -> None:
        self.root, self.reader, self.max_gb = root, reader, max_gb
        depends = {
            "decoding": DECODING,
            "root": os.path.realpath(root),
            **asdict(reader),
            **{package: metadata.version(package) for package in ("pillow", "torchvision")},
        }
        name = hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:16]
        what = f"{depends['root']} at {reader.size} px{', canonical' if reader.canonical else ''}"
        self.folder = cache_folder() / "pixels" / name
        self.rows = RowStore(self.folder, 3 * reader.size**2, {"what": what, **depends})

    def __len__(self) -> int:
        return len(self.rows)

    def find(self, digests: Sequence[bytes]) -> Numbers:
        """[N] SHA-256 digests → the number of each image in the store, −1 if it is not there."""
        return self.rows.find(digests)

    def read(self, numbers: Numbers) -> Pixels:
        """[N] numbers → pixels, uint8 [N, 3, S, S]."""
        return self.rows.read(numbers).reshape(-1, 3, self.reader.size, self.reader.size)

    def inspect(self, paths: Sequence[str], *, threads: int) -> pd.DataFrame:
        """Hash and check every file, and store the pixels of those that are not stored yet.

        Args:
            paths: the files, relative to the root.
            threads: how many files are decoded at a time; if these are many, and the files too, by processes.

        Returns:
            A row for each file, in the order given: `sha256` of its bytes, and `reason` why it can't be read ("" if it can).

        Raises:
            StoreError: the store can't be written, or would be too large.
        """
        known = self._known(paths)
        if len(known) < len(paths):
            with self.rows.building():
                known = self._known(paths)  # another process may have stored some meanwhile
                missing = [path for path in paths if path not in known]
                known |= {file.path: file for file in self._decode(missing, threads)}
        return _table([known[path] for path in paths])

    def _known(self, paths: Sequence[str]) -> dict[str, _File]:
        """The files, by path, that have not changed since their pixels were stored."""
        ledger: dict[str, tuple[Stamp, bytes]] = {}
        for line in (self.folder / LEDGER).read_bytes().splitlines() if (self.folder / LEDGER).is_file() else ():
            with suppress(ValueError, TypeError, RecursionError):  # damaged, or cut off by a kill: that file is read
                path, was, digest = json.loads(line)
                ledger[str(path)] = tuple(was), bytes.fromhex(digest)
        same = [path for path in paths if path in ledger and _stamp(self.root / path) == ledger[path][0]]
        stored = self.find([ledger[path][1] for path in same]) >= 0
        return {path: _File(path, *ledger[path]) for path, is_stored in zip(same, stored, strict=True) if is_stored}

    def _decode(self, paths: list[str], threads: int) -> Iterator[_File]:
        """Read files, store the pixels, and note in the ledger which files they came from."""
        if not paths:
            return
        needed = len(paths) * self.rows.row_bytes
        require_room(self.folder, needed, self.max_gb)
        line = "decoding %d images once, and keeping %.3g GB of pixels in %s (cache.pixels=false keeps none)"
        log.info(line, len(paths), needed / 1e9, self.folder)
        stored: set[bytes] = set()  # by this pass
        with (self.folder / LEDGER).open("a", encoding="utf-8", newline="\n") as ledger:
            ledger.write("\n")  # ends a line that a kill has cut off
            for files, pixels in _read_files(self.root, paths, self.reader, threads):
                now = time.time_ns()
                for file in files:
                    if not file.reason and file.stamp and max(file.stamp[1:]) < now - SETTLED:
                        ledger.write(json.dumps([file.path, file.stamp, file.digest.hex()]) + "\n")
                new = {file.digest: i for i, file in enumerate(files) if not file.reason and file.digest not in stored}
                # a file in the store may have changed its times or its name alone
                absent = [digest for digest, number in zip(new, self.find([*new]), strict=True) if number < 0]
                if absent:
                    rows = pixels.reshape(len(pixels), -1)
                    self.rows.append(absent, rows if len(absent) == len(rows) else rows[[new[digest] for digest in absent]])
                stored |= new.keys()
                yield from files


def inspect_files(root: Path, paths: Sequence[str], *, max_pixels: int, threads: int) -> pd.DataFrame:
    """Read, hash and decode every file without storing anything: returns what `PixelStore.inspect` returns."""
    reader = ImageReader(32, max_pixels=max_pixels)  # the size does not matter: every file is decoded as a whole
    return _table([file for files, _ in _read_files(root, paths, reader, threads) for file in files])


@dataclass(frozen=True)
class _Reading:
    """Reads, hashes and decodes files; what a DataLoader's processes do it with."""

    root: Path
    paths: Sequence[str]
    reader: ImageReader

    def one(self, path: str) -> tuple[_File, Pixels]:
        """A file and its pixels, uint8 [3, S, S], zero if it can't be read."""
        file = self.root / path
        stamp = _stamp(file)  # before its content, so that a later change shows
        try:
            with file_content(file, max_pixels=self.reader.max_pixels) as content:
                digest = hashlib.sha256(content).digest()
                return _File(path, stamp, digest), self.reader.read(file, content)
        except UnreadableImage as error:
            return _File(path, None, reason=error.reason), zero_pixels((3, self.reader.size, self.reader.size))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitems__(self, numbers: Sequence[int]) -> "tuple[list[_File], torch.Tensor]":
        """Files and their pixels, uint8 [B, 3, S, S], in shared memory."""
        import torch  # noqa: PLC0415 (only here, in a process that has it)

        pixels = torch.zeros(len(numbers), 3, self.reader.size, self.reader.size, dtype=torch.uint8)
        share([pixels])
        files = []
        for place, number in zip(pixels.numpy(), numbers, strict=True):
            file, place[...] = self.one(self.paths[number])
            files.append(file)
        return files, pixels


def _read_files(root: Path, paths: Sequence[str], reader: ImageReader, threads: int) -> Iterator[tuple[list[_File], Pixels]]:
    """Batches of files and their pixels, uint8 [B, 3, S, S], zero where a file can't be read; with a progress bar.

    By threads, or, where more than MOST_THREADS are asked for, by as many processes.
    """
    began, decoded, reading = time.perf_counter(), 0, _Reading(root, paths, reader)
    processes = _processes(len(paths), 3 * reader.size**2, threads)
    # processes begin here, before the progress bar's thread: a process with threads should not be forked
    batches = _by_processes(reading, processes) if processes else _by_threads(reading, threads)
    for files, pixels in progress(batches, "Decoding images", math.ceil(len(paths) / BATCH)):
        decoded += sum(not file.reason for file in files)
        yield files, pixels
    log.info("decoded %s", speed(decoded, time.perf_counter() - began))


def _processes(files: int, row_bytes: int, asked: int) -> int:
    """How many processes decode: as many as asked for, or fewer where memory is small. 0: threads are as fast."""
    if asked <= MOST_THREADS or files < WORTH_PROCESSES:
        return 0
    free = shared_memory()
    room = None if free is None else free - 2 * COMMIT_BYTES  # those of a segment that is written, and of the next one
    fitting = min(fitting_workers(asked, room, BATCH * row_bytes, 4), memory() // PROCESS_BYTES)
    processes = fitting if fitting > MOST_THREADS else 0
    if processes < asked:
        line = "%d of %d processes decode images%s: there is no more memory, or no more of /dev/shm (docker run --shm-size=1g)"
        log.info(line, processes, asked, "" if processes else ", threads instead")
    return processes


def _by_processes(reading: _Reading, processes: int) -> Iterator[tuple[list[_File], Pixels]]:
    import torch  # noqa: PLC0415 (threads do without it)
    from torch.utils.data import DataLoader  # noqa: PLC0415 (likewise)

    own = torch.Generator()  # else a run that decodes would draw other random numbers than one that need not
    loader: Any = DataLoader(reading, BATCH, num_workers=processes, collate_fn=_whole, generator=own)  # type: ignore[arg-type]
    # copied: each batch in shared memory is an open file, and as many as wait to be written would be too many
    return ((files, pixels.numpy().copy()) for files, pixels in iter(loader))


def _whole(batch: Any) -> Any:
    """A batch as `_Reading` returns it."""
    return batch


def _by_threads(reading: _Reading, threads: int) -> Iterator[tuple[list[_File], Pixels]]:
    found: dict[str, _File] = {}

    def read(path: str) -> Pixels:
        found[path], pixels = reading.one(path)
        return pixels

    shape = (3, reading.reader.size, reading.reader.size)
    for batch in read_batches(reading.paths, read, shape, batch=BATCH, threads=max(1, threads)):
        yield [found[path] for path in batch.files], batch.pixels


def hash_files(files: Sequence[Path]) -> list[str]:
    """Return the SHA-256 of each file's bytes, 64 hexadecimal digits; "" for a file that can't be read, or is too large.

    How large, is the default of `open_file`: a sparse file may have terabytes.
    """

    def digest(file: Path) -> str:
        try:
            with open_file(file) as content:
                return hashlib.file_digest(content, "sha256").hexdigest()
        except (OSError, UnreadableImage):  # reading it as an image reports it, with the reason
            return ""

    with ThreadPoolExecutor() as pool:
        return list(progress(pool.map(digest, files), "Comparing files", len(files)))


def _table(files: Sequence[_File]) -> pd.DataFrame:
    rows = [(file.digest.hex(), file.reason) for file in files]
    return pd.DataFrame(rows, columns=["sha256", "reason"], dtype=str)


def _stamp(file: Path) -> Stamp | None:
    try:
        status = os.stat(file)  # noqa: PTH116 (called for very many files: a Path's own is slower)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
