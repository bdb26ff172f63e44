"""Decoded pixels, kept once: the first pass over a data set reads, hashes and decodes every file, later ones read the store.

A picture is found by the SHA-256 of its file's bytes, so that splits, seeds, labels and names don't matter; a store is named
by the folder of the pictures and by all that its pixels depend on. What is known of each file (as git does: size and times,
and the hash that they stand for) is beside it, so that a file is read again where it has changed.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TypeVar

import pandas as pd
import torch
from rich.progress import track
from torch.utils.data import DataLoader, Dataset

from artclf.cache.array_store import Numbers, RowStore, require_room
from artclf.cache.folder import cache_folder
from artclf.data.images import UnreadableImage, read_image
from artclf.data.reader import ImageReader
from artclf.errors import ArtclfError

log = logging.getLogger(__name__)

LEDGER = "files.jsonl"
DECODING = 1  # another number for each change in what pixels artclf makes of a file
BATCH = 16  # pictures that a worker hands over at a time
WORTH_WORKERS = 128  # for fewer pictures, starting processes takes longer than they save
SETTLED = 2 * 10**9  # nanoseconds: a file changed less than this ago may change again without its times telling

T = TypeVar("T")
Stamp = tuple[int, int, int]  # size, and the times of the last change of contents and of the file's entry, in nanoseconds


@dataclass(frozen=True)
class _Look:
    """What reading files found, [N] each but the pixels, which are those of the readable ones."""

    files: list[int]
    stamps: list[Stamp]
    digests: list[bytes]
    reasons: list[str]
    pixels: torch.Tensor


class PixelStore:
    """The pixels of a folder's pictures, uint8 [3, S, S] each.

    Args:
        root: the folder that the paths of the pictures are relative to.
        reader: how files are read.
        max_gb: gigabytes that the store may take at most; None: half of what is free on its disk.

    Raises:
        StoreError: where its folder can't be made.
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
        """[N] SHA-256 digests → the number of each picture in the store, −1 where it is not there."""
        return self.rows.find(digests)

    def read(self, numbers: Numbers) -> torch.Tensor:
        """[N] numbers → pixels, uint8 [N, 3, S, S]."""
        return torch.from_numpy(self.rows.read(numbers)).view(-1, 3, self.reader.size, self.reader.size)

    def inspect(self, paths: Sequence[str], *, workers: int) -> pd.DataFrame:
        """Look at every file, and keep the pixels of those that are not kept yet.

        Args:
            paths: the files, relative to the root.
            workers: processes that read and decode; 0: this one.

        Returns:
            A row a file, in the order given: `sha256` of its bytes, and `reason` why it can't be read ("" where it can).

        Raises:
            StoreError: where the store can't be written, or would be too large.
        """
        found = self._known(paths)
        if not all(found):
            with self.rows.building():
                found = self._known(paths)  # another process may have been at it
                missing = [i for i, digest in enumerate(found) if digest is None]
                if missing:
                    self._tell(len(missing), len(paths))
                return self._look_at(paths, missing, found, workers)
        return pd.DataFrame({"sha256": [digest.hex() for digest in found if digest], "reason": ""}, dtype=str)

    def _tell(self, missing: int, total: int) -> None:
        needed = missing * self.rows.row_bytes
        require_room(self.folder, needed, self.max_gb)
        log.info(
            "decoding %s once, and keeping %.3g GB of pixels in %s (artclf cache list; cache.pixels=false does without)",
            f"{missing} pictures" if missing == total else f"{missing} of {total} pictures",
            needed / 1e9,
            self.folder,
        )

    def _known(self, paths: Sequence[str]) -> list[bytes | None]:
        """The digest of each file that has not changed since its pixels were kept."""
        ledger = self._ledger()
        digests: list[bytes | None] = []
        for path in paths:
            known = ledger.get(path)
            digests.append(known[1] if known and known[0] == _stamp(self.root / path) else None)
        kept = self.rows.find([digest or b"" for digest in digests])
        return [digest if number >= 0 else None for digest, number in zip(digests, kept.tolist(), strict=True)]

    def _ledger(self) -> dict[str, tuple[Stamp, bytes]]:
        """What is known of each file; a line that a kill has cut off is passed over."""
        file = self.folder / LEDGER
        lines = file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []
        ledger = {}
        for line in lines:
            path, stamp, digest = json.loads(line)
            ledger[path] = (tuple(stamp), bytes.fromhex(digest))
        return ledger

    def _look_at(self, paths: Sequence[str], missing: list[int], found: list[bytes | None], workers: int) -> pd.DataFrame:
        reasons = [""] * len(paths)
        kept: set[bytes] = set()  # of what this pass has come upon
        ledger = self.folder / LEDGER
        _end_its_line(ledger)
        with ledger.open("a", encoding="utf-8", newline="\n") as lines:
            for look in self._looks(paths, missing, workers):
                now, readable = time.time_ns(), 0
                new: dict[bytes, int] = {}
                for i, stamp, digest, reason in zip(look.files, look.stamps, look.digests, look.reasons, strict=True):
                    found[i], reasons[i] = digest, reason
                    if reason:
                        continue
                    if digest not in kept:
                        new[digest] = readable
                        kept.add(digest)
                    readable += 1
                    if max(stamp[1:]) < now - SETTLED:
                        lines.write(json.dumps([paths[i], stamp, digest.hex()], ensure_ascii=False) + "\n")
                absent = self.rows.find([*new]) < 0  # a file may have changed its times or its name alone
                digests = [digest for digest, is_new in zip(new, absent, strict=True) if is_new]
                if digests:
                    pixels = look.pixels.numpy()[[new[digest] for digest in digests]]
                    self.rows.append(digests, pixels.reshape(len(digests), -1))
        return pd.DataFrame({"sha256": [digest.hex() if digest else "" for digest in found], "reason": reasons}, dtype=str)

    def _looks(self, paths: Sequence[str], missing: list[int], workers: int) -> Iterator[_Look]:
        files = _Files([self.root / path for path in paths], self.reader)
        workers = workers if len(missing) >= WORTH_WORKERS else 0
        loader: DataLoader[_Look] = DataLoader(
            files,
            batch_size=BATCH,
            sampler=missing,
            num_workers=workers,
            collate_fn=as_it_is,
            prefetch_factor=4 if workers else None,
            generator=torch.Generator(),  # else a run that decodes would draw other random numbers than one that need not
        )
        looks = iter(loader)  # before the progress bar's thread begins: a process with threads should not be forked
        yield from track(looks, "Decoding pictures", total=len(loader), transient=True, disable=not missing)


class _Files(Dataset[_Look]):
    """Files to be read, hashed and decoded, by their numbers."""

    def __init__(self, files: list[Path], reader: ImageReader) -> None:
        self.files = [str(file) for file in files]
        self.reader = reader

    def __len__(self) -> int:
        return len(self.files)

    def __getitems__(self, numbers: list[int]) -> _Look:
        size = self.reader.size
        look = _Look(numbers, [], [], [], torch.empty((len(numbers), 3, size, size), dtype=torch.uint8))
        readable = 0
        for number in numbers:
            file = Path(self.files[number])
            digest, reason, stamp = b"", "", (0, 0, 0)
            try:
                stamp = _stamp(file) or stamp
                content = file.read_bytes()
                look.pixels[readable] = self.reader.read(file, content)
                digest = hashlib.sha256(content).digest()
                readable += 1
            except UnreadableImage as error:
                reason = error.reason
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
            look.stamps.append(stamp)
            look.digests.append(digest)
            look.reasons.append(reason)
        return _Look(look.files, look.stamps, look.digests, look.reasons, look.pixels[:readable])

    def __getitem__(self, number: int) -> _Look:
        return self.__getitems__([number])


def inspect_files(root: Path, paths: Sequence[str], *, max_pixels: int, threads: int) -> pd.DataFrame:
    """Read and decode every file once, without keeping anything: what `PixelStore.inspect` returns."""

    def look(path: str) -> tuple[str, str]:
        try:
            content = (root / path).read_bytes()
            read_image(root / path, max_pixels=max_pixels, content=content)
        except UnreadableImage as error:
            return "", error.reason
        except OSError as error:
            return "", (error.strerror or str(error)).lower()
        return hashlib.sha256(content).hexdigest(), ""

    with ThreadPoolExecutor(max(1, threads)) as pool:
        rows = list(track(pool.map(look, paths), "Decoding images", total=len(paths), transient=True))
    return pd.DataFrame(rows, columns=["sha256", "reason"], dtype=str)


def hash_files(files: Sequence[Path]) -> list[str]:
    """Return the SHA-256 of each file's bytes, 64 hexadecimal digits; "" for a file that can't be read."""

    def digest(file: Path) -> str:
        try:
            with file.open("rb") as content:
                return hashlib.file_digest(content, "sha256").hexdigest()
        except OSError:  # whoever reads it as an image lists it, with the reason
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
    """
    if len(rejected) and len(rejected) > allowed * total:
        first = rejected.iloc[0]
        where = f"; all are in {listed}" if listed else ""
        raise ArtclfError(
            f"{len(rejected)} of {total} pictures can't be read, more than data.max_rejected={allowed:g} allows "
            f"(first: {first['path']}: {first['reason']}{where}); mend or remove them, or raise data.max_rejected"
        )


def as_it_is(batch: T) -> T:
    """A collate_fn for datasets whose `__getitems__` gives whole batches."""
    return batch


def _stamp(file: Path) -> Stamp | None:
    try:
        status = os.stat(file)  # noqa: PTH116 (of very many files: a Path's own is slower)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _end_its_line(file: Path) -> None:
    """Cut off what a kill has left of a last line, so that the next one is not joined to it."""
    if file.exists():
        content = file.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with file.open("r+b") as ledger:
                ledger.truncate(whole)
