"""Names that are no text, and copies of images, by each command: no traceback, each image once, each name on one line."""

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import artclf
from tests.conftest import draw

LATIN1, RETURN = os.fsdecode(b"Andr\xe9.png"), "two\rlines.png"
ESCAPED = (r"Andr\xe9.png", r"two\rlines.png")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Ten images of each class; two more with bad names; three copies of one, and one under both labels."""
    root = tmp_path / "images"
    for number in range(10):
        draw(root / "ai" / "human" / f"{number}.png", "ai", number)  # a generator of this name
        draw(root / "human" / "oil" / f"{number}.png", "human", number)
    for name in (LATIN1, RETURN):
        draw(root / "human" / "oil" / name, "human", 20)
    first = root / "human" / "oil" / "0.png"
    first.with_name("link.png").symlink_to(first)
    first.with_name("hard.png").hardlink_to(first)
    shutil.copy(first, root / "human" / "copy.png")
    shutil.copy(root / "ai" / "human" / "9.png", root / "human" / "9.png")
    (root / "human" / "again").symlink_to(root / "human")
    return root


def test_predict_judges_images_of_any_name(alone: Path, images: Path) -> None:
    done = artclf("predict", alone, images / "human")
    assert len(done.stdout.splitlines()) == 1 + 16
    for name in ESCAPED:
        assert f"oil/{name}\n" in done.stdout


@pytest.mark.parametrize("words", [["audit"], ["data", "show"]])
def test_the_page_about_images_lists_bad_names(images: Path, tmp_path: Path, words: list[str]) -> None:
    done = artclf(*words, images, "--to", tmp_path / "page", code=1)
    assert [name in done.stderr for name in ESCAPED] == [True, True]
    assert sorted(pd.read_csv(tmp_path / "page" / "unreadable.csv")["path"]) == [f"human/oil/{name}" for name in ESCAPED]
    assert "human (generator)" in (tmp_path / "page" / "dataset.html").read_text()


@pytest.mark.usefixtures("no_report")
def test_an_evaluation_counts_each_image_once(alone: Path, images: Path, tmp_path: Path) -> None:
    (images / "human" / "no image.png").write_text("no image")
    done = artclf("evaluate", alone, images, "--to", tmp_path / "to", code=1)
    assert f"error: {images / 'human' / 'no image.png'}: not an image" in done.stderr
    assert pd.read_csv(tmp_path / "to" / "rejected.csv")["path"][0] == "human/no image.png"
    metrics = json.loads((tmp_path / "to" / "metrics.json").read_text())
    assert metrics["splits"]["test"]["n"] == 19 == len(pd.read_csv(tmp_path / "to" / "manifest.csv")) - 1  # the broken one
    assert metrics["data"]["duplicates"] == {"groups": 2, "files": 6, "removed": 0, "contradictory": 2, "copies": 3}
    assert metrics["data"]["rejected_by"] == [{"label": "human", "generator": "human", "rejected": 3, "of": 17}]
    assert (metrics["data"]["source"], metrics["data"]["rejected"]) == ("images", 3)
    assert any("6 files are copies of 2 images" in line for line in metrics["fallbacks"])
    groups = pd.read_csv(tmp_path / "to" / "groups.csv", keep_default_na=False)
    assert groups[groups["group"] == "generator"]["generator"].tolist() == ["human (generator)"]


def test_a_calibration_counts_each_image_once(alone: Path, images: Path) -> None:
    done = artclf("calibrate", alone, "--images", images, "--dry-run", code=1)
    assert "10 human, 9 AI" in done.stdout
    assert "5 copies of images left out: each image counts once, and none that has both labels" in done.stdout
    assert all(name in done.stderr for name in ESCAPED)
