from pathlib import Path

import pytest

from artclf.data.sources.folder import read_folder
from artclf.errors import ArtclfError


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def facts(root: Path) -> dict[str, tuple[str, str, str, str]]:
    table = read_folder(root).table.set_index("path")
    return {str(path): (row["split"], row["label"], row["generator"], row["style"]) for path, row in table.iterrows()}


def test_with_splits(tmp_path: Path) -> None:
    touch(tmp_path, "train/ai/sd/baroque/1.png", "train/ai/sd/2.png", "train/ai/3.png", "val/Human/baroque/late/4.png")
    assert facts(tmp_path) == {
        "train/ai/sd/baroque/1.png": ("train", "ai", "sd", "baroque"),
        "train/ai/sd/2.png": ("train", "ai", "sd", "unknown"),
        "train/ai/3.png": ("train", "ai", "unknown", "unknown"),
        "val/Human/baroque/late/4.png": ("val", "human", "human", "baroque/late"),
    }


def test_without_splits(tmp_path: Path) -> None:
    touch(tmp_path, "ai/sd/1.png", "human/2.png")
    assert facts(tmp_path) == {"ai/sd/1.png": ("", "ai", "sd", "unknown"), "human/2.png": ("", "human", "human", "unknown")}


def test_an_unknown_label_is_named_with_what_is_allowed(tmp_path: Path) -> None:
    touch(tmp_path, "train/fake/1.png", "train/human/2.png")
    with pytest.raises(ArtclfError, match="'fake', which names no label; allowed: ai, human"):
        read_folder(tmp_path)


def test_a_picture_beside_the_folders_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "1.png")
    with pytest.raises(ArtclfError, match="names no label"):
        read_folder(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ai").mkdir()
    with pytest.raises(ArtclfError, match="no pictures found"):
        read_folder(tmp_path)
