import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner, Result

from artclf.cli import app
from artclf.data.distortions import list_versions
from artclf.data.manifest import Manifest
from artclf.data.reader import ImageReader
from artclf.data.sources.folder import read_folder
from artclf.evaluation.metrics import split_metrics
from artclf.model.checkpoint import load_classifier
from tests.cli.conftest import SIZE, save_tiny_classifier


@pytest.fixture(scope="module")
def run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as it ends, with random weights: its checkpoint, manifest and metrics."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    save_tiny_classifier(folder)
    manifest = read_folder(pictures)
    (folder / "manifest.csv").write_text(manifest.to_csv())
    metrics = {
        "precision": "32-true",
        "model": {"name": "resnet10t", "weights": "random", "head": "linear", "parameters": 5, "layers": 3},
        "stages": [{"name": "head", "unfreeze": 0, "trainable_parameters": 5, "epochs": 1, "best_epoch": 1, "seconds": 1.0}],
        "data": {"source": "folder", "root": str(pictures), "counts": manifest.counts()},
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["artclf", "evaluate", "my run"])  # the command line, which reports tell


def evaluate(*words: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, words)])


def test_the_runs_own_test_pictures(run: Path, pictures: Path, tmp_path: Path) -> None:
    done = evaluate(run)
    assert done.exit_code == 0, done.output
    (folder,) = (tmp_path / "outputs" / "evaluate").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", folder.name)
    assert {path.name for path in folder.iterdir()} == {
        "audit.json",
        "groups.csv",
        "figures",
        "manifest.csv",
        "metrics.json",
        "predictions.csv",
        "report.html",
    }
    table = pd.read_csv(folder / "predictions.csv")
    assert dict(table["split"].value_counts()) == {"test": 12, "unseen": 4}
    model = load_classifier(run / "checkpoints" / "best.ckpt")
    pixels = torch.stack([ImageReader(SIZE, "bicubic").read(pictures / path) for path in table["path"]])
    assert table["p_ai"].to_numpy() == pytest.approx(model.p_ai(pixels).numpy(), abs=1e-5)
    metrics = json.loads((folder / "metrics.json").read_text())
    tested = table[table["split"] == "test"]
    assert metrics["splits"]["test"] == split_metrics(tested)
    assert list(metrics["splits"]) == ["test", "unseen"]
    checkpoint = run / "checkpoints" / "best.ckpt"
    told = metrics["evaluation"]
    assert told["checkpoint_sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (told["own_data"], told["left_out"], told["threshold"]) == (True, 36, 0.5)
    assert metrics["command"] == "artclf evaluate 'my run'"
    assert metrics["data"]["manifest_sha256"] == Manifest(pictures, table.drop(columns="p_ai")).sha256
    (fallback,) = metrics["fallbacks"]
    assert fallback.startswith("its checkpoint has no thresholds: scores are not calibrated")
    assert "Its checkpoint gives no thresholds: nothing is guaranteed" in (folder / "report.html").read_text()
    assert metrics["versions"]["torch"]
    assert f"page: outputs/evaluate/{folder.name}/report.html" in done.stdout
    page = (folder / "report.html").read_text()
    assert f"artclf, evaluation of {run} on folder" in page
    assert "was trained on 24 AI images and 12 human images, starting from" in page
    assert "12 test images that it was not trained on" in page
    assert told["checkpoint_sha256"] in page


def test_other_pictures_one_of_them_broken(run: Path, pictures: Path, tmp_path: Path) -> None:
    other = shutil.copytree(pictures, tmp_path / "other art")
    broken = next((other / "test" / "human").rglob("*.png"))
    broken.write_text("no picture")
    done = evaluate(run / "checkpoints" / "best.ckpt", other, "--to", "to")
    assert done.exit_code == 1
    assert f"error: {broken}: not an image" in done.stderr
    rejected = pd.read_csv("to/rejected.csv")
    assert list(rejected["path"]) == [broken.relative_to(other).as_posix()]
    table = pd.read_csv("to/predictions.csv")
    assert dict(table["split"].value_counts()) == {"train": 36, "test": 11, "unseen": 4}
    metrics = json.loads(Path("to/metrics.json").read_text())
    assert metrics["data"]["source"] == "other art"
    assert metrics["data"]["rejected"] == 1
    assert metrics["splits"]["train"]["n"] == 36
    page = Path("to/report.html").read_text()
    assert "Here it is evaluated on images of other art" in page
    assert "1 file could not be read" in page
    assert "val chose the best weights" not in page


def test_robustness_of_a_handful(run: Path) -> None:
    done = evaluate(run, "--robustness", "--sample", 4, "--seed", 2, "--all-alike", "--to", "to")
    assert done.exit_code == 0, done.output
    scores = pd.read_csv("to/robustness.csv")
    assert len(scores) == 4 * len(list_versions(all_alike=True))
    assert dict(scores.drop_duplicates("path")["label"].value_counts()) == {"human": 2, "ai": 2}
    clean = scores[(scores["distortion"] == "none") & (scores["first"] == "none")].set_index("path")["p_ai"]
    predicted = pd.read_csv("to/predictions.csv").set_index("path")["p_ai"]
    assert clean.to_numpy() == pytest.approx(predicted[clean.index].to_numpy(), abs=1e-5)
    assert scores.groupby(["first", "distortion"])["p_ai"].std().min() > 0
    content = json.loads(Path("to/robustness.json").read_text())
    assert (content["human"], content["ai"], content["seed"], content["image_size"]) == (2, 2, 2, SIZE)
    assert content["shorter_side"] == {"ai": 36, "human": 36}
    page = Path("to/report.html").read_text()
    assert 'id="robustness"' in page
    assert "re-encoded first (JPEG 95)</h3>" in page
    assert "re-encoded first" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sample", "5"], "--sample: nothing without --robustness"),
        (["--all-alike"], "--all-alike: nothing without --robustness"),
        (["--split", "train"], "the model was trained on these pictures; allowed: test, unseen"),
        (["nowhere"], "nowhere: does not exist"),
        (["--to", "file"], "--to file: is a file"),
        (["--to", "full"], "--to full: is not empty; give a new folder"),
    ],
)
def test_what_can_not_be_done_is_said_in_a_line(run: Path, words: list[str], message: str) -> None:
    Path("file").write_text("")
    Path("full").mkdir()
    Path("full/metrics.json").write_text("{}")
    done = evaluate(run, *words)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not Path("outputs").exists()
    assert Path("full/metrics.json").read_text() == "{}"


def test_nothing_that_can_be_read(run: Path, tmp_path: Path) -> None:
    for label in ("ai", "human"):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / "a.png").write_text("no picture")
    done = evaluate(run, tmp_path / "data", "--to", "to")
    assert done.exit_code == 2
    assert "none of its 2 pictures can be read (first: " in done.stderr
    assert not Path("to").exists()


def test_one_class_alone(run: Path, pictures: Path, tmp_path: Path) -> None:
    shutil.copytree(pictures / "unseen", tmp_path / "data")
    done = evaluate(run, "data", "--robustness", "--sample", 2, "--to", "to")
    assert done.exit_code == 0, done.output
    content = json.loads(Path("to/robustness.json").read_text())
    assert (content["human"], content["ai"]) == (0, 2)
    assert not Path("to/figures/robustness_alone.png").exists()
    assert not np.isnan(pd.read_csv("to/robustness.csv")["p_ai"]).any()
