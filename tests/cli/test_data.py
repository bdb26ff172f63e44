from pathlib import Path

import pytest

from artclf.data.sources import artbench_download as verify
from tests.cli.conftest import artclf, refusal
from tests.conftest import draw
from tests.services import Kaggle


@pytest.fixture
def one_image_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 5 as the stand-in has it."""
    monkeypatch.setattr(verify, "VERSION_5", dict.fromkeys(verify.VERSION_5, 1))


@pytest.mark.usefixtures("one_image_each")
def test_fetch_downloads_verifies_and_says_how_to_use_it(kaggle: Kaggle) -> None:
    done = artclf("data", "fetch", "ai_artbench")
    assert "60 of 60 folders are as in version 5: 60 of 60 images" in done.stdout
    assert "images that can't be read: 0" in done.stdout
    assert "artclf train data=ai_artbench finds it" in done.stdout
    asked = len(kaggle.questions)
    again = artclf("data", "fetch", "ai_artbench", "--quick")
    assert "already downloaded" in again.stdout
    assert "no image was decoded" in again.stdout
    assert len(kaggle.questions) == asked
    artclf("data", "verify")  # without a folder: what was fetched


def test_fetch_tells_where_the_download_differs(kaggle: Kaggle) -> None:
    done = artclf("data", "fetch", "ai_artbench", "--quick", code=1)
    assert "0 of 60 folders are as in version 5: 60 of 185,015 images" in done.stdout
    assert "To download it anew, remove " in done.stdout


def test_an_interrupted_fetch_says_that_it_can_go_on(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kagglehub.dataset_download", interrupt)
    done = artclf("data", "fetch", "ai_artbench", code=130)
    assert "the same command goes on" in done.stdout
    assert done.stderr == "interrupted\n"


def test_verify_shows_the_folders_and_what_differs(tmp_path: Path) -> None:
    for number in range(12):
        draw(tmp_path / "test" / "AI_XX_baroque" / f"{number}.png", "ai", number, size=(8, 8))
        (tmp_path / "test" / f"{number:02}.jpg").write_bytes(b"")
    draw(tmp_path / "test" / "baroque" / "0.png", "human", 1, size=(8, 8))
    (tmp_path / "test" / "baroque" / "1.png").write_bytes(b"")
    done = artclf("data", "verify", str(tmp_path), code=1)
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in done.stdout.splitlines()]
    assert ["test/baroque", "2", "1,000", "-998"] in rows
    assert ["train/baroque", "0", "5,000", "missing"] in rows
    assert ["test", "12", "0", "not in version 5"] in rows
    assert "0 of 62 folders are as in version 5" in done.stdout
    assert "test/baroque/1.png: empty file" in done.stderr
    assert "images that can't be read: 1" in done.stdout


def test_verify_without_ai_artbench_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    assert f"{tmp_path}: no AI-ArtBench here" in refusal("data", "verify", tmp_path)
    assert f"is not (wholly) in {tmp_path}; type artclf data fetch ai_artbench" in refusal("data", "verify")
