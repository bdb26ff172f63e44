import shutil
from pathlib import Path

import pytest

from artclf.data.sources import read_source
from artclf.data.sources.ai_artbench import read_ai_artbench
from artclf.errors import ArtclfError
from tests.conftest import config_of


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    for split in ("train", "test"):
        for folder in ("ukiyo_e", "AI_LD_ukiyo-e", "AI_SD_ukiyo-e", "AI_SD_art_nouveau", "AI_NC_hatching"):
            file = tmp_path / "up" / "Real_AI_SD_LD_Dataset" / split / folder / "a.jpg"
            file.parent.mkdir(parents=True)
            file.write_bytes(b"not looked at here")
    (file.parent / "notes.txt").write_text("passed over")
    (file.parent / ".hidden.jpg").write_text("passed over")
    return tmp_path


@pytest.mark.parametrize("below", ["", "up", "up/Real_AI_SD_LD_Dataset"])
def test_the_root_is_at_or_above_the_dataset(bench: Path, below: str) -> None:
    manifest = read_ai_artbench(bench / below)
    assert len(manifest.table) == 10
    assert all((manifest.root / path).is_file() for path in manifest.table["path"])


def test_folders_give_label_generator_style_and_split(bench: Path) -> None:
    table = read_ai_artbench(bench).table
    test = table[table["split"] == "test"]
    assert sorted(zip(test["label"], test["generator"], test["style"], strict=True)) == [
        ("ai", "latent_diffusion", "ukiyo_e"),
        ("ai", "nearest_conv", "hatching"),
        ("ai", "stable_diffusion", "art_nouveau"),
        ("ai", "stable_diffusion", "ukiyo_e"),
        ("human", "human", "ukiyo_e"),
    ]


@pytest.mark.parametrize("given", ["", "elsewhere"])
def test_without_a_root_the_download_is_read(bench: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(bench / "kagglehub"))
    kept = bench / "kagglehub/datasets/ravidussilva/real-ai-art"
    (kept / "versions").mkdir(parents=True)
    (bench / "up").rename(kept / "versions/5")
    (kept / "5.complete").touch()
    words = []
    if given:
        shutil.copytree(kept / "versions/5", bench / given)
        words = [f"data.root={bench / given}"]
    manifest = read_source(config_of("data=ai_artbench", *words).data)
    assert len(manifest.table) == 10
    assert manifest.root == (bench / given if given else kept / "versions/5")


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtclfError, match=r"data.root=.*nowhere: does not exist"):
        read_ai_artbench(tmp_path / "nowhere")


def test_a_file_as_root_is_refused(bench: Path) -> None:
    with pytest.raises(ArtclfError, match="is a file, not a folder"):
        read_ai_artbench(bench / "up/Real_AI_SD_LD_Dataset/test/ukiyo_e/a.jpg")


def test_another_layout_is_told_from_it(tmp_path: Path) -> None:
    (tmp_path / "ai").mkdir()
    with pytest.raises(ArtclfError, match=r"no AI-ArtBench here.*data=folder"):
        read_ai_artbench(tmp_path)
