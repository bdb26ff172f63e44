import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import Result

from artclf.data.distortions import list_versions
from artclf.data.manifest import Manifest
from artclf.data.reader import ImageReader
from artclf.data.sources.folder import read_folder
from artclf.evaluation.metrics import split_metrics
from artclf.model.checkpoint import load_classifier
from tests.cli.conftest import SIZE, artclf


@pytest.fixture(scope="module")
def finished(run: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as it ends, with random weights: its checkpoint, manifest and metrics."""
    folder = shutil.copytree(run, tmp_path_factory.mktemp("runs") / "tiny")
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
    monkeypatch.setattr("sys.argv", ["artclf", "evaluate", "my run"])  # the command line, which reports show


def evaluate(*words: object) -> Result:
    return artclf("evaluate", *words)


def test_the_runs_own_test_images(finished: Path, pictures: Path, tmp_path: Path) -> None:
    done = evaluate(finished)
    assert done.exit_code == 0, done.output
    (folder,) = (tmp_path / "outputs" / "evaluate").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", folder.name)
    names = {path.name for path in folder.iterdir()}
    tables = {"audit.json", "groups.csv", "manifest.csv", "metrics.json", "predictions.csv"}
    assert names == {*tables, "figures", "report.html"}
    table = pd.read_csv(folder / "predictions.csv")
    assert dict(table["split"].value_counts()) == {"test": 12, "unseen": 4}
    model = load_classifier(finished / "checkpoints" / "best.ckpt")
    pixels = torch.stack([ImageReader(SIZE, "bicubic").read(pictures / path) for path in table["path"]])
    assert table["p_ai"].to_numpy() == pytest.approx(model.p_ai(pixels).numpy(), abs=1e-5)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(metrics["splits"]) == ["test", "unseen"]
    assert metrics["splits"]["test"] == split_metrics(table[table["split"] == "test"])
    found = metrics["evaluation"]
    checkpoint = finished / "checkpoints" / "best.ckpt"
    assert found["checkpoint_sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (found["own_data"], found["left_out"], found["threshold"]) == (True, 36, 0.5)
    assert metrics["command"] == "artclf evaluate 'my run'"
    assert metrics["data"]["manifest_sha256"] == Manifest(pictures, table.drop(columns="p_ai")).sha256
    (fallback,) = metrics["fallbacks"]
    assert fallback.startswith("its checkpoint has no thresholds: scores are not calibrated")
    assert metrics["versions"]["torch"]
    page = (folder / "report.html").read_text()
    assert f"page: outputs/evaluate/{folder.name}/report.html" in done.stdout
    assert f"artclf, evaluation of {finished} on folder" in page
    assert found["checkpoint_sha256"] in page


def test_other_images_one_of_them_broken(finished: Path, pictures: Path, tmp_path: Path) -> None:
    other = shutil.copytree(pictures, tmp_path / "other art")
    broken = next((other / "test" / "human").rglob("*.png"))
    broken.write_text("no image")
    done = evaluate(finished / "checkpoints" / "best.ckpt", other, "--to", "to")
    assert done.exit_code == 1
    assert f"error: {broken}: not an image" in done.stderr
    rejected = pd.read_csv("to/rejected.csv")
    assert list(rejected["path"]) == [broken.relative_to(other).as_posix()]
    table = pd.read_csv("to/predictions.csv")
    assert dict(table["split"].value_counts()) == {"train": 36, "test": 11, "unseen": 4}
    metrics = json.loads(Path("to/metrics.json").read_text())
    assert (metrics["data"]["source"], metrics["data"]["rejected"]) == ("other art", 1)
    assert metrics["splits"]["train"]["n"] == 36
    assert "1 file could not be read" in Path("to/report.html").read_text()


def test_robustness_of_a_handful(finished: Path) -> None:
    done = evaluate(finished, "--robustness", "--sample", 4, "--seed", 2, "--all-alike", "--to", "to")
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
    assert 'id="robustness"' in Path("to/report.html").read_text()
    assert "re-encoded first" in done.stdout


def test_one_class_alone(finished: Path, pictures: Path) -> None:
    shutil.copytree(pictures / "unseen", "data")
    done = evaluate(finished, "data", "--robustness", "--sample", 2, "--to", "to")
    assert done.exit_code == 0, done.output
    content = json.loads(Path("to/robustness.json").read_text())
    assert (content["human"], content["ai"]) == (0, 2)
    assert not np.isnan(pd.read_csv("to/robustness.csv")["p_ai"]).any()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sample", "5"], "--sample: nothing without --robustness"),
        (["--all-alike"], "--all-alike: nothing without --robustness"),
        (["--split", "train"], "the model was trained on these images; allowed: test, unseen"),
        (["nowhere"], "nowhere: does not exist"),
        (["broken", "--robustness"], "none of its 2 images can be read (first: "),
        (["half_broken", "--robustness"], "not one test image of half_broken can be read"),
        (["--to", "file"], "--to file: is a file"),
        (["--to", "full"], "--to full: is not empty; give a new folder"),
    ],
)
def test_what_can_not_be_done_is_one_line(finished: Path, pictures: Path, words: list[str], message: str) -> None:
    Path("file").write_text("")
    Path("full").mkdir()
    Path("full/metrics.json").write_text("{}")
    for folder in ("broken", "half_broken/test"):
        for label in ("ai", "human"):
            Path(folder, label).mkdir(parents=True)
            Path(folder, label, "a.png").write_text("no image")
    shutil.copytree(pictures / "unseen", "half_broken/unseen")
    done = evaluate(finished, *words)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not Path("outputs").exists()
    assert Path("full/metrics.json").read_text() == "{}"
