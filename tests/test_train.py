"""The real train.py on tiny drawn images: whole runs, and an error of each kind."""

import json
import os
import shutil
from hashlib import sha256
from pathlib import Path
from unittest.mock import Mock
from urllib.error import URLError

import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from artclf.evaluation.decision import DecisionRule
from artclf.evaluation.metrics import split_metrics
from artclf.model.checkpoint import read_decision_rule
from artclf.training.experiment import COPIES
from tests.apart import train_apart
from tests.cli.conftest import artclf, refusal
from tests.conftest import CONF, FAST, TINY, draw, metrics_of, shared_data

SMALL = [*TINY, "model=efficientnet_lite0", "stages.head.max_epochs=2", "trainer=cpu"]
pytestmark = pytest.mark.filterwarnings("default")  # of libraries; what artclf prints is checked below


@pytest.fixture(scope="module")
def finished(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder: a head, then the last ten layers, on folders with a split `unseen`."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    root = os.path.relpath(pictures, folder.parent)  # config.yaml gets the absolute path
    words = ["data=folder", f"data.root={root}", *SMALL, "+finetune=last10", "stages.last10.max_epochs=2"]
    printed = train_apart(folder.parent, [*words, "report=true", "audit.images=100", f"hydra.run.dir={folder}"])
    (folder / "printed.txt").write_text(printed, encoding="utf-8")
    return folder


def test_run_folder_holds_every_file(finished: Path) -> None:
    names = {str(path.relative_to(finished)) for path in finished.rglob("*") if path.is_file()}
    files = {"config.yaml", "manifest.csv", "metrics.csv", "metrics.json", "predictions.csv", "layers.csv", "report.html"}
    assert names >= files | {"audit.json", "checkpoints/best.ckpt", "checkpoints/last.ckpt"}
    layers = pd.read_csv(finished / "layers.csv", keep_default_na=False)
    assert list(layers["stage"].iloc[-11:]) == [*["last10"] * 10, "head"]
    assert (layers["stage"].iloc[:-11] == "").all()
    assert layers["parameters"].sum() == metrics_of(finished)["model"]["parameters"]
    assert {"training", "scores", "roc_pr"} <= {figure.stem for figure in (finished / "figures").glob("*.png")}
    with Image.open(finished / "figures" / "copies.png") as image:
        assert image.size == (32 * (1 + COPIES), 32)


def test_metrics_json_is_computed_from_predictions_csv(finished: Path) -> None:
    splits = metrics_of(finished)["splits"]
    predictions = pd.read_csv(finished / "predictions.csv")
    assert list(predictions) == ["path", "label", "generator", "style", "split", "p_ai", "calibrated", "verdict"]
    assert predictions["split"].value_counts().to_dict() == {"test": 12, "val": 3, "unseen": 4}
    for split in ("test", "val", "unseen"):
        again = split_metrics(predictions[predictions["split"] == split])
        assert splits[split] == json.loads(json.dumps(again)), split
    assert splits["unseen"]["auroc"] is None


def test_metrics_json_records_what_produced_it(finished: Path, pictures: Path) -> None:
    metrics = metrics_of(finished)
    stages = [(stage["name"], stage["unfreeze"], stage["layers"]) for stage in metrics["stages"]]
    assert stages == [("head", "auto", 0), ("last10", 10, 10)]
    assert metrics["stages"][0]["trainable_parameters"] < metrics["stages"][1]["trainable_parameters"]
    assert metrics["model"]["weights"] == "pretrained"
    assert metrics["data"]["counts"]["train"]["ai"] == {"alpha": 11, "beta": 11}
    assert metrics["data"]["root"] == str(pictures)
    assert yaml.safe_load((finished / "config.yaml").read_text(encoding="utf-8"))["data"]["root"] == str(pictures)
    assert metrics["balance"]["train_counts_after"]["ai"] == metrics["balance"]["train_counts_after"]["human"]
    assert (metrics["seed"], metrics["fallbacks"]) == (0, [])
    assert {"torch", "lightning", "python"} <= set(metrics["versions"])
    assert metrics["command"].startswith("python train.py data=folder")
    manifest = pd.read_csv(finished / "manifest.csv")
    assert manifest["sha256"].tolist() == [sha256((pictures / path).read_bytes()).hexdigest() for path in manifest["path"]]


def test_metrics_csv_and_the_log_show_both_stages(finished: Path) -> None:
    table = pd.read_csv(finished / "metrics.csv")
    assert table["stage"].tolist() == ["head", "head", "last10", "last10"]
    assert table["epoch"].tolist() == [1, 2, 3, 4]
    assert table["learning_rate"].tolist() == pytest.approx([1e-3, 5e-4, 1e-5, 1e-5])  # cosine, then constant
    assert table.notna().all(axis=None)
    printed = (finished / "printed.txt").read_text(encoding="utf-8")
    assert "stage head: 0 of 148 layers and the head train" in printed
    assert "stage last10: 10 of 148 layers and the head train" in printed
    assert "report.html" in printed
    assert not [line for line in printed.splitlines() if "Warning" in line or "Traceback" in line], printed


def test_checkpoints_are_plain_values_with_the_decision_rule(finished: Path) -> None:
    metrics = metrics_of(finished)
    for name in ("best", "last"):
        content = torch.load(finished / "checkpoints" / f"{name}.ckpt", map_location="cpu", weights_only=True)
        assert content["hyper_parameters"]["name"] == "efficientnet_lite0"
    rule = read_decision_rule(finished / "checkpoints" / "best.ckpt")
    assert rule is not None
    assert DecisionRule.from_json(metrics["decision_rule"]) == rule
    assert sum(sum(counts.values()) for counts in metrics["decision_rule"]["verdicts"]["test"].values()) == 12
    assert metrics["decision_rule"]["calibrator"]["method"] == "none"  # three images choose nothing
    stage = finished / "checkpoints" / f"{metrics['best']['stage']}.ckpt"
    assert stage.samefile(finished / "checkpoints" / "best.ckpt")  # the weights are not kept twice


def test_predict_repeats_the_test_from_a_copied_checkpoint(finished: Path, pictures: Path, tmp_path: Path) -> None:
    predictions = pd.read_csv(finished / "predictions.csv")
    predictions = predictions[predictions["split"] == "test"]
    paths = [str(pictures / path) for path in predictions["path"]]
    checkpoint = shutil.copy(finished / "checkpoints" / "best.ckpt", tmp_path / "alone.ckpt")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    done = artclf("predict", checkpoint, *paths, tmp_path / "broken.jpg", code=1)  # the others were read
    assert "broken.jpg: " in done.stderr
    rows = [line.split(maxsplit=4) for line in done.stdout.splitlines()[1:]]
    assert [row[3:] for row in rows] == [["nothing", path] for path in paths]
    for column, name in enumerate(("p_ai", "calibrated")):  # batches of another size may round otherwise
        assert [float(row[column]) for row in rows] == pytest.approx(predictions[name].tolist(), abs=2e-3)
    assert [row[2] for row in rows] == predictions["verdict"].tolist()


def test_a_metric_without_a_value_is_empty_and_can_not_be_monitored(train, pictures: Path, tmp_path: Path) -> None:
    root = shutil.copytree(pictures, tmp_path / "pictures")
    shutil.copytree(root / "test" / "ai", root / "val" / "ai")
    shutil.rmtree(root / "test" / "ai")  # the same bytes would leave val
    words = ["data=folder", f"data.root={root}", *FAST, "stages.head.max_epochs=1", "callbacks=none"]
    done = train(*words, "monitor.metric=val/auroc", "monitor.mode=max", f"hydra.run.dir={tmp_path / 'refused'}", code=2)
    assert done.lines("error: monitor.metric: got val/auroc, but the val split holds only ai images")
    done = train(*words, "calibration.false_positive_rate=0.01", f"hydra.run.dir={tmp_path / 'run'}")
    table = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert table["val/auroc"].isna().all()
    assert table["val/loss"].notna().all()
    metrics = metrics_of(tmp_path / "run")
    assert metrics["splits"]["val"]["auroc"] is None
    assert done.lines(f"warning: {metrics['fallbacks'][-1]}")  # validation is too small for the target rate
    assert "artclf calibrate RUN" in metrics["fallbacks"][-1]


@pytest.mark.slow
def test_random_weights_train_all_layers_until_they_separate_the_classes(
    train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By cosine and early stopping these very words ended after four epochs, with everything called AI."""
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", Mock(side_effect=URLError("no network here")))
    for split, first, counts in (("train", 0, {"ai": 48, "human": 24}), ("test", 99, {"ai": 24, "human": 12})):
        for label, count in counts.items():
            for number in range(first, first + count):
                draw(tmp_path / "pictures" / split / label / f"{number}.png", label, number)
    words = ["data=folder", f"data.root={tmp_path / 'pictures'}", *TINY, "model=efficientnet_b0", "trainer=cpu"]
    words += ["trainer.precision=32-true", "stages.head.max_epochs=10", f"hydra.run.dir={tmp_path / 'run'}"]
    done = train(*words)
    assert done.lines("warning: published weights of efficientnet_b0 can't be loaded (no network here)")
    assert done.lines("stage head trains random weights, with its own recipe: schedule=onecycle max_epochs=10 patience=10")
    metrics = metrics_of(tmp_path / "run")
    assert metrics["model"]["weights"] == "random"
    assert metrics["stages"][0]["layers"] == metrics["model"]["layers"]
    (line,) = metrics["fallbacks"]
    assert "trains all layers" in line
    table = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert len(table) == 10
    assert table["learning_rate"].idxmax() == 3  # the warm-up's end
    assert metrics["splits"]["test"]["accuracy"] >= 0.95


def test_a_network_that_learns_nothing_is_warned_of(train, pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ["stages.head.max_epochs=2", "callbacks=none", "balance=sampler", "loss=focal", "head=linear", "report=true"]
    words += ["trainer.precision=bf16-mixed", "trainer.gradient_clip_val=1e-9", "stages.head.optim.name=sgd"]
    done = train("data=folder", f"data.root={pictures}", *FAST, *words, f"hydra.run.dir={folder}")
    losses = pd.read_csv(folder / "metrics.csv")["val/loss"]
    assert losses.iloc[0] == pytest.approx(losses.iloc[1], abs=1e-6)  # such gradients move nothing
    assert done.lines("a frozen random backbone learns nothing")
    assert done.lines("warning: No better than guessing")
    assert "No better than guessing" in (folder / "report.html").read_text(encoding="utf-8")
    assert metrics_of(folder)["stages"][0]["layers"] == 0
    assert not (folder / "checkpoints").exists()
    assert "callbacks=none keeps no weights" in refusal("predict", folder, "x.png")


@pytest.mark.parametrize(
    ("word", "reported"),
    [
        ("stages.head.unfreeze=999", "stages.head.unfreeze: got 999; allowed: 0 to 77"),
        ("trainer.accelerator=gpu", "trainer.accelerator=gpu: there is no GPU"),
    ],
)
def test_a_mistake_is_one_clear_line_and_exit_code_2(train, pictures: Path, tmp_path: Path, word: str, reported: str) -> None:
    done = train("data=folder", f"data.root={pictures}", *FAST, word, "hydra.run.dir=run", code=2)
    (error,) = done.lines("error: ")
    assert reported in error
    assert "Traceback" not in done.printed
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_help_names_every_choice_of_every_group(train) -> None:
    done = train("--help")
    listed = done.printed.split()
    for file in CONF.glob("*/[!_]*.yaml"):
        assert {file.stem, f"{file.stem}*"} & {*listed}, file
    for word in ("+finetune=last10", "data=csv", "model=resnet50,efficientnet_b0", "stages.head.optim.lr", "artclf predict"):
        assert word in done.printed


@pytest.mark.slow
@pytest.mark.skipif(shared_data("ai_artbench_mini") is None, reason="the real images are not beside this checkout")
def test_real_paintings_are_classified(train, tmp_path: Path) -> None:
    words = ["model=efficientnet_lite0", "data=ai_artbench", f"data.root={shared_data('ai_artbench_mini')}"]
    train(*words, "report=false", "audit.images=0", f"hydra.run.dir={tmp_path / 'run'}")
    test = metrics_of(tmp_path / "run")["splits"]["test"]
    assert test["balanced_accuracy"] >= 0.85  # 118 images: two standard errors are 0.06


def test_a_mistake_does_not_block_its_correction(train, pictures: Path) -> None:
    """Of a multirun, tests/sweep/test_callbacks.py has the same."""
    words = [*FAST, "data=folder", "stages.head.max_epochs=1", "callbacks.progress=null", "hydra.run.dir=run"]
    assert train(*words, "data.root=nowhere", code=2).lines("nowhere: does not exist")
    train(*words, f"data.root={pictures}")
    assert train(*words, f"data.root={pictures}", code=2).lines("holds another run already")
