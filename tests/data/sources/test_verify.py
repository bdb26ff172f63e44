from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from artclf.data.sources import verify
from artclf.data.sources.verify import Verification, expected_counts, verify_ai_artbench
from artclf.errors import ArtclfError
from tests.conftest import draw, shared_data


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An AI-ArtBench whose version 5 has two pictures a folder of train and one of test."""
    monkeypatch.setattr(verify, "HUMAN_TRAIN", 2)
    monkeypatch.setattr(verify, "TEST", 1)
    monkeypatch.setattr(verify, "AI_TRAIN", dict.fromkeys(verify.AI_TRAIN, (2, 2)))
    for split, folders in expected_counts().items():
        for folder, count in folders.items():
            for number in range(count):
                draw(tmp_path / verify.FOLDER / split / folder / f"{number}.png", "ai", number, size=(8, 8))
    return tmp_path / verify.FOLDER


def test_the_counts_are_those_of_version_5() -> None:
    train, test = expected_counts()["train"], expected_counts()["test"]
    assert len(train) == len(test) == 30
    by = {tag: sum(count for folder, count in train.items() if folder.startswith(tag)) for tag in ("AI_LD_", "AI_SD_", "AI_")}
    assert by == {"AI_LD_": 52_092, "AI_SD_": 52_923, "AI_": 105_015}
    assert sum(train.values()) - by["AI_"] == 50_000
    assert sum(train.values()) + sum(test.values()) == 185_015
    assert [folder for folder in train if "ukiyo" in folder] == ["ukiyo_e", "AI_LD_ukiyo-e", "AI_SD_ukiyo-e"]
    assert (train["AI_LD_ukiyo-e"], train["AI_SD_romanticism"], train["baroque"]) == (5504, 5455, 5000)


@pytest.mark.parametrize("above", [0, 1])
def test_nothing_differs_where_all_is_well(bench: Path, above: int) -> None:
    done = verify_ai_artbench([bench, bench.parent][above])
    assert done.is_version_5
    assert done.decoded
    assert (done.found, done.expected, len(done.counts)) == (90, 90, 60)


def missing_folder(bench: Path) -> None:
    for file in (bench / "train/AI_SD_baroque").iterdir():
        file.unlink()
    (bench / "train/AI_SD_baroque").rmdir()


def wrong_spelling(bench: Path) -> None:
    (bench / "test/AI_LD_ukiyo-e").rename(bench / "test/AI_LD_ukiyo_e")


def human_misspelt(bench: Path) -> None:
    (bench / "train/ukiyo_e").rename(bench / "train/ukiyo-e")


def one_less(bench: Path) -> None:
    (bench / "train/realism/0.png").unlink()


def one_more(bench: Path) -> None:
    draw(bench / "test/realism/more.png", "human", 1)


def text_file(bench: Path) -> None:
    (bench / "test/realism/notes.txt").write_text("no picture")


def folder_inside(bench: Path) -> None:
    (bench / "test/realism/deep").mkdir()


def file_outside(bench: Path) -> None:
    (bench / "test/cover.png").write_bytes(b"")


def further_split(bench: Path) -> None:
    (bench / "val").mkdir()


def cut_short(bench: Path) -> None:
    file = bench / "train/realism/0.png"
    Image.effect_noise((200, 200), 50).save(file)
    file.write_bytes(file.read_bytes()[:3000])


def no_picture(bench: Path) -> None:
    (bench / "train/realism/0.png").write_text("an error page")


@pytest.mark.parametrize(
    ("harm", "differences", "unknown", "unreadable"),
    [
        (missing_folder, {"train/AI_SD_baroque": "missing"}, {}, {}),
        (
            wrong_spelling,
            {"test/AI_LD_ukiyo-e": "missing"},
            {"test/AI_LD_ukiyo_e": "version 5 has no such folder; did you mean AI_LD_ukiyo-e?"},
            {},
        ),
        (
            human_misspelt,
            {"train/ukiyo_e": "missing"},
            {"train/ukiyo-e": "version 5 has no such folder; did you mean ukiyo_e?"},
            {},
        ),
        (one_less, {"train/realism": "−1"}, {}, {}),
        (one_more, {"test/realism": "+1"}, {}, {}),
        (text_file, {}, {"test/realism/notes.txt": "not a picture"}, {}),
        (folder_inside, {}, {"test/realism/deep": "a folder where pictures should be"}, {}),
        (file_outside, {}, {"test/cover.png": "version 5 has no such file"}, {}),
        (further_split, {}, {"val": "version 5 has train and test alone"}, {}),
        (cut_short, {}, {}, {"train/realism/0.png": "truncated"}),
        (no_picture, {}, {}, {"train/realism/0.png": "not an image artclf can read"}),
    ],
)
def test_what_differs_is_named(
    bench: Path,
    harm: Callable[[Path], None],
    differences: dict[str, str],
    unknown: dict[str, str],
    unreadable: dict[str, str],
) -> None:
    harm(bench)
    done = verify_ai_artbench(bench)
    assert {f"{count.split}/{count.folder}": count.difference for count in done.different} == differences
    assert done.unknown == unknown
    assert {path: reason[: len(unreadable.get(path, ""))] for path, reason in done.unreadable.items()} == unreadable
    assert not done.is_version_5


def test_without_decoding_the_counts_alone_are_compared(bench: Path) -> None:
    no_picture(bench)
    done = verify_ai_artbench(bench, decode=False)
    assert done.is_version_5
    assert not done.decoded


def test_hidden_files_are_passed_over(bench: Path) -> None:
    (bench / "train/realism/.DS_Store").write_bytes(b"")
    (bench / ".DS_Store").write_bytes(b"")
    assert verify_ai_artbench(bench, decode=False).is_version_5


def test_a_missing_split_is_thirty_missing_folders(bench: Path) -> None:
    (bench / "train").rename(bench.parent / "elsewhere")
    done: Verification = verify_ai_artbench(bench, decode=False)
    assert [count.difference for count in done.different] == ["missing"] * 30
    assert done.found == 30


def test_another_folder_is_no_ai_artbench(tmp_path: Path) -> None:
    (tmp_path / "file.png").write_bytes(b"")
    for path, said in (("nowhere", "does not exist"), ("file.png", "is a file, not a folder"), ("", "no AI-ArtBench here")):
        with pytest.raises(ArtclfError, match=said):
            verify_ai_artbench(tmp_path / path)


@pytest.mark.skipif(shared_data("ai_artbench_mini") is None, reason="needs ai_artbench_mini")
def test_a_small_data_set_of_the_same_layout_differs_in_its_counts_alone() -> None:
    root = shared_data("ai_artbench_mini")
    assert root is not None
    done = verify_ai_artbench(root)
    assert len(done.different) == 60
    assert (done.found, done.unknown, done.unreadable) == (414, {}, {})
