import os
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from artclf.cache.array_store import RowStore
from tests.cli.conftest import artclf, refusal


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two stores and demo images, used on different days, and something that is not artclf's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ARTCLF_CACHE", str(folder))
    for days, (kind, what) in enumerate((("pixels", "/images at 224 px"), ("prefix", "resnet50 without its head"))):
        store = RowStore(folder / kind / "abc", 1000, {"what": what})
        with store.building():
            store.append([bytes(32)], np.zeros((1, 1000), dtype=np.uint8))
        used = time.time() - days * 86400 * 10
        os.utime(store.folder / "about.json", (used, used))
    (folder / "demo" / "def" / "inside").mkdir(parents=True)
    (folder / "demo" / "def" / "README.txt").write_text("drawn")
    (folder / "prefix" / "mine").mkdir()
    (folder / "prefix" / "mine" / "letter.txt").write_text("not artclf's")
    return folder


def test_everything_is_listed_and_cleared_and_nothing_else(cache: Path) -> None:
    lines = artclf("cache", "list").stdout.splitlines()
    assert [line.split()[3] for line in lines[1:-1]] == ["demo/def", "pixels/abc", "prefix/abc"]
    assert "/images at 224 px" in lines[2]
    assert lines[-1].endswith(f"in {cache}; artclf cache clear removes it")
    done = artclf("cache", "clear")
    assert done.stdout.splitlines()[-1].endswith(f"freed in {cache}")
    assert [str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()] == ["prefix/mine/letter.txt"]
    assert artclf("cache", "list").stdout.startswith("0 bytes in")  # an empty one is no error
    artclf("cache", "clear")


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["pixels"], {"prefix/abc", "demo/def"}),
        (["prefix/abc", "demo"], {"pixels/abc"}),
        (["--unused", "5"], {"pixels/abc", "demo/def"}),
    ],
)
def test_part_of_it_is_cleared(cache: Path, words: list[str], left: set[str]) -> None:
    artclf("cache", "clear", *words)
    assert {line.split()[3] for line in artclf("cache", "list").stdout.splitlines()[1:-1]} == left


def test_an_unknown_name_clears_nothing(cache: Path) -> None:
    allowed = "pixels, prefix, features, audits, demo, or a name of artclf cache list"
    assert refusal("cache", "clear", "pixel") == f"error: got 'pixel'; allowed: {allowed}; did you mean pixels?"
    assert len(artclf("cache", "list").stdout.splitlines()) == 5


def test_what_is_being_written_stays_and_a_process_that_reads_goes_on(cache: Path) -> None:
    with FileLock(cache / "pixels" / "abc" / ".lock"):
        done = artclf("cache", "clear", code=1)
    assert done.stderr == "error: pixels/abc stays: a process is writing it\n"
    reader = RowStore(cache / "pixels" / "abc", 1000, {})
    artclf("cache", "clear")
    assert reader.read(np.array([0])).shape == (1, 1000)
