from pathlib import Path

import pytest

from artclf.cache.folder import cache_folder, kaggle_ai_artbench, kaggle_cache
from artclf.config.validate import schema_mistakes
from tests.conftest import composed


def test_the_caches_are_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in (("HOME", tmp_path), ("USERPROFILE", tmp_path), ("ARTCLF_CACHE", "~/own"), ("KAGGLEHUB_CACHE", "own")):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert (cache_folder(), kaggle_cache()) == (tmp_path / "own", Path("own"))
    monkeypatch.delenv("ARTCLF_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "artclf"
    for name in ("XDG_CACHE_HOME", "KAGGLEHUB_CACHE"):
        monkeypatch.delenv(name)
    assert (cache_folder(), kaggle_cache()) == (tmp_path / ".cache/artclf", tmp_path / ".cache/kagglehub")


def test_an_incomplete_download_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    kept = tmp_path / "datasets/ravidussilva/real-ai-art"
    (kept / "versions/5/Real_AI_SD_LD_Dataset/train/baroque").mkdir(parents=True)
    assert kaggle_ai_artbench() is None  # half-extracted
    (line,) = schema_mistakes(composed("data=ai_artbench"))
    assert line.startswith("data=ai_artbench needs data.root=FOLDER")
    assert str(tmp_path) in line
    (kept / "5.complete").touch()
    assert kaggle_ai_artbench() == kept / "versions/5"
    assert not schema_mistakes(composed("data=ai_artbench"))
    (kept / "versions/5").rename(kept / "versions/4")
    assert kaggle_ai_artbench() is None  # the marker alone
