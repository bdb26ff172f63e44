import json
import re
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import artclf.cli.console as module
from tests.cli.conftest import artclf, refusal
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
    done = artclf("audit", "art", "--sample", 26, "--seed", 3, "--json", "found.json", code=1)
    assert "empty.jpg: empty file" in done.stderr
    assert "cut.jpg: damaged, incomplete or unsupported JPEG: image file is truncated" in done.stderr
    assert "JPEG quality (severe): alone AUROC 1.000" in done.stdout
    assert "page: outputs/audit/art/dataset.html" in done.stdout
    folder = tmp_path / "outputs" / "audit" / "art"
    assert len((folder / "unreadable.csv").read_text(encoding="utf-8").splitlines()) == 1 + 2
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert json.loads((folder / "audit.json").read_text(encoding="utf-8")) == found
    assert (found["file_facts"]["auroc"], found["unreadable"]) == (1.0, 2)
    assert found["canonical_pixel_statistics"]["top"]
    assert "What helps against" in done.stdout
    assert "JPEG quality (severe)" in (folder / "dataset.html").read_text(encoding="utf-8")


def test_what_contradicts_itself_is_one_clear_line(art: Path, tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    for words, reason in [
        ((art, "--all", "--sample", 4), "error: --all and --sample 4: got both"),
        ((art, "--json", tmp_path / "file", "--quick"), "holds an audit, which --quick leaves out"),
        ((tmp_path / "nowhere",), "does not exist"),
        ((tmp_path / "cats",), "holds none of the layouts that artclf knows; allowed: "),
    ]:
        assert reason in refusal("audit", *words)


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
    done = artclf(*words, art, "--to", there, code=1)
    rows = [re.split(r"\s*│\s*", line.strip("│ ")) for line in done.stdout.splitlines() if line.startswith("│")]
    assert rows == [["train", "human", "", "30"], ["train", "ai", "sd [bold] v2", "3"], ["unseen", "ai", "new", "1"]]
    errors = done.stderr.splitlines()  # no empty line of a progress bar
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
    artclf("audit", "demo", "--quick", "--to", tmp_path / "there")
    assert (tmp_path / "there" / "dataset.html").is_file()


@pytest.mark.parametrize(("name", "files"), [("ai_artbench_native", 1.0), ("cezanne", 0.60)])
def test_real_images_as_published_and_stored_alike(name: str, files: float, tmp_path: Path) -> None:
    """AI-ArtBench's JPEG quality gives the class away; where all is stored alike, only bytes per pixel do, and little."""
    folder = shared_data(name)
    if folder is None:
        pytest.skip("no real images beside this checkout")
    artclf("audit", folder, "--to", tmp_path)
    found = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    facts = [row["fact"] for row in found["shortcuts"]]
    assert facts[0] == "JPEG quality" if name == "ai_artbench_native" else "JPEG quality" not in facts
    assert "bytes per pixel" in facts
    assert found["file_facts"]["auroc"] == pytest.approx(files, abs=0.07)


def test_a_class_whose_files_declare_ai_is_a_leak(tmp_path: Path) -> None:
    for number in range(12):
        for label in ("ai", "human"):
            draw(file := tmp_path / "images" / label / f"{number}.png", label, number)
            marked = PngInfo()
            marked.add_text("parameters", "a portrait\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1")
            with Image.open(file) as image:
                image.save(file, pnginfo=marked if label == "ai" else None)
    done = artclf("audit", tmp_path / "images", "--to", tmp_path / "to")
    said = " ".join(done.output.split())
    assert "Declared origin (none for this network): alone AUROC 1.000" in said
    assert "human images declares nothing (100%), AI images declares AI (100%)" in said
    assert "what files declare never reaches the network, but another tool may read it" in said
    assert "<td>declares AI (100%)</td>" in (tmp_path / "to" / "dataset.html").read_text()
