"""Each layout is listed with what its names say of the images; what is none of them is one clear line."""

import os
import shutil
import unicodedata
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
        (root / path).write_bytes(b"\xff\xd8\xff")


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


def test_what_lies_beside_images_is_passed_over_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "a/1.jpg", "a/Mr. Turner", "a/2.JPG_large", "b/3.heic")  # by suffix, else by the first bytes
    (tmp_path / "b" / "4.png").write_bytes(b"")  # it is listed as rejected later
    for name in ("1.txt", "1.jpg.xmp", "1.caption", "1.npz", "1.safetensors", "Thumbs.db", "1.jpg:Zone.Identifier", "LICENSE"):
        (tmp_path / "a" / name).write_bytes(b"[ZoneTransfer]")
    touch(tmp_path, "a/._1.jpg", "a/raw.nef", "a/1.jpg~", "a/1.jpg_original", "a/1.thm", ".thumbnails/1.jpg")
    for folder in ("@eaDir/1.jpg", "#recycle", "__MACOSX/a", "$RECYCLE.BIN", "System Volume Information", "lost+found"):
        touch(tmp_path, f"a/{folder}/1.jpg")
    for name in ("pipe", "pipe.png"):
        os.mkfifo(tmp_path / "b" / name)
    found = [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)]
    assert found == ["a/1.jpg", "a/2.JPG_large", "a/Mr. Turner", "b/3.heic", "b/4.png"]
    (line,) = caplog.messages
    for counted in (
        "1 × .npz",
        "1 × .caption",
        "1 × @eaDir/",
        "2 × hidden",
        "1 × .identifier",
        "1 × of another name",
        "2 × pipe or device",
    ):
        assert counted in line


@pytest.mark.parametrize("written", ["multirun.yaml", "predictions.csv", "dataset.html", "config.yaml train.log"])
def test_what_artclf_writes_among_images_is_passed_over(tmp_path: Path, written: str) -> None:
    touch(tmp_path, "train/ai/1.png", "train/human/2.png", "outputs/audit/x/figures/files.png", "wandb/media/1.png")
    touch(tmp_path / "outputs" / "audit" / "x", *written.split())
    assert read_folder(tmp_path).table["path"].tolist() == ["train/ai/1.png", "train/human/2.png"]
    assert len(read_folder(tmp_path / "train").table) == 2


def test_each_folder_is_entered_once_by_its_own_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tmp_path / "root"
    touch(root, "ai/gan/1.png", "human/zen/2.png")
    touch(tmp_path, "pool/3.png")
    for number in range(12):  # each leads to all others: a walk of every path would never end
        (root / "human" / f"loop{number}").mkdir()
        for other in range(12):
            (root / "human" / f"loop{number}" / f"to{other}").symlink_to(root / "human" / f"loop{other}")
    links = {
        "ai/gan/up": "..",
        "human/again": "zen",
        "human/out": tmp_path,
        "human/self": "self",
        "human/pool": tmp_path / "pool",
    }
    for link, target in links.items():
        (root / link).symlink_to(target)
    assert read_folder(root).table["path"].tolist() == ["ai/gan/1.png", "human/pool/3.png", "human/self", "human/zen/2.png"]
    assert "147 × link to a folder that is listed already" in caplog.text


def test_names_that_are_not_text_are_rejected_and_the_others_read(tmp_path: Path) -> None:
    names = [os.fsdecode(b"Andr\xe9.png"), "two\rlines.png", "two\nlines.png", "two\u2028lines.png", "Gem\u00e4lde \u3000.png"]
    touch(tmp_path, "ai/1.png", *(f"human/{name}" for name in names))
    manifest = read_folder(tmp_path)
    assert manifest.table["path"].tolist() == ["ai/1.png", f"human/{names[-1]}"]
    assert manifest.to_csv().encode().count(b"\n") == 3
    escaped = {r"Andr\xe9.png", r"two\nlines.png", r"two\rlines.png", r"two\u2028lines.png"}
    assert {Path(path).name for path in manifest.rejected["path"]} == escaped
    assert manifest.rejected["reason"].str.startswith("its name is not UTF-8, or").all()
    (tmp_path / "human" / names[-1]).unlink()
    (tmp_path / "ai" / "1.png").unlink()
    with pytest.raises(ArtclfError, match=r"no images found .of 4 files: its name is not UTF-8"):
        read_folder(tmp_path)


@pytest.mark.parametrize("below", ["", "train/", "Pictures/"])
@pytest.mark.parametrize(("ai", "human"), [("AI", "Human"), ("Ai", "HUMAN"), ("ai", "human")])
def test_labels_are_read_in_any_case_by_every_command(tmp_path: Path, below: str, ai: str, human: str) -> None:
    touch(tmp_path, f"{below}{ai}/gan/1.png", f"{below}{human}/monet/2.png", f"{below}{human}/3.png")
    expected = [("ai", "gan", "unknown"), ("human", "human", "unknown"), ("human", "human", "monet")]
    for read in (read_folder, read_any):
        table = read(tmp_path).table
        assert sorted(table[["label", "generator", "style"]].itertuples(index=False, name=None)) == sorted(expected)


@pytest.mark.parametrize("name", ["human", "Human"])
def test_a_generator_called_human_is_renamed(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, f"train/ai/{name}/1.png", "train/ai/sd/2.png", "train/human/3.png")
    counts = {"ai": {"human (generator)": 1, "sd": 1}, "human": {"human": 1}}
    assert read_folder(tmp_path).counts() == {"train": counts}
    assert "1 AI images are of a generator called human" in caplog.text
    rows = [f"train/ai/{name}/1.png,ai,{name}", "train/ai/sd/2.png,ai,sd", "train/human/3.png,human,sd"]
    (tmp_path / "table.csv").write_text("\n".join(["path,label,generator", *rows]))
    assert read_csv(tmp_path / "table.csv").counts() == {"": counts}


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
        ["images/a.png", "human", "human", "Ukiyo-e", "test", ""],
        ["images/b.png", "ai", "unknown", "unknown", "", "somewhere"],
    ]
    assert read_any(file).table.equals(manifest.table)
    below = tmp_path / "images"  # the root may be another folder
    assert read_csv(write(tmp_path, HEADER, "a.png,ai,,,", "b.png,human,,,"), below).root == below


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["path,lable,generator,style,split", "images/a.png,ai,,,"],
            "got the columns path, lable.*needed, once each: path, label;.*mean lable",
        ),
        ([HEADER, "images/a.png,ai,,,", "images/c.png,ai,,,"], "1 of 2 images do not exist .first: .*c.png"),
        ([HEADER, "images/a.png,fake,,,"], "got the label 'fake' .*allowed: ai, human"),
        ([HEADER, "images/a.png,ai,,,", "images/a.png,ai,,,"], "1 duplicate paths"),
        ([HEADER], "no images found"),
        ([""], "got the columns none; needed, once each: path, label"),
        ([HEADER, "M\udcfcnch.png,human,,,"], "is no CSV table in UTF-8"),  # in Latin-1
    ],
)
def test_a_mistake_in_the_table_is_one_line(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(ArtclfError, match=message) as caught:
        read_csv(write(tmp_path, *lines))
    assert "\n" not in str(caught.value)
    with pytest.raises(ArtclfError, match=r"data.csv=.*nope.csv: there is no such file"):
        read_csv(tmp_path / "nope.csv")


ROWS = "path,label,generator,style,split\nimages/a.png,ai,sd,oil,train\nimages/b.png,human,,,train\n"


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("path,label\nimages/a.png,ai\nimages/b.png,human\n", ""),
        ("label,path,note\nai,images/a.png\nhuman,images/b.png\n", ""),
        (f"{ROWS},,,,\n\n,,,,\n", ""),
        (ROWS.replace("\n", ",,\n"), ""),
        (ROWS.replace(",", ";"), ""),
        (ROWS.replace(",", "\t"), ""),
        (ROWS.replace("\n", "\r\n"), ""),
        (ROWS.replace("\n", "\r"), ""),
        (ROWS.replace("path,label", "Path, LABEL "), ""),
        (ROWS.replace("oil", '"oil, late"').replace("images/a.png,ai", '"images/a.png",AI'), ""),
        (ROWS.replace("images/", "images\\"), "2 paths were found though written with backslashes"),
        (unicodedata.normalize("NFD", f"{ROWS}images/Gemälde.png,human,,,\n"), "1 paths were found though written"),
    ],
)
def test_tables_are_read_as_spreadsheets_write_them(
    tmp_path: Path, text: str, warning: str, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "images/a.png", "images/b.png", unicodedata.normalize("NFC", "images/Gemälde.png"))
    (tmp_path / "table.csv").write_bytes(text.encode("utf-8-sig"))
    table = read_csv(tmp_path / "table.csv").table.set_index("path")
    assert table["label"][["images/a.png", "images/b.png"]].tolist() == ["ai", "human"]
    assert len(table) == 2 + ("lde" in text)
    assert (warning in caplog.text) if warning else not caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ROWS.replace("oil", "late, romantic").encode(), "Expected 5 fields in line 2, saw 6.; .* put a field that holds"),
        (ROWS.replace("oil", '"oil').encode(), "EOF inside string starting at row 1.; close each quote"),
        (f"{ROWS},ai,,,\n".encode(), "line 4 has no path"),
        (ROWS.encode("utf-16"), "line 1 holds the byte 0xff.; save it as CSV UTF-8"),
        (ROWS.replace("oil", "\u00d6l").encode("latin-1"), "line 2 holds the byte 0xd6.; save it as CSV UTF-8"),
        (
            ROWS.replace("style", "path").encode(),
            "got the columns path, label, generator, path, split; needed, once each: path, label; [^?]*$",
        ),
        (ROWS.replace("images/a", "images/A").encode(), "do not exist .*; did you mean a.png"),
    ],
)
def test_mistakes_of_spreadsheets_are_named_with_what_to_do(tmp_path: Path, text: bytes, message: str) -> None:
    touch(tmp_path, "images/a.png", "images/b.png")
    (tmp_path / "table.csv").write_bytes(text)
    with pytest.raises(ArtclfError, match=message) as caught:
        read_csv(tmp_path / "table.csv")
    assert "\n" not in str(caught.value)


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
