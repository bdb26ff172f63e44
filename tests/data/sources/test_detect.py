from pathlib import Path

import pytest

from artclf.data.sources import read_any
from artclf.errors import ArtclfError


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def splits(root: Path) -> list[tuple[str, str, str]]:
    table = read_any(root).table
    return sorted(zip(table["split"], table["label"], table["generator"], strict=True))


@pytest.mark.parametrize("below", ["", "up", "up/Real_AI_SD_LD_Dataset"])
def test_ai_artbench(tmp_path: Path, below: str) -> None:
    base = tmp_path / "up" / "Real_AI_SD_LD_Dataset"
    touch(base, "train/AI_SD_baroque/a.jpg", "train/baroque/a.jpg")
    assert splits(tmp_path / below) == [("train", "ai", "stable_diffusion"), ("train", "human", "human")]


def test_ai_artbench_with_a_test_split_alone(tmp_path: Path) -> None:
    touch(tmp_path, "test/AI_LD_baroque/a.jpg")
    assert splits(tmp_path) == [("test", "ai", "latent_diffusion")]


def test_folders_of_labels_with_and_without_splits(tmp_path: Path) -> None:
    touch(tmp_path / "with", "train/ai/sd/a.png", "test/human/b.png", "unseen/ai/new/c.png")
    touch(tmp_path / "without", "ai/sd/a.png")
    assert splits(tmp_path / "with") == [("test", "human", "human"), ("train", "ai", "sd"), ("unseen", "ai", "new")]
    assert splits(tmp_path / "without") == [("", "ai", "sd")]


def test_a_table(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "table.CSV").write_text("path,label,generator,style,split\na.png,human,,,train\n")
    assert splits(tmp_path / "table.CSV") == [("train", "human", "human")]


def test_what_is_none_of_these_is_named_with_what_is_allowed(tmp_path: Path) -> None:
    touch(tmp_path, "picture.png", "other/train/cats/a.png", "empty/.hidden/ai/a.png")
    for path in (tmp_path / "picture.png", tmp_path / "other", tmp_path / "empty"):
        with pytest.raises(ArtclfError, match=rf"^{path}: holds none of the layouts.*allowed: .*\(ai\|human\).*CSV file"):
            read_any(path)
    with pytest.raises(ArtclfError, match=r"nowhere: does not exist \(looked in "):
        read_any(tmp_path / "nowhere")
