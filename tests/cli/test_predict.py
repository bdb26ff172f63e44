import json
import math
import os
import re
import shutil
import threading
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from artclf.data.distortions import DELIVERIES, deliver
from artclf.data.images import read_image
from artclf.data.reader import ImageReader
from artclf.errors import ArtclfError
from artclf.evaluation.decision import Calibrator, ConformalThreshold, DecisionRule
from artclf.inference import torch_scorer
from artclf.inference.predict import load
from artclf.inference.prediction_file import PredictionFile
from artclf.model.checkpoint import load_classifier, write_decision_rule
from artclf.model.classifier import ArtClassifier
from artclf.model.precision import autocast
from tests.cli.conftest import SIZE, artclf, refusal
from tests.conftest import draw


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Nineteen images: a batch, and a few more."""
    folder = tmp_path_factory.mktemp("images")
    files = [folder / f"{number:02}.{'jpg' if number % 2 else 'png'}" for number in range(19)]
    for number, file in enumerate(files):
        draw(file, "ai" if number % 3 else "human", number, (150 + number, 140))
    return files


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_p_ai_is_the_models_own(run: Path, files: list[Path], precision: str) -> None:
    model = load_classifier(run / "checkpoints" / "best.ckpt")
    pixels = torch.from_numpy(np.stack([ImageReader(SIZE, "bicubic").read(file) for file in files]))
    with autocast(precision, "cpu"):
        scores = torch.cat([model.p_ai(pixels[:16]), model.p_ai(pixels[16:])]).tolist()
    assert len(set(scores)) > 10
    predictions = list(load(run, precision).predictions(files))
    assert [prediction.path for prediction in predictions] == files
    assert [prediction.p_ai for prediction in predictions] == scores
    assert [prediction.verdict for prediction in predictions] == ["ai" if score >= 0.5 else "human" for score in scores]


def test_the_decision_rule_saved_with_the_model_gives_the_verdicts(
    alone: Path, files: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    scores = sorted(prediction.p_ai for prediction in load(alone, "32-true").predictions(files))
    assert "has no thresholds: scores are not calibrated, no rate of errors is guaranteed" in caplog.text
    own = ConformalThreshold(scores[15], 0.1, 0.2, 0.0, 0.3)
    rule = DecisionRule(
        Calibrator("platt", 1.0, 2.0), scores[3] + 1e-4, scores[15] - 1e-4, own, own, (own,), "tests", 10, 10, {}
    )
    write_decision_rule(alone, rule)
    done = artclf("predict", "--precision", "32-true", alone, *files)
    assert caplog.text.count("tests has 10 human images, which can guarantee an error rate of 20%, not 10%") == 1
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["p_ai", "calibrated", "verdict", "file", "declares", "image"]
    rows = [line.split(maxsplit=4) for line in lines[1:]]
    assert [row[3:] for row in rows] == [["nothing", str(file)] for file in files]
    p_ai = np.array([float(row[0]) for row in rows])
    assert [float(row[1]) for row in rows] == pytest.approx(Calibrator("platt", 1.0, 2.0).apply(p_ai), abs=2e-4)
    verdicts = [row[2] for row in rows]
    assert [verdicts.count(verdict) for verdict in ("human", "unsure", "ai")] == [4, 11, 4]


def test_unreadable_images_are_named_where_they_stand(run: Path, files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    mixed = [tmp_path / "gone.png", *files[:2], tmp_path / "text.jpg", files[2]]
    predictions = list(load(run, "32-true").predictions([*mixed, files[0].parent]))
    assert [prediction.path for prediction in predictions] == [*mixed, *files]
    text = "not an image artclf can read (JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF)"
    assert [prediction.reason for prediction in predictions[:5]] == ["no such file or directory", "", "", text, ""]
    assert math.isnan(predictions[0].p_ai)
    assert predictions[0].verdict == ""
    again = [prediction.p_ai for prediction in predictions[5:7]]
    assert [prediction.p_ai for prediction in predictions[1:3]] == pytest.approx(again, abs=1e-5)
    done = artclf("predict", run, tmp_path / "gone.png", code=1)
    assert len(done.stdout.splitlines()) == 1
    assert "gone.png: no such file or directory" in done.stderr


def test_what_the_file_declares_stands_beside_the_score(run: Path, files: list[Path], tmp_path: Path) -> None:
    marked = PngInfo()
    marked.add_text("Software", "NovelAI")
    with Image.open(files[0]) as image:
        image.save(tmp_path / "marked.png", pnginfo=marked)
    plain, other = load(run, "32-true").predictions([files[0], tmp_path / "marked.png"])
    assert [plain.provenance, other.provenance] == ["declares nothing", "declares AI"]
    assert (plain.p_ai, plain.verdict) == (pytest.approx(other.p_ai, abs=1e-5), other.verdict)
    assert artclf("predict", run, tmp_path).stdout.splitlines()[-1].split()[3:] == ["AI", str(tmp_path / "marked.png")]


def test_a_limit_of_pixels_is_the_same_in_all_commands(run: Path, pictures: Path, tmp_path: Path) -> None:
    refusal = "40x36 pixels is over the limit of 100; data.max_pixels=1440 in training, or --max-pixels 1440, reads it"
    options = {"predict": (run, pictures), "evaluate": (run, pictures), "audit": (pictures,), "data show": (pictures,)}
    for command, words in options.items():
        to = () if command == "predict" else ("--to", tmp_path / command)
        done = artclf(*command.split(), *words, "--max-pixels", 100, *to, code=2 if command == "evaluate" else 1)
        assert refusal in done.stderr, (command, done.output)
    done = artclf("calibrate", run, "--images", pictures, "--max-pixels", 100, code=2)
    assert "holds 0 human and 0 AI images that can be used" in done.stderr
    artclf("predict", run, pictures, "--max-pixels", 1440)


def test_what_is_no_regular_file_is_named_and_the_rest_goes_on(run: Path, files: list[Path], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "sparse.png").open("wb") as file:
        file.truncate(2**42)
    done = artclf("predict", run, tmp_path, tmp_path / "pipe.png", "/dev/zero", "/proc/self/maps", files[0], code=1)
    assert str(files[0]) in done.stdout
    reasons = (
        "pipe.png: not a regular file",
        "zero: not a regular file",
        "maps: empty file",
        "sparse.png: 4,398,046,511,104 bytes",
    )
    for reason in reasons:
        assert reason in done.stderr
    assert len(done.stderr.splitlines()) == len(reasons)


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images are in each batch; Ctrl-C is pressed in the second."""
    whole, found = ArtClassifier.p_ai, []

    def p_ai(self: ArtClassifier, pixels: torch.Tensor) -> torch.Tensor:
        found.append(len(pixels))
        if len(found) == 2:
            raise KeyboardInterrupt
        return whole(self, pixels)

    monkeypatch.setattr(ArtClassifier, "p_ai", p_ai)
    return found


@pytest.mark.usefixtures("scored")
def test_ctrl_c_ends_it_at_once(run: Path, files: list[Path]) -> None:
    done = artclf("predict", run, *files * 20, code=130)
    assert len(done.stdout.splitlines()) == 1 + 16
    assert "interrupted" in done.stderr
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


@pytest.mark.parametrize(
    ("tested", "device", "fastest", "chosen", "warned"),
    [
        ("32-true", "cuda", "bf16-mixed", "32-true", False),
        ("bf16-mixed", "cpu", "bf16-mixed", "bf16-mixed", False),
        ("bf16-mixed", "cpu", "32-true", "32-true", True),
        ("bf16-mixed", "cuda", "16-mixed", "16-mixed", True),
        ("16-mixed", "cuda", "bf16-mixed", "16-mixed", False),
        ("16-mixed", "cpu", "bf16-mixed", "bf16-mixed", True),
        (None, "cpu", "32-true", "32-true", False),
    ],
)
def test_images_are_predicted_in_what_the_run_was_tested_in(
    tested: str | None, device: str, fastest: str, chosen: str, warned: bool, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setattr(torch_scorer, "resolve_precision", lambda setting, accelerator: fastest)
    assert torch_scorer.choose_precision("auto", tested, device) == chosen
    assert (f"was tested in {tested}" in caplog.text) is warned
    assert torch_scorer.choose_precision("16-mixed", tested, device) == "16-mixed"


def test_what_can_not_be_used_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    assert "nope: there is no such run folder or checkpoint" in refusal("predict", tmp_path / "nope", "a.png")
    assert "text.ckpt: is no model of artclf's" in refusal("predict", tmp_path / "text.ckpt", "a.png")
    assert "bf16-mixed" in artclf("predict", "--precision", "fp8", run, "a.png", code=2).stderr


def rows_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_each_form_of_the_file_holds_the_same_predictions(run: Path, files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    words = ("predict", run, files[0].parent, tmp_path / "text.jpg", files[0])
    for suffix in ("csv", "json", "jsonl"):
        done = artclf(*words, "--to", tmp_path / "deep" / f"all.{suffix}", code=1)
        assert re.match(rf"20 images: \d+ ai, \d+ unsure, \d+ human, 1 can't be read; written to .*/all.{suffix}$", done.stdout)
        assert "text.jpg: not an image artclf can read" in done.stderr
    rows = rows_of(tmp_path / "deep" / "all.jsonl")
    assert [row["path"] for row in rows] == [*map(str, files), str(tmp_path / "text.jpg")]
    assert rows[-1]["p_ai"] is None
    assert json.loads((tmp_path / "deep" / "all.json").read_text()) == rows
    table = pd.read_csv(tmp_path / "deep" / "all.csv", keep_default_na=False)
    assert list(table["verdict"]) == [row["verdict"] for row in rows]
    assert [*table["p_ai"][:-1].astype(float)] == [row["p_ai"] for row in rows[:-1]]
    assert [row["p_ai"] for row in rows[:-1]] == pytest.approx(load(run).predict(files)["p_ai"].tolist(), abs=1e-6)
    assert len(list((tmp_path / "deep").iterdir())) == 3  # nothing else is left
    assert "allowed are files that end in .csv, .json, .jsonl, .html" in refusal(*words, "--to", tmp_path / "a.xlsx")


def test_an_interrupted_command_goes_on_where_it_stopped(
    run: Path, files: list[Path], tmp_path: Path, scored: list[int]
) -> None:
    words = ("predict", run, files[0].parent, "--to", tmp_path / "all.jsonl")
    artclf(*words, code=130)
    assert not (tmp_path / "all.jsonl").exists()
    partial = tmp_path / "all.jsonl.partial"
    partial.write_bytes(partial.read_bytes()[:-10])  # as a kill or a full disk cuts it off
    for other in ((*words, "--views", 1), (*words, files[0])):
        assert "is of another model, other images or other options" in refusal(*other)
    done = artclf(*words)
    assert f"15 images were predicted before {tmp_path / 'all.jsonl'} was interrupted; 4 remain" in done.stderr
    assert scored == [16, 3, 4]
    assert [row["path"] for row in rows_of(tmp_path / "all.jsonl")] == [*map(str, files)]
    partial.write_text("no JSON\n")
    assert "all.jsonl.partial: is damaged; delete it" in refusal(*words)


def test_two_commands_do_not_write_the_same_file(run: Path, tmp_path: Path) -> None:
    file = PredictionFile(tmp_path / "all.csv", load(run), [tmp_path])
    with file.writing():
        for _ in range(2):
            assert "another process is writing it" in refusal("predict", run, tmp_path, "--to", tmp_path / "all.csv")
    assert [one.name for one in tmp_path.iterdir()] == ["all.csv.partial"]


def test_no_cell_of_a_csv_file_is_a_formula(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("=cmd|' C'!A1.png", "-a.png", "a.png"):
        draw(Path(name), "ai", 1)
    artclf("predict", run, ".", "--to", "out/all.csv")
    assert list(pd.read_csv("out/all.csv")["path"]) == ["./-a.png", "./=cmd|' C'!A1.png", "a.png"]


def test_an_image_without_a_score_is_named(
    run: Path, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ArtClassifier.p_ai

    def p_ai(self: ArtClassifier, pixels: torch.Tensor) -> torch.Tensor:
        return whole(self, pixels).index_fill(0, torch.tensor(1), math.nan)  # as in 16 bits, which can overflow

    monkeypatch.setattr(ArtClassifier, "p_ai", p_ai)
    artclf("predict", run, *files[:3], "--views", 1, "--to", tmp_path / "all.jsonl", code=1)
    first, second, third = rows_of(tmp_path / "all.jsonl")
    assert (first["p_ai"], first["verdict"], first["reason"]) == (None, "", "the network gives no score for it (NaN)")
    assert [second["reason"].startswith("the network"), third["reason"].startswith("the network")] == [False, False]


def test_a_delivery_that_changes_the_verdict_makes_it_unsure(run: Path, files: list[Path], tmp_path: Path) -> None:
    model, files = load(run, "32-true"), files[:4]
    whole = model.predict(files, views=6)
    assert list(whole["views"][0]) == [name for name, *_ in DELIVERIES]
    for file, views in zip(files, whole["views"], strict=True):
        image, reader = read_image(file), model.scorer.reader()
        made = [reader.square(version) for version in deliver(image, 6).values()]
        assert list(views.values()) == pytest.approx(model.scorer.p_ai(np.stack(made)), abs=1e-5)
    own = ConformalThreshold(0.5, 0.1, 0.2, 0.0, 0.3)
    between = (whole["p_ai"][0] + whole["views"][0]["screenshot"]) / 2
    judged = replace(model, rule=DecisionRule(Calibrator(), between, between, own, own, (own,), "tests", 10, 10, {}))
    rows = [*judged.predict(files, views=6).itertuples()]
    assert rows[0].verdict == "unsure"
    for row in rows:
        base = "ai" if row.p_ai >= between else "human"
        flipped = [name for name in row.views if (row.views[name] >= between) != (row.p_ai >= between)]
        assert row.verdict == ("unsure" if flipped else base)
        assert all(name in row.reason for name in flipped)
        assert row.reason.startswith(f"{base} as given (p_ai") == bool(flipped)
    with Image.open(files[0]) as image:
        assert model.predict(image, views=2)["views"][0] == pytest.approx(
            model.predict(files[0], views=2)["views"][0], abs=1e-5
        )
    with pytest.raises(ArtclfError, match="views=7: allowed are 0 to 6"):
        model.predict(files, views=7)


def test_names_that_a_table_can_not_hold_and_folders_without_images(run: Path, files: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in ("=a.png", "line\nbreak.png"):
        shutil.copy(files[0], folder / name)
    with chdir(folder):
        artclf("predict", run, "=a.png", "line\nbreak.png", "--to", "all.csv")
        assert list(pd.read_csv("all.csv")["path"]) == ["./=a.png", "line\\nbreak.png"]
        artclf("predict", run, "=a.png", "line\nbreak.png", "--to", "all.html")
        page = Path("all.html").read_text()
    assert page.count("data:image/jpeg") == 2
    assert 'href="line%0Abreak.png"' in page
    (tmp_path / "empty").mkdir()
    for command in (("predict", run), ("provenance",)):
        assert "empty: holds no image; give files, or a folder that holds some" in refusal(*command, tmp_path / "empty")
    assert "empty: holds no image" in refusal("predict", run, tmp_path / "empty", "--to", tmp_path / "none.csv")
    assert not list(tmp_path.glob("none.csv*"))
