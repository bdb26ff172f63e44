import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from artclf.cache.array_store import StoreError
from artclf.data import pixels as module
from artclf.data.pixels import PixelStore, check_share, inspect_files
from artclf.data.reader import ImageReader
from artclf.errors import ArtclfError
from tests.conftest import draw

READ = ImageReader.read


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six pictures of two kinds, drawn some time ago; two are the same."""
    monkeypatch.setenv("ARTCLF_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "pictures"
    for number in range(5):
        draw(folder / f"{number}.png", "ai" if number % 2 else "human", number)
    (folder / "same.png").write_bytes((folder / "0.png").read_bytes())
    return folder


@pytest.fixture(autouse=True)
def _settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLED", 0)


def opened(root: Path, size: int = 32) -> PixelStore:
    return PixelStore(root, ImageReader(size, max_pixels=10_000), max_gb=None)


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


def test_pixels_are_those_of_the_files_and_are_decoded_once(root: Path, reads: list[str]) -> None:
    store, paths = opened(root), names(root)
    looks = store.inspect(paths, workers=0)
    assert len(store) == 5
    assert looks["sha256"].tolist() == [hashlib.sha256((root / path).read_bytes()).hexdigest() for path in paths]
    numbers = store.find([bytes.fromhex(digest) for digest in looks["sha256"]])
    pixels = store.read(numbers)
    for path, square in zip(paths, pixels, strict=True):
        assert torch.equal(square, READ(ImageReader(32), root / path))
    assert reads == paths
    reads.clear()
    again = opened(root).inspect(paths, workers=0)
    assert again.equals(looks)
    assert reads == []
    assert len(opened(root, size=24)) == 0  # other pixels are kept elsewhere


def test_what_is_found_is_what_the_look_without_a_store_finds(root: Path) -> None:
    (root / "empty.png").write_bytes(b"")
    (root / "text.jpg").write_text("no picture")
    draw(root / "large.png", "ai", 1, size=(101, 100))
    paths = [*names(root), "gone.png"]
    for _ in range(2):  # unreadable files are looked at each time
        looks = opened(root).inspect(paths, workers=0)
        assert looks.equals(inspect_files(root, paths, max_pixels=10_000, threads=1))
    assert (looks["reason"] != "").sum() == 4


def test_a_changed_file_is_read_again_and_the_others_are_not(root: Path, reads: list[str]) -> None:
    opened(root).inspect(names(root), workers=0)
    reads.clear()
    times = (root / "1.png").stat()
    draw(root / "1.png", "ai", 99)
    os.utime(root / "1.png", ns=(times.st_atime_ns, times.st_mtime_ns))  # as a tool that hides the change would
    looks = opened(root).inspect(names(root), workers=0)
    assert reads == ["1.png"]
    assert looks["sha256"][1] == hashlib.sha256((root / "1.png").read_bytes()).hexdigest()


def test_a_file_that_has_just_been_written_is_not_taken_as_known(
    root: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLED", 10**12)
    opened(root).inspect(names(root), workers=0)
    reads.clear()
    opened(root).inspect(names(root), workers=0)
    assert reads == names(root)
    assert len(opened(root)) == 5  # but their pixels are not kept twice


def test_processes_find_what_one_finds(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = opened(root).inspect(names(root), workers=0)
    monkeypatch.setenv("ARTCLF_CACHE", str(root.parent / "other"))
    monkeypatch.setattr(module, "WORTH_WORKERS", 1)
    monkeypatch.setattr(module, "BATCH", 2)
    store = opened(root)
    assert store.inspect(names(root), workers=2).equals(alone)
    digests = [bytes.fromhex(digest) for digest in alone["sha256"]]
    for path, square in zip(names(root), store.read(store.find(digests)), strict=True):
        assert torch.equal(square, READ(ImageReader(32), root / path))


def test_a_run_that_decodes_draws_the_same_random_numbers_as_one_that_need_not(root: Path) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    opened(root).inspect(names(root), workers=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_interrupted_pass_goes_on_where_it_stood(root: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_two_processes_build_one_store(root: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.data.test_pixels import names, opened\n"
        "root = Path(sys.argv[1]); print(opened(root).inspect(names(root), workers=0)['sha256'].str.len().sum())"
    )
    repository = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    command = [sys.executable, "-c", script, str(root)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=repository) for _ in range(2)]
    assert [child.communicate(timeout=300)[0].split()[-1] for child in both] == ["384", "384"]
    assert len(opened(root)) == 5


def test_the_size_is_told_and_limited_before_anything_is_decoded(
    root: Path, reads: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    small = PixelStore(root, ImageReader(32), max_gb=1e-6)
    with pytest.raises(StoreError, match=r"would take 1.84e-05 GB, more than cache.max_gb=1e-06 allows"):
        small.inspect(names(root), workers=0)
    assert reads == []
    with caplog.at_level("INFO"):
        opened(root).inspect(names(root), workers=0)
    assert "decoding 6 pictures once, and keeping 1.84e-05 GB of pixels in " in caplog.text


def test_too_many_rejected_files_stop_the_run() -> None:
    rejected = pd.DataFrame({"path": ["a.png"], "reason": ["empty file"]})
    check_share(rejected, 20, allowed=0.05, listed=None)
    with pytest.raises(ArtclfError, match=r"1 of 19 pictures.*data.max_rejected=0.05.*a.png: empty file; all are in .*x.csv"):
        check_share(rejected, 19, allowed=0.05, listed=Path("x.csv"))
