import hashlib
import os
import re
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from artclf.cache.array_store import StoreError
from artclf.data import pixels as module
from artclf.data.canonical import Canonical
from artclf.data.pixels import PixelStore, hash_files, inspect_files
from artclf.data.reader import ImageReader, Pixels
from tests.conftest import draw

READ = ImageReader.read
NAMES = ["0.png", "1.png", "2.png", "3.png", "4.png", "same.png"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six images, drawn some time ago; two are the same."""
    monkeypatch.setenv("ARTCLF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "SETTLED", 0)
    monkeypatch.setattr(module, "BATCH", 2)
    folder = tmp_path / "images"
    for number, name in enumerate(NAMES[:-1]):
        draw(folder / name, "ai", number)
    (folder / "same.png").write_bytes((folder / "0.png").read_bytes())
    return folder


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded."""
    found: list[str] = []

    def counted(reader: ImageReader, path: Path, content: bytes) -> Pixels:
        found.append(path.name)
        return READ(reader, path, content)

    monkeypatch.setattr(ImageReader, "read", counted)
    return found


def opened(root: Path, **options: object) -> PixelStore:
    return PixelStore(root, ImageReader(**{"size": 32, "max_pixels": 10_000, **options}), max_gb=None)


def test_pixels_are_those_of_the_files(root: Path) -> None:
    store = opened(root)
    digests = store.inspect(NAMES, threads=2)["sha256"].tolist()
    assert digests == [hashlib.sha256((root / path).read_bytes()).hexdigest() for path in NAMES]
    assert len(store) == 5
    squares = store.read(store.find([bytes.fromhex(digest) for digest in digests]))
    assert np.array_equal(squares, np.stack([READ(ImageReader(32), root / path) for path in NAMES]))


@pytest.mark.parametrize("kept", [True, False])
def test_processes_find_what_threads_find(
    root: Path, tmp_path: Path, kept: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The same table, pixels, and ledger; some files can't be read."""
    (root / "empty.png").write_bytes(b"")
    draw(root / "large.png", "ai", 1, size=(101, 100))
    (root / "cut.png").write_bytes((root / "1.png").read_bytes()[:-200])
    paths = [*NAMES, "empty.png", "large.png", "cut.png", "gone.png"]

    def results(cache: str) -> list[object]:
        monkeypatch.setenv("ARTCLF_CACHE", str(tmp_path / cache))
        if not kept:
            return [inspect_files(root, paths, max_pixels=10_000, threads=2).to_dict()]
        table, store = opened(root).inspect(paths, threads=2), opened(root)
        return [table.to_dict(), store.read(np.arange(len(store))).tolist(), (store.folder / module.LEDGER).read_bytes()]

    by_threads = results("threads")
    monkeypatch.setattr(module, "MOST_THREADS", 1)
    monkeypatch.setattr(module, "WORTH_PROCESSES", 1)
    monkeypatch.delattr(module, "_by_threads")  # so that only processes can
    with caplog.at_level("INFO"):
        assert results("processes") == by_threads
    assert re.search(r"^decoded 6 images in \d+\.\d s: \d+ images a second$", caplog.messages[-1])


def test_processes_need_memory(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    shape = 3 * 224**2
    monkeypatch.setattr(module, "memory", lambda: 128 * 2**30)
    monkeypatch.setattr(module, "shared_memory", lambda: None)
    asked = {16: 16, 5: 5, 4: 0, 1: 0}
    assert {threads: module._processes(2000, shape, threads) for threads in asked} == asked
    assert module._processes(1999, shape, 16) == 0
    for free, most in ((2**28, 12), (2**26, 0)):  # 64 MB are what Docker gives
        monkeypatch.setattr(module, "shared_memory", lambda free=free: free)
        with caplog.at_level("INFO"):
            assert module._processes(2000, shape, 16) == most
        assert caplog.messages[-1].startswith(f"{most} of 16 processes decode images")


def test_files_are_hashed_up_to_a_size(root: Path) -> None:
    """A sparse file takes no room on the disk, and would take minutes to read."""
    with (root / "sparse.png").open("wb") as file:
        file.truncate(2**35)
    hashes = hash_files([root / name for name in (NAMES[0], "sparse.png", "gone.png")])
    assert hashes == [hashlib.sha256((root / NAMES[0]).read_bytes()).hexdigest(), "", ""]


def test_files_are_decoded_once(root: Path, reads: list[str]) -> None:
    found = opened(root).inspect(NAMES, threads=1)
    assert reads == NAMES
    assert opened(root).inspect(NAMES, threads=1).equals(found)
    assert reads == NAMES
    for others in ({"size": 24}, {"canonical": Canonical(24, 75)}):
        assert len(opened(root, **others)) == 0  # other pixels are kept elsewhere


def test_unreadable_files_are_checked_each_time_with_or_without_a_store(root: Path) -> None:
    (root / "empty.png").write_bytes(b"")
    draw(root / "large.png", "ai", 1, size=(101, 100))
    paths = [*NAMES, "empty.png", "large.png", "gone.png"]
    for _ in range(2):
        found = opened(root).inspect(paths, threads=1)
        assert found.equals(inspect_files(root, paths, max_pixels=10_000, threads=1))
    assert (found["reason"] != "").sum() == 3


def test_a_changed_file_is_read_again_and_the_others_are_not(root: Path, reads: list[str]) -> None:
    opened(root).inspect(NAMES, threads=1)
    reads.clear()
    times = (root / "1.png").stat()
    draw(root / "1.png", "ai", 99)
    os.utime(root / "1.png", ns=(times.st_atime_ns, times.st_mtime_ns))  # as a tool that hides the change would
    found = opened(root).inspect(NAMES, threads=1)
    assert reads == ["1.png"]
    assert found["sha256"][1] == hashlib.sha256((root / "1.png").read_bytes()).hexdigest()


def test_a_file_that_has_just_been_written_is_read_again(root: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLED", 10**12)
    for _ in range(2):
        opened(root).inspect(NAMES, threads=1)
    assert reads == 2 * NAMES
    assert len(opened(root)) == 5  # but its pixels are not kept twice


def test_an_interrupted_pass_continues_where_it_stopped(root: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(reader: ImageReader, path: Path, content: bytes) -> Pixels:
        if path.name == "4.png":
            raise KeyboardInterrupt
        return READ(reader, path, content)

    store = opened(root)
    with monkeypatch.context() as patch:
        patch.setattr(ImageReader, "read", stopped)
        with pytest.raises(KeyboardInterrupt):
            store.inspect(NAMES, threads=1)
    with (store.folder / module.LEDGER).open("a") as ledger:
        ledger.write('["4.png", [1, 2')  # what a kill leaves of a line
    for _ in range(2):
        opened(root).inspect(NAMES, threads=1)
        assert reads == ["4.png", "same.png"]


def test_what_another_process_stores_meanwhile_is_not_decoded_again(
    root: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(root)
    building = store.rows.building

    def after_another() -> AbstractContextManager[None]:
        opened(root).inspect(NAMES, threads=1)
        return building()

    monkeypatch.setattr(store.rows, "building", after_another)
    assert (store.inspect(NAMES, threads=1)["sha256"] != "").all()
    assert reads == NAMES
    assert len(store) == 5


def test_the_size_is_logged_and_limited_before_anything_is_decoded(
    root: Path, reads: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StoreError, match=r"would take 1.84e-05 GB, more than cache.max_gb=1e-06 allows"):
        PixelStore(root, ImageReader(32), max_gb=1e-6).inspect(NAMES, threads=1)
    assert reads == []
    with caplog.at_level("INFO"):
        opened(root).inspect(NAMES, threads=1)
    assert "decoding 6 images once, and keeping 1.84e-05 GB of pixels in " in caplog.text
