import hashlib
import os
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch

from artclf.cache.array_store import StoreError
from artclf.data import pixels as module
from artclf.data.canonical import Canonical
from artclf.data.pixels import PixelStore, inspect_files
from artclf.data.reader import ImageReader
from tests.conftest import draw

READ = ImageReader.read


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six images of both classes, drawn some time ago; two are the same."""
    monkeypatch.setenv("ARTCLF_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "images"
    for number in range(5):
        draw(folder / f"{number}.png", "ai" if number % 2 else "human", number)
    (folder / "same.png").write_bytes((folder / "0.png").read_bytes())
    return folder


@pytest.fixture(autouse=True)
def _settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLED", 0)


def opened(root: Path, **options: object) -> PixelStore:
    return PixelStore(root, ImageReader(**{"size": 32, "max_pixels": 10_000, **options}), max_gb=None)


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded."""
    found: list[str] = []

    def counted(reader: ImageReader, path: Path, content: bytes) -> torch.Tensor:
        found.append(Path(path).name)
        return READ(reader, path, content)

    monkeypatch.setattr(ImageReader, "read", counted)
    return found


@pytest.mark.parametrize("workers", [0, 2])
def test_pixels_are_those_of_the_files(root: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setattr(module, "WORTH_WORKERS", 1)
    monkeypatch.setattr(module, "BATCH", 2)
    torch.manual_seed(1)
    random_state = torch.get_rng_state()
    store, paths = opened(root), names(root)
    found = store.inspect(paths, workers=workers)
    assert torch.equal(
        torch.get_rng_state(), random_state
    )  # a run that decodes draws the same random numbers as one that need not
    assert found["sha256"].tolist() == [hashlib.sha256((root / path).read_bytes()).hexdigest() for path in paths]
    assert len(store) == 5
    numbers = store.find([bytes.fromhex(digest) for digest in found["sha256"]])
    for path, square in zip(paths, store.read(numbers), strict=True):
        assert torch.equal(square, READ(ImageReader(32), root / path))


def test_files_are_decoded_once(root: Path, reads: list[str]) -> None:
    found = opened(root).inspect(names(root), workers=0)
    assert reads == names(root)
    reads.clear()
    assert opened(root).inspect(names(root), workers=0).equals(found)
    assert reads == []
    for others in ({"size": 24}, {"canonical": Canonical(24, 75)}):
        assert len(opened(root, **others)) == 0  # other pixels are kept elsewhere


def test_unreadable_files_are_checked_each_time_with_or_without_a_store(root: Path) -> None:
    (root / "empty.png").write_bytes(b"")
    (root / "text.jpg").write_text("no image")
    draw(root / "large.png", "ai", 1, size=(101, 100))
    paths = [*names(root), "gone.png"]
    for _ in range(2):
        found = opened(root).inspect(paths, workers=0)
        assert found.equals(inspect_files(root, paths, max_pixels=10_000, threads=1))
    assert (found["reason"] != "").sum() == 4


def test_a_changed_file_is_read_again_and_the_others_are_not(root: Path, reads: list[str]) -> None:
    opened(root).inspect(names(root), workers=0)
    reads.clear()
    times = (root / "1.png").stat()
    draw(root / "1.png", "ai", 99)
    os.utime(root / "1.png", ns=(times.st_atime_ns, times.st_mtime_ns))  # as a tool that hides the change would
    found = opened(root).inspect(names(root), workers=0)
    assert reads == ["1.png"]
    assert found["sha256"][1] == hashlib.sha256((root / "1.png").read_bytes()).hexdigest()


def test_a_file_that_has_just_been_written_is_read_again(root: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLED", 10**12)
    for _ in range(2):
        reads.clear()
        opened(root).inspect(names(root), workers=0)
        assert reads == names(root)
    assert len(opened(root)) == 5  # but its pixels are not kept twice


def test_an_interrupted_pass_continues_where_it_stopped(root: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)

    def stopped(reader: ImageReader, path: Path, content: bytes) -> torch.Tensor:
        if Path(path).name == "4.png":
            raise KeyboardInterrupt
        return READ(reader, path, content)

    with monkeypatch.context() as patch:
        patch.setattr(ImageReader, "read", stopped)
        with pytest.raises(KeyboardInterrupt):
            opened(root).inspect(names(root), workers=0)
    with (next((root.parent / "cache" / "pixels").iterdir()) / module.LEDGER).open("a") as ledger:
        ledger.write('["4.png", [1, 2')  # what a kill leaves of a line
    opened(root).inspect(names(root), workers=0)
    assert reads == ["4.png", "same.png"]
    reads.clear()
    opened(root).inspect(names(root), workers=0)
    assert reads == []


def test_what_another_process_stores_meanwhile_is_not_decoded_again(
    root: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(root)
    building = store.rows.building

    def after_another() -> AbstractContextManager[None]:
        opened(root).inspect(names(root), workers=0)
        reads.clear()
        return building()

    monkeypatch.setattr(store.rows, "building", after_another)
    assert (store.inspect(names(root), workers=0)["sha256"] != "").all()
    assert reads == []
    assert len(store) == 5


def test_the_size_is_logged_and_limited_before_anything_is_decoded(
    root: Path, reads: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    small = PixelStore(root, ImageReader(32), max_gb=1e-6)
    with pytest.raises(StoreError, match=r"would take 1.84e-05 GB, more than cache.max_gb=1e-06 allows"):
        small.inspect(names(root), workers=0)
    assert reads == []
    with caplog.at_level("INFO"):
        opened(root).inspect(names(root), workers=0)
    assert "decoding 6 of 6 images once, and keeping 1.84e-05 GB of pixels in " in caplog.text
