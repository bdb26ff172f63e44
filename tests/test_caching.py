"""Whole runs with and without caches, and where nothing can be cached."""

import errno
from pathlib import Path

import pandas as pd
import pytest

from artclf.cache import array_store
from artclf.data import images, pixels
from artclf.data.images import open_image
from tests.conftest import FAST, draw
from tests.test_train import metrics_of

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


def test_a_second_run_opens_no_image_and_caches_change_no_result(
    train, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*SMALL, *LAST10, f"data.root={pictures}"]
    opened: list[str] = []

    def noted(path: Path, **options: object) -> object:
        opened.append(str(path))
        return open_image(path, **options)

    monkeypatch.setattr(images, "open_image", noted)
    first = train(*words, "hydra.run.dir=first")
    assert first.code == 0, first.printed
    assert len(first.lines("decoding")) == len(first.lines("computing the frozen layers")) == 1
    assert len(opened) == 52  # each image once
    opened.clear()
    second = train(*words, "hydra.run.dir=second")
    assert second.code == 0, second.printed
    assert not second.lines("decoding")
    assert not second.lines("computing the frozen layers")
    assert not opened
    assert train(*words, "cache.pixels=false", "cache.prefix=false", "hydra.run.dir=without").code == 0

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("ARTCLF_CACHE", str(tmp_path / "full"))
    monkeypatch.setattr(array_store, "_write", full)
    done = train(*words, "hydra.run.dir=full_disk")
    assert done.code == 0, done.printed
    assert "Traceback" not in done.printed
    assert len(done.lines("warning: pixels are not kept")) == 1
    assert not list((tmp_path / "full").rglob("*.npy*"))
    lines = fallbacks_of(tmp_path / "full_disk")
    assert len(lines) == 3  # pixels, and each stage
    assert all("the disk is full; artclf cache clear makes room" in line for line in lines)

    expected = pd.read_csv(tmp_path / "first" / "predictions.csv")
    for run, tolerance in (("second", 0), ("without", 2e-3), ("full_disk", 2e-3)):
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / run / "predictions.csv"), expected, atol=tolerance, rtol=0)
    assert [fallbacks_of(tmp_path / run) for run in ("first", "second", "without")] == [[], [], []]


def test_a_run_continues_without_a_cache_folder(train, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ARTCLF_CACHE", str(tmp_path / "file" / "cache"))
    done = train(*SMALL, *LAST10, f"data.root={pictures}", "hydra.run.dir=run")
    assert done.code == 0, done.printed
    fallbacks = fallbacks_of(tmp_path / "run")
    assert len(fallbacks) == 3
    assert all("not a directory; ARTCLF_CACHE names another folder" in line for line in fallbacks)
    assert all("computed again in every step" in line for line in fallbacks[1:])


def test_an_image_that_changes_between_runs_is_read_again(train, tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    for number in range(24):
        label = ("human", "ai")[number % 2]
        draw(root / label / f"{number}.png", label, number)
    words = [*SMALL, f"data.root={root}", "callbacks=none"]
    assert train(*words, "hydra.run.dir=first").code == 0
    draw(root / "ai" / "1.png", "ai", 99)
    assert train(*words, "hydra.run.dir=second").code == 0
    assert train(*words, "hydra.run.dir=third", "cache.pixels=false", "cache.prefix=false").code == 0
    hashes = [metrics_of(tmp_path / run)["data"]["manifest_sha256"] for run in ("first", "second", "third")]
    assert hashes[0] != hashes[1] == hashes[2]
    second, third = (pd.read_csv(tmp_path / run / "predictions.csv") for run in ("second", "third"))
    pd.testing.assert_frame_equal(second, third, atol=2e-3, rtol=0)


@pytest.mark.slow  # torch's compiler alone takes ten seconds to load
def test_without_a_compiler_the_error_is_one_line(
    train, pictures: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", (None, "/nowhere/g++"))
    done = train(*SMALL, *LAST10, f"data.root={pictures}", "trainer.compile=true", "hydra.run.dir=run")
    assert done.code == 2
    (line,) = done.lines("error: ")
    assert line.startswith("error: trainer.compile=true: can't compile here (")
    assert line.endswith("type trainer.compile=false")
