"""Whole runs with and without caches, and where nothing can be cached."""

import errno
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from artclf.cache import array_store
from artclf.data import images, pixels
from artclf.model.classifier import ArtClassifier
from tests.conftest import FAST, Outcome, draw, metrics_of

pytestmark = pytest.mark.filterwarnings("default")  # of libraries
SMALL = [*FAST, "data=folder", "stages.head.max_epochs=1", "trainer.precision=32-true"]
LAST10 = ["+finetune=last10", "stages.last10.max_epochs=1"]


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTCLF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pixels, "SETTLED", 0)  # the images have been drawn a moment ago


def fallbacks_of(run: Path) -> list[str]:
    """Without the first, that the frozen network is random."""
    return metrics_of(run)["fallbacks"][1:]


def full(*args: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_runs_share_what_is_cached_and_it_changes_no_result(
    train, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []

    def noted(path: Path, *args: object) -> object:
        opened.append(path)
        return decode(path, *args)

    def run(name: str, *words: str) -> Outcome:
        opened.clear()
        return train(*SMALL, *LAST10, f"data.root={root}", *words, f"hydra.run.dir={name}")

    root = Path(shutil.copytree(pictures, tmp_path / "pictures"))
    decode = images._opened
    monkeypatch.setattr(images, "_opened", noted)
    first = run("first")
    assert len(first.lines("decoding")) == len(first.lines("computing the frozen layers")) == 1
    assert len(opened) == 52  # each image once
    second = run("second")
    assert not second.lines("decoding")
    assert not second.lines("computing the frozen layers")
    assert not opened

    changed = root / "train" / "ai" / "alpha" / "plain" / "0.png"
    draw(changed, "ai", 99)
    run("changed")
    assert opened == [changed]
    monkeypatch.setenv("ARTCLF_CACHE", str(tmp_path / "full"))
    monkeypatch.setattr(array_store, "_write", full)
    done = run("full_disk")
    assert "Traceback" not in done.printed
    assert len(done.lines("warning: pixels are not kept")) == 1
    assert not list((tmp_path / "full").rglob("*.npy*"))
    lines = fallbacks_of(tmp_path / "full_disk")
    assert len(lines) == 3  # pixels, and each stage
    assert all("the disk is full; artclf cache clear makes room" in line for line in lines)
    assert [fallbacks_of(tmp_path / name) for name in ("first", "second", "changed")] == [[]] * 3

    for one, other, tolerance in (("first", "second", 0), ("changed", "full_disk", 2e-3)):
        tables = [pd.read_csv(tmp_path / name / "predictions.csv") for name in (one, other)]
        pd.testing.assert_frame_equal(*tables, atol=tolerance, rtol=0)
    hashes = [metrics_of(tmp_path / name)["data"]["manifest_sha256"] for name in ("first", "second", "changed", "full_disk")]
    assert hashes[0] == hashes[1] != hashes[2] == hashes[3]


@pytest.mark.parametrize("workers", [0, 1])
def test_images_that_are_removed_in_mid_run_end_it_in_one_line_and_it_can_continue(
    train, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    root = Path(shutil.copytree(pictures, tmp_path / "pictures"))
    words = [*SMALL, f"data.root={root}", "stages.head.max_epochs=2", "cache.pixels=false", "cache.prefix=false"]
    with monkeypatch.context() as removed:
        removed.setattr(ArtClassifier, "on_validation_epoch_end", lambda model: (root / "train").rename(root / "gone"))
        done = train(*words, f"data.num_workers={workers}", "hydra.run.dir=run", code=2)
    assert "Traceback" not in done.printed
    (line,) = done.lines("error: ")
    assert re.fullmatch(rf"error: {root}/train/\S+png: no such file or directory", line)
    (root / "gone").rename(root / "train")
    train("resume=run")


@pytest.mark.slow  # torch's compiler alone takes ten seconds to load
def test_without_a_compiler_the_error_is_one_line(
    train, pictures: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", (None, "/nowhere/g++"))
    done = train(*SMALL, *LAST10, f"data.root={pictures}", "trainer.compile=true", "hydra.run.dir=run", code=2)
    (line,) = done.lines("error: ")
    assert line.startswith("error: trainer.compile=true: can't compile here (")
    assert line.endswith("type trainer.compile=false")
