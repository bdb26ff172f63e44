"""Each layout is listed with what its names say of the images; what is none of them is one clear line."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from artclf.data.sources import read_any, read_source
from artclf.data.sources.ai_artbench import read_ai_artbench
from artclf.data.sources.csv import read_csv
from artclf.data.sources.folder import image_files, read_folder
from artclf.errors import ArtclfError
from tests.conftest import config_of

HEADER = "path,label,generator,style,split"


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


# -- folders


def test_images_come_by_name_and_a_folder_that_cannot_be_opened_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "b/2.png", "b/1.JPG", "a/x.webp", "a/notes.txt", "a/.thumb.png", ".cache/y.png", "noname")
    found = [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)]
    assert found == ["noname", "a/x.webp", "b/1.JPG", "b/2.png"]
    scandir = os.scandir

    def refusing(path: Any) -> Iterator[Any]:  # a test may run as root, who can open everything
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(ArtclfError, match=r"b: this folder can't be read \(permission denied\)"):
        list(image_files(tmp_path))


@pytest.mark.parametrize(
    "expected",
    [
        {
            "train/ai/sd/baroque/1.png": ("train", "ai", "sd", "baroque"),
            "train/ai/sd/2.png": ("train", "ai", "sd", "unknown"),
            "train/ai/3.png": ("train", "ai", "unknown", "unknown"),
            "val/Human/baroque/late/4.png": ("val", "human", "human", "baroque/late"),
        },
        {"ai/sd/1.png": ("", "ai", "sd", "unknown"), "human/2.png": ("", "human", "human", "unknown")},
    ],
)
def test_folders_of_labels_with_and_without_splits(tmp_path: Path, expected: dict[str, tuple[str, ...]]) -> None:
    touch(tmp_path, *expected)
    table = read_folder(tmp_path).table
    assert table.set_index("path")[["split", "label", "generator", "style"]].T.to_dict("list") == {
        path: list(row) for path, row in expected.items()
    }
    assert read_any(tmp_path).table.equals(table)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["train/fake/1.png", "train/human/2.png"], "'fake', which names no label; allowed: ai, human"),
        (["1.png"], "names no label"),
        (["ai/notes.txt"], "no images found"),
    ],
)
def test_other_folders_are_refused(tmp_path: Path, paths: list[str], message: str) -> None:
    touch(tmp_path, *paths)
    with pytest.raises(ArtclfError, match=message):
        read_folder(tmp_path)


# -- a table


def write(folder: Path, *lines: str) -> Path:
    touch(folder, "images/a.png", "images/b.png")
    (folder / "table.csv").write_text("\n".join(lines) + "\n", "utf-8", "surrogateescape")
    return folder / "table.csv"


def test_paths_are_relative_to_the_file_and_empty_cells_are_filled(tmp_path: Path) -> None:
    file = write(tmp_path, f"{HEADER},source", "images/b.png, AI ,,,,somewhere", "images/a.png,human,x,Ukiyo-e,test,")
    manifest = read_csv(file)
    assert manifest.root == tmp_path
    assert manifest.table.to_numpy().tolist() == [
        ["images/a.png", "human", "human", "Ukiyo-e", "test"],
        ["images/b.png", "ai", "unknown", "unknown", ""],
    ]
    assert read_any(file).table.equals(manifest.table)
    below = tmp_path / "images"  # the root may be another folder
    assert read_csv(write(tmp_path, HEADER, "a.png,ai,,,", "b.png,human,,,"), below).root == below


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["path,lable,generator,style,split", "images/a.png,ai,,,"], "has no column label; got path, lable.*mean lable"),
        ([HEADER, "images/a.png,ai,,,", "images/c.png,ai,,,"], "1 of 2 images do not exist .first: .*c.png"),
        ([HEADER, "images/a.png,fake,,,"], "got the label 'fake' .*allowed: ai, human"),
        ([HEADER, "images/a.png,ai,,,", "images/a.png,ai,,,"], "1 duplicate paths"),
        ([HEADER], "no images found"),
        ([""], "is no CSV table"),
        ([HEADER, "M\udcfcnch.png,human,,,"], "is no CSV table in UTF-8"),  # in Latin-1
    ],
)
def test_a_mistake_in_the_table_is_one_line(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(ArtclfError, match=message) as caught:
        read_csv(write(tmp_path, *lines))
    assert "\n" not in str(caught.value)
    with pytest.raises(ArtclfError, match=r"data.csv=.*nope.csv: there is no such file"):
        read_csv(tmp_path / "nope.csv")


# -- AI-ArtBench


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    base = tmp_path / "up" / "Real_AI_SD_LD_Dataset"
    for split in ("train", "test"):
        touch(base / split, "ukiyo_e/a.jpg", "AI_LD_ukiyo-e/a.jpg", "AI_SD_art_nouveau/a.jpg", "AI_NC_hatching/a.jpg")
        touch(base / split / "ukiyo_e", "notes.txt", ".hidden.jpg")
    return tmp_path


@pytest.mark.parametrize("below", ["", "up", "up/Real_AI_SD_LD_Dataset"])
def test_folders_give_label_generator_style_and_split(bench: Path, below: str) -> None:
    manifest = read_any(bench / below)
    assert all((manifest.root / path).is_file() for path in manifest.table["path"])
    test = manifest.table[manifest.table["split"] == "test"]
    assert len(manifest.table) == 2 * len(test)
    assert sorted(zip(test["label"], test["generator"], test["style"], strict=True)) == [
        ("ai", "latent_diffusion", "ukiyo_e"),
        ("ai", "nearest_conv", "hatching"),
        ("ai", "stable_diffusion", "art_nouveau"),
        ("human", "human", "ukiyo_e"),
    ]


def test_without_a_root_the_download_is_read(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(bench / "kagglehub"))
    kept = bench / "kagglehub/datasets/ravidussilva/real-ai-art"
    shutil.copytree(bench / "up", kept / "versions/5")
    (kept / "5.complete").touch()
    assert read_source(config_of("data=ai_artbench").data).root == kept / "versions/5"
    assert read_source(config_of("data=ai_artbench", f"data.root={bench / 'up'}").data).root == bench / "up"


def test_what_is_no_source_is_named_with_what_is_allowed(tmp_path: Path) -> None:
    touch(tmp_path, "image.png", "other/train/cats/a.png", "empty/.hidden/ai/a.png")
    cases = (("nowhere", "does not exist"), ("image.png", "is a file"), ("other/train", "no AI-ArtBench here.*folder"))
    for path, reason in cases:
        with pytest.raises(ArtclfError, match=rf"^data.root={tmp_path / path}: {reason}"):
            read_ai_artbench(tmp_path / path)
    for path in ("image.png", "other", "empty"):
        with pytest.raises(ArtclfError, match=rf"{path}: holds none of the layouts.*allowed: .*\(ai\|human\).*CSV file"):
            read_any(tmp_path / path)
    with pytest.raises(ArtclfError, match=r"nowhere: does not exist \(looked in "):
        read_any(tmp_path / "nowhere")
