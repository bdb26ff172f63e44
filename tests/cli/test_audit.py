import json
import re
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

import artclf.cli.arguments as module
from tests.cli.conftest import artclf
from tests.conftest import draw, shared_data


@pytest.fixture
def art(tmp_path: Path) -> Path:
    """Noise, alike but for the quality of the JPEGs."""
    for label, quality in (("human", 95), ("ai", 60)):
        folder = tmp_path / "art" / "train" / label
        folder.mkdir(parents=True)
        for number in range(12):
            pixels = np.random.default_rng([number, quality]).integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.jpg", quality=quality)
    return tmp_path / "art"


def test_a_planted_quality_is_named_on_the_screen_in_json_and_on_the_page(
    art: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cut = (art / "train" / "ai" / "0.jpg").read_bytes()
    (art / "train" / "ai" / "cut.jpg").write_bytes(cut[: len(cut) // 2])
    (art / "train" / "ai" / "empty.jpg").write_bytes(b"")
    done = artclf("audit", "art", "--sample", 26, "--seed", 3, "--json", "found.json")
    assert done.exit_code == 1
    assert "empty.jpg: empty file" in done.stderr
    assert "cut.jpg: damaged, incomplete or unsupported JPEG: image file is truncated" in done.stderr
    assert "JPEG quality (severe): alone AUROC 1.000" in done.stdout
    assert "page: outputs/audit/art/dataset.html" in done.stdout
    folder = tmp_path / "outputs" / "audit" / "art"
    assert len((folder / "unreadable.csv").read_text(encoding="utf-8").splitlines()) == 1 + 2
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert json.loads((folder / "audit.json").read_text(encoding="utf-8")) == found
    assert {"accuracy", "balanced_accuracy", "auroc", "top"} <= set(found["pixel_statistics"])
    assert {"exact", "near"} <= set(found["duplicates"])
    assert (found["file_facts"]["auroc"], found["unreadable"]) == (1.0, 2)
    assert {"fact", "severity"} <= set(found["shortcuts"][0])
    assert "What helps against" in done.stdout
    page = (folder / "dataset.html").read_text(encoding="utf-8")
    assert "JPEG quality (severe)" in page
    assert "artclf audit art --sample=26 --seed=3" in page


def test_of_one_class_nothing_is_compared_but_copies_are_found(tmp_path: Path) -> None:
    for number in (0, 1):
        draw(tmp_path / "art" / "ai" / "sd" / f"{number}.png", "ai", 5)
    assert artclf("audit", tmp_path / "art", "--to", tmp_path / "there").exit_code == 0
    found = json.loads((tmp_path / "there" / "audit.json").read_text(encoding="utf-8"))
    assert found["not_compared"]
    assert found["duplicates"]["exact"]["groups"] == 1
    assert not (tmp_path / "there" / "figures" / "audit.png").exists()


def test_what_contradicts_itself_is_one_clear_line(art: Path, tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    (tmp_path / "text").write_text("")
    for words, reason in [
        ((art, "--all", "--sample", 4), "error: --all and --sample 4: got both"),
        ((art, "--json", tmp_path), f"error: --json {tmp_path}: is a folder; give a file"),
        ((art, "--json", tmp_path / "no" / "file"), "its folder does not exist"),
        ((art, "--json", tmp_path / "file", "--quick"), "holds an audit, which --quick leaves out"),
        (("ai_artbench",), "error: ai_artbench: is not (or not wholly) in"),
        ((tmp_path / "nowhere",), "does not exist"),
        ((tmp_path / "cats",), "holds none of the layouts that artclf knows; allowed: "),
        ((art, "--to", art / "page"), "lies in the folder of the images"),
        ((art, "--to", tmp_path / "text"), "is a file; give a folder"),
    ]:
        done = artclf("audit", *words)
        assert done.exit_code == 2
        (line,) = done.stderr.strip().splitlines()
        assert reason in line


@pytest.mark.parametrize("words", [["audit", "--quick"], ["data", "show"]])
def test_a_quick_look_counts_reads_headers_alone_and_names_twenty_unreadable_files(words: list[str], tmp_path: Path) -> None:
    art, there = tmp_path / "my art", tmp_path / "there"
    for number in range(3):
        draw(art / "train" / "ai" / "sd [bold] v2" / f"{number}.png", "ai", number)
    draw(art / "unseen" / "ai" / "new" / "0.png", "ai", 9)
    (art / "train" / "human").mkdir()
    for number in range(30):
        (art / "train" / "human" / f"[empty]{number}.png").write_bytes(b"")
    there.mkdir()
    (there / "audit.json").write_text("{}")  # of an earlier audit
    done = artclf(*words, art, "--to", there)
    assert done.exit_code == 1
    rows = [re.split(r"\s*│\s*", line.strip("│ ")) for line in done.stdout.splitlines() if line.startswith("│")]
    assert rows == [["train", "human", "", "30"], ["train", "ai", "sd [bold] v2", "3"], ["unseen", "ai", "new", "1"]]
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 21
    assert "[empty]0.png: empty file" in errors[0]
    assert "and 10 more" in errors[-1]
    assert (there / "dataset.html").is_file()
    assert not (there / "audit.json").exists()


def test_the_demo_is_drawn_as_training_draws_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = OmegaConf.load(module.DEMO_SETTINGS)
    small.demo.update(size=32, train_per_folder=2, test_per_folder=1)
    OmegaConf.save(small, tmp_path / "demo.yaml")
    assert "data/demo.yaml" in module.DEMO_SETTINGS.as_posix()
    monkeypatch.setattr(module, "DEMO_SETTINGS", tmp_path / "demo.yaml")
    assert artclf("audit", "demo", "--quick", "--to", tmp_path / "there").exit_code == 0
    assert (tmp_path / "there" / "dataset.html").is_file()
    monkeypatch.setattr(module, "DEMO_SETTINGS", tmp_path / "gone.yaml")
    assert "install artclf from a checkout" in artclf("audit", "demo").stderr


def found_in(name: str, tmp_path: Path) -> dict:
    folder = shared_data(name)
    if folder is None:
        pytest.skip("no real images beside this checkout")
    assert artclf("audit", folder, "--to", tmp_path / "there").exit_code == 0
    return json.loads((tmp_path / "there" / "audit.json").read_text(encoding="utf-8"))


def test_the_quality_of_ai_artbench_as_published_is_a_shortcut(tmp_path: Path) -> None:
    found = found_in("ai_artbench_native", tmp_path)
    assert found["shortcuts"][0]["fact"] == "JPEG quality"
    assert (found["file_facts"]["accuracy"], found["file_facts"]["auroc"]) == (1.0, 1.0)


@pytest.mark.parametrize(("name", "files", "looks"), [("ai_artbench_mini", 0.74, 0.86), ("cezanne", 0.60, 0.63)])
def test_where_all_is_stored_alike_only_weight_and_looks_differ(name: str, files: float, looks: float, tmp_path: Path) -> None:
    """The figures are those that were found by other means before there was an audit."""
    found = found_in(name, tmp_path)
    facts = {row["fact"] for row in found["shortcuts"]}
    assert not facts & {"size", "aspect", "format", "colour mode", "JPEG quality", "JPEG tables", "chroma subsampling", "EXIF"}
    assert "bytes per pixel" in facts
    assert found["file_facts"]["auroc"] == pytest.approx(files, abs=0.07)
    assert found["pixel_statistics"]["auroc"] == pytest.approx(looks, abs=0.07)
