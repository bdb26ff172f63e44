import re
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from artclf.cli import app
from artclf.report import style
from tests.conftest import draw, shared_data


@pytest.fixture(autouse=True)
def _coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "DPI", 40)  # quick to draw


def show(*words: object) -> Result:
    return CliRunner().invoke(app, ["data", "show", *map(str, words)])


@pytest.fixture
def art(tmp_path: Path) -> Path:
    for number in range(3):
        draw(tmp_path / "my art" / "train" / "ai" / "sd" / f"{number}.png", "ai", number)
        draw(tmp_path / "my art" / "train" / "human" / f"{number}.png", "human", number)
    draw(tmp_path / "my art" / "unseen" / "ai" / "new" / "0.png", "ai", 9)
    return tmp_path / "my art"


def test_counts_are_printed_and_the_page_named(art: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = show(art)
    assert done.exit_code == 0
    rows = [re.split(r"\s*│\s*", line.strip("│ ")) for line in done.stdout.splitlines() if line.startswith("│")]
    assert rows == [
        ["train", "people", "", "3"],
        ["AI", "sd", "3"],
        ["unseen", "AI", "new", "1"],
        ["together", "", "", "7"],
    ]
    assert "7 pictures, 3 by people and 4 by AI" in done.stdout
    assert "Read were the headers of all 7 files" in done.stdout
    assert "page: outputs/data/my art/dataset.html" in done.stdout.replace("\\", "/")
    assert (tmp_path / "outputs" / "data" / "my art" / "dataset.html").is_file()


def test_a_sample_and_where_the_page_goes_can_be_chosen(art: Path, tmp_path: Path) -> None:
    done = show(art, "--to", tmp_path / "there", "--sample", 4, "--seed", 5)
    assert done.exit_code == 0
    assert "Read were the headers of 4 of the 7 files, drawn by lot (seed 5)" in done.stdout
    page = (tmp_path / "there" / "dataset.html").read_text(encoding="utf-8")
    assert "Read were the headers of 4 of the 7 files" in page
    assert "4 of 7 files were opened" in page
    assert len((tmp_path / "there" / "facts.csv").read_text(encoding="utf-8").splitlines()) == 1 + 4


def test_all_and_a_sample_contradict_each_other(art: Path, tmp_path: Path) -> None:
    assert "headers of all 7" in show(art, "--to", tmp_path / "there", "--all").stdout
    done = show(art, "--all", "--sample", 4)
    assert done.exit_code == 2
    assert "error: --all and --sample 4: got both" in done.stderr


def test_unreadable_pictures_are_named_and_the_page_is_written(art: Path, tmp_path: Path) -> None:
    (art / "train" / "ai" / "sd" / "empty.png").write_bytes(b"")
    done = show(art, "--to", tmp_path / "there")
    assert done.exit_code == 1
    assert f"error: {art / 'train' / 'ai' / 'sd' / 'empty.png'}: empty file" in done.stderr
    assert "1 of them can't be read" in done.stdout
    assert (tmp_path / "there" / "unreadable.csv").is_file()


def test_many_unreadable_pictures_do_not_fill_the_screen(art: Path, tmp_path: Path) -> None:
    for number in range(30):
        (art / "train" / "human" / f"empty{number}.png").write_bytes(b"")
    done = show(art, "--to", tmp_path / "there")
    assert done.exit_code == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 21
    assert "and 10 more" in errors[-1]


def test_what_cannot_be_shown_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    for what, reason in [
        (tmp_path / "cats", "holds none of the layouts that artclf knows; allowed: "),
        (tmp_path / "nowhere", "does not exist"),
        ("ai_artbench", "type artclf data fetch ai_artbench, or where it lies: artclf data show FOLDER"),
    ]:
        done = show(what)
        assert done.exit_code == 2
        (line,) = done.stderr.strip().splitlines()
        assert line.startswith(f"error: {what}: ")
        assert reason in line


def test_the_page_does_not_go_among_the_pictures(art: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(art)
    done = show(".")
    assert done.exit_code == 2
    assert "lies in the folder of the pictures" in done.stderr
    assert not (art / "outputs").exists()
    (tmp_path / "file").write_text("")
    done = show(art, "--to", tmp_path / "file")
    assert done.exit_code == 2
    assert "file: is a file; give a folder" in done.stderr


def test_a_table_is_called_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "a.png", "ai", 1)
    (tmp_path / "list.csv").write_text("path,label,generator,style,split\na.png,ai,sd,,\n")
    done = show("list.csv")
    assert done.exit_code == 0
    assert "none given" in done.stdout
    assert (tmp_path / "outputs" / "data" / "list" / "dataset.html").is_file()


def test_names_with_brackets_are_printed_as_they_are(tmp_path: Path) -> None:
    draw(tmp_path / "art" / "ai" / "sd [bold] v2" / "[red]" / "0.png", "ai", 1)
    (tmp_path / "art" / "ai" / "sd [bold] v2" / "[x].png").write_bytes(b"")
    done = show(tmp_path / "art", "--to", tmp_path / "there")
    assert "sd [bold] v2" in done.stdout
    assert "[x].png: empty file" in done.stderr


def test_the_demo_is_drawn_as_training_draws_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from omegaconf import OmegaConf

    from artclf.cli import show as module

    small = OmegaConf.load(module._DEMO_SETTINGS)
    small.demo.update(size=32, train_per_folder=2, test_per_folder=1)
    OmegaConf.save(small, tmp_path / "demo.yaml")
    assert "data/demo.yaml" in module._DEMO_SETTINGS.as_posix()
    monkeypatch.setattr(module, "_DEMO_SETTINGS", tmp_path / "demo.yaml")
    done = show("demo", "--to", tmp_path / "there")
    assert done.exit_code == 0
    assert "36 pictures, 12 by people and 24 by AI" in done.stdout
    assert "A program drew all these pictures" in (tmp_path / "there" / "dataset.html").read_text(encoding="utf-8")
    monkeypatch.setattr(module, "_DEMO_SETTINGS", tmp_path / "gone.yaml")
    assert "install artclf from a checkout" in show("demo").stderr


def test_ai_artbench_as_published_gives_its_makers_away(tmp_path: Path) -> None:
    native = shared_data("ai_artbench_native")
    if native is None:
        pytest.skip("no real pictures beside this checkout")
    done = show(native, "--to", tmp_path / "there")
    assert done.exit_code == 0
    assert "JPEG quality (1.00" in done.stdout
    Image.open(tmp_path / "there" / "figures" / "qualities.png").load()
