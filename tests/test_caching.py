"""Whole runs with and without what is kept, and where it can't be."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from artclf.cache import array_store
from artclf.data import images, pixels
from artclf.data.images import open_image
from artclf.training import experiment
from tests.conftest import FAST, draw
from tests.test_train import metrics_of

pytestmark = pytest.mark.filterwarnings("default")  # libraries warn each other
SMALL = [*FAST, "data=folder", "stages.head.max_epochs=1", "trainer.precision=32-true"]
LAST10 = ["+finetune=last10", "stages.last10.max_epochs=1"]


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTCLF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pixels, "SETTLED", 0)  # the pictures have been drawn a moment ago


def predictions_of(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "predictions.csv")


def fallbacks_of(run: Path) -> list[str]:
    """Without the first, that the frozen network is random."""
    return metrics_of(run)["fallbacks"][1:]


def test_a_second_run_opens_no_picture_and_what_is_kept_changes_no_result(
    train, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*SMALL, *LAST10, f"data.root={pictures}"]
    opened: list[str] = []

    def noted(path: Path, **options: object) -> object:
        opened.append(str(path))
        return open_image(path, **options)

    monkeypatch.setattr(images, "open_image", noted)
    for name in ("write_run", "judge_both_forms"):  # the report shows some, and judges some in the other form
        monkeypatch.setattr(experiment, name, reporting(getattr(experiment, name), opened))
    first = train(*words, "hydra.run.dir=first")
    assert first.code == 0, first.printed
    assert len(first.lines("decoding")) == len(first.lines("computing the frozen layers")) == 1
    assert opened.index("the report") == 52  # each picture once
    opened.clear()
    second = train(*words, "hydra.run.dir=second")
    assert second.code == 0, second.printed
    assert not second.lines("decoding")
    assert not second.lines("computing the frozen layers")
    assert opened[0] == "the report"
    without = train(*words, "cache.pixels=false", "cache.prefix=false", "hydra.run.dir=without")
    assert not without.lines("keeping")

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
    assert [line.split(":")[0] for line in lines] == [
        "pixels are not kept, the files are decoded in every epoch",
        "stage head",
        "stage last10",
    ]
    assert all("the disk is full; artclf cache clear makes room" in line for line in lines)

    expected = predictions_of(tmp_path / "first")
    pd.testing.assert_frame_equal(predictions_of(tmp_path / "second"), expected)
    for run in ("without", "full_disk"):
        pd.testing.assert_frame_equal(predictions_of(tmp_path / run), expected, atol=2e-3, rtol=0)
    assert [fallbacks_of(tmp_path / run) for run in ("first", "second", "without")] == [[], [], []]


def reporting(function: Callable[..., Any], opened: list[str]) -> Callable[..., Any]:
    def report(*args: Any, **options: Any) -> Any:
        opened.append("the report")
        return function(*args, **options)

    return report


def test_a_cache_folder_that_can_not_be_written_is_told_and_the_run_goes_on(
    train, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ARTCLF_CACHE", str(tmp_path / "file" / "cache"))
    done = train(*SMALL, *LAST10, f"data.root={pictures}", "hydra.run.dir=run")
    assert done.code == 0, done.printed
    fallbacks = fallbacks_of(tmp_path / "run")
    assert len(fallbacks) == 3
    assert all("not a directory; ARTCLF_CACHE names another folder" in line for line in fallbacks)
    assert "stage last10: what its frozen layers give is kept in memory, for this run alone" in fallbacks[2]


def test_a_picture_that_changes_between_runs_is_read_anew(train, tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    for number in range(24):
        draw(root / ("ai" if number % 2 else "human") / f"{number}.png", "ai" if number % 2 else "human", number)
    words = [*SMALL, f"data.root={root}"]
    assert train(*words, "hydra.run.dir=first").code == 0
    draw(root / "ai" / "1.png", "ai", 99)
    assert train(*words, "hydra.run.dir=second").code == 0
    fresh = train(*words, "hydra.run.dir=third", "cache.pixels=false", "cache.prefix=false")
    assert fresh.code == 0
    hashes = [metrics_of(tmp_path / run)["data"]["manifest_sha256"] for run in ("second", "third")]
    assert hashes[0] == hashes[1]
    pd.testing.assert_frame_equal(predictions_of(tmp_path / "second"), predictions_of(tmp_path / "third"), atol=2e-3, rtol=0)


@pytest.mark.slow  # torch's compiler alone takes ten seconds to load
def test_without_a_compiler_one_line_says_so(train, pictures: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", (None, "/nowhere/g++"))
    done = train(*SMALL, *LAST10, f"data.root={pictures}", "trainer.compile=true", "hydra.run.dir=run")
    assert done.code == 2
    assert done.lines("error: ")[0].startswith("error: trainer.compile=true: can't compile here (")
    assert "type trainer.compile=false" in done.lines("error: ")[0]
    assert "Traceback" not in done.printed
