from pathlib import Path

import pytest

from artclf.cache.folder import cache_folder, kaggle_ai_artbench, kaggle_cache
from artclf.config.check import schema_mistakes
from tests.conftest import composed


def test_the_caches_are_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("ARTCLF_CACHE", "~/own")
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("ARTCLF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "artclf"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / ".cache" / "artclf"
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "own"))
    assert kaggle_cache() == tmp_path / "own"
    monkeypatch.delenv("KAGGLEHUB_CACHE")
    assert kaggle_cache() == tmp_path / ".cache" / "kagglehub"


def test_a_download_is_taken_for_the_data_set_only_when_it_is_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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
