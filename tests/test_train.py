"""The real train.py on tiny drawn pictures: whole runs, and an error of each kind."""

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner

from artclf.cli import app
from artclf.evaluation.metrics import split_metrics
from artclf.model.checkpoint import read_decision_rule
from tests.conftest import FAST, REPOSITORY, TINY, Outcome, draw, shared_data

SMALL = [*TINY, "model=efficientnet_lite0", "stages.head.max_epochs=2", "trainer=cpu"]
pytestmark = pytest.mark.filterwarnings("default")  # libraries warn each other; what artclf says is checked below


@pytest.fixture(scope="module")
def finished(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder: a head, then the last ten layers, on folders with a split `unseen`; made by a process of its own."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    root = os.path.relpath(pictures, folder.parent)  # as it is typed; what is written down is the whole path
    words = ["data=folder", f"data.root={root}", *SMALL, "+finetune=last10", "stages.last10.max_epochs=2"]
    words += ["report=true", "audit.pictures=100"]
    command = [sys.executable, str(REPOSITORY / "train.py"), *words, f"hydra.run.dir={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder.parent, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "printed.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    return folder


def metrics_of(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def test_a_run_folder_holds_everything(finished: Path) -> None:
    names = {str(path.relative_to(finished)) for path in finished.rglob("*") if path.is_file()}
    assert names >= {
        "config.yaml",
        "manifest.csv",
        "metrics.csv",
        "metrics.json",
        "predictions.csv",
        "groups.csv",
        "layers.csv",
        "report.html",
        "audit.json",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
    }
    figures = {path.stem for path in (finished / "figures").glob("*.png")}
    drawn = {"accuracy", "loss", "network", "copies", "confusion", "roc_pr", "scores", "reliability", "audit"}
    assert figures == drawn
    layers = pd.read_csv(finished / "layers.csv", keep_default_na=False)
    assert list(layers) == ["name", "kind", "parameters", "stage"]
    assert list(layers["stage"].iloc[-11:]) == [*["last10"] * 10, "head"]
    assert (layers["stage"].iloc[:-11] == "").all()
    assert layers["parameters"].sum() == metrics_of(finished)["model"]["parameters"]
    for figure in (finished / "figures").glob("*.png"):
        with Image.open(figure) as image:
            image.load()
            assert min(image.size) >= 32


def test_metrics_json_is_what_predictions_csv_gives(finished: Path) -> None:
    metrics = metrics_of(finished)
    predictions = pd.read_csv(finished / "predictions.csv")
    assert list(predictions) == ["path", "label", "generator", "style", "split", "p_ai", "calibrated", "verdict"]
    assert predictions["split"].value_counts().to_dict() == {"test": 12, "val": 3, "unseen": 4}
    for split in ("test", "val", "unseen"):
        again = split_metrics(predictions[predictions["split"] == split])
        assert metrics["splits"][split] == json.loads(json.dumps(again)), split
    assert metrics["splits"]["unseen"]["auroc"] is None
    assert metrics["splits"]["test"]["n"] == 12


def test_metrics_json_tells_what_produced_it(finished: Path) -> None:
    metrics = metrics_of(finished)
    assert list(metrics["splits"]) == ["test", "val", "unseen"]
    assert [stage["name"] for stage in metrics["stages"]] == ["head", "last10"]
    assert [stage["unfreeze"] for stage in metrics["stages"]] == ["auto", 10]
    assert [stage["layers"] for stage in metrics["stages"]] == [0, 10]
    assert metrics["stages"][0]["trainable_parameters"] < metrics["stages"][1]["trainable_parameters"]
    assert metrics["model"]["weights"] == "imagenet"
    assert metrics["data"]["counts"]["train"]["ai"] == {"alpha": 11, "beta": 11}
    assert metrics["balance"]["train_counts_after"]["ai"] == metrics["balance"]["train_counts_after"]["human"]
    assert metrics["seed"] == 0
    assert metrics["fallbacks"] == []
    assert {"torch", "lightning", "python"} <= set(metrics["versions"])
    assert metrics["command"].startswith("python train.py data=folder")
    assert len(metrics["data"]["manifest_sha256"]) == 64


def test_metrics_csv_has_a_row_for_each_epoch_of_both_stages(finished: Path) -> None:
    table = pd.read_csv(finished / "metrics.csv")
    assert table["stage"].tolist() == ["head", "head", "last10", "last10"]
    assert table["epoch"].tolist() == [1, 2, 3, 4]
    assert table["learning_rate"].tolist() == pytest.approx([1e-3, 5e-4, 1e-5, 1e-5])  # cosine, then constant
    assert table.notna().all(axis=None)


def test_the_log_shows_what_trains(finished: Path) -> None:
    printed = (finished / "printed.txt").read_text(encoding="utf-8")
    assert "stage head: 0 of 148 layers and the head train" in printed
    assert "stage last10: 10 of 148 layers and the head train" in printed
    assert "with weight decay" in printed
    assert "report.html" in printed
    assert "Traceback" not in printed
    assert not [line for line in printed.splitlines() if "Warning" in line], printed


def test_checkpoints_are_plain_values_and_tensors(finished: Path) -> None:
    for name in ("best", "last"):
        content = torch.load(finished / "checkpoints" / f"{name}.ckpt", map_location="cpu", weights_only=True)
        assert content["hyper_parameters"]["name"] == "efficientnet_lite0"


def test_predict_repeats_what_the_test_said(finished: Path, pictures: Path) -> None:
    predictions = pd.read_csv(finished / "predictions.csv")
    predictions = predictions[predictions["split"] == "test"]
    paths = [str(pictures / path) for path in predictions["path"]]
    done = CliRunner().invoke(app, ["predict", str(finished), *paths])
    assert done.exit_code == 0, done.output
    rows = [line.split(maxsplit=3) for line in done.stdout.splitlines()[1:]]
    assert [row[3] for row in rows] == paths
    # in the precision of the test; batches of another size may round otherwise
    assert [float(row[0]) for row in rows] == pytest.approx(predictions["p_ai"].tolist(), abs=2e-3)
    assert [float(row[1]) for row in rows] == pytest.approx(predictions["calibrated"].tolist(), abs=2e-3)
    assert [row[2] for row in rows] == predictions["verdict"].tolist()
    assert not done.stderr


def test_the_judge_stands_in_metrics_json_and_in_the_checkpoints(finished: Path) -> None:
    metrics = metrics_of(finished)
    told = {key: value for key, value in metrics["judge"].items() if key != "verdicts"}
    judge = read_decision_rule(finished / "checkpoints" / "best.ckpt")
    assert judge is not None
    assert judge.to_json() == told
    assert (judge.n_human, judge.n_ai) == (1, 2)
    assert sum(sum(counts.values()) for counts in metrics["judge"]["verdicts"]["test"].values()) == 12
    assert metrics["calibration"]["method"] == "none"  # three works choose nothing
    assert [point["enough"] for point in metrics["operating_points"]] == [False, False, False]
    stage = finished / "checkpoints" / f"{metrics['best']['stage']}.ckpt"
    assert stage.samefile(finished / "checkpoints" / "best.ckpt")  # the weights are not there twice
    assert "Verdicts and calibration" in (finished / "report.html").read_text(encoding="utf-8")


def test_what_validation_is_too_small_to_promise_is_said(train, pictures: Path, tmp_path: Path) -> None:
    words = [*FAST, "stages.head.max_epochs=1", "callbacks=none", "calibration.false_positive_rate=0.01"]
    done = train("data=folder", f"data.root={pictures}", *words, f"hydra.run.dir={tmp_path / 'run'}")
    assert done.code == 0, done.printed
    line = metrics_of(tmp_path / "run")["fallbacks"][-1]
    assert line.startswith(
        "validation has 1 human images, which can guarantee an error rate of 50%, not 1%; artclf calibrate RUN"
    )
    assert done.lines(f"warning: {line}")


def test_the_same_command_gives_the_same_figures(finished: Path, pictures: Path, train, tmp_path: Path) -> None:
    words = ["data=folder", f"data.root={pictures}", *SMALL, "+finetune=last10", "stages.last10.max_epochs=2"]
    assert train(*words, f"hydra.run.dir={tmp_path / 'again'}").code == 0
    assert (tmp_path / "again" / "predictions.csv").read_text() == (finished / "predictions.csv").read_text()
    assert metrics_of(tmp_path / "again")["splits"]["test"] == metrics_of(finished)["splits"]["test"]


def test_its_pictures_are_known_from_anywhere_and_in_a_copy(
    finished: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = pd.read_csv(finished / "manifest.csv")
    assert manifest["sha256"].tolist() == [sha256((pictures / path).read_bytes()).hexdigest() for path in manifest["path"]]
    assert metrics_of(finished)["data"]["root"] == str(pictures)
    assert yaml.safe_load((finished / "config.yaml").read_text(encoding="utf-8"))["data"]["root"] == str(pictures)
    copy = shutil.copytree(pictures / "train", tmp_path / "copy")
    (copy / "ai" / "alpha" / "plain" / "0.png").rename(copy / "ai" / "other.png")
    done = CliRunner().invoke(app, ["evaluate", str(finished), str(copy), "--to", "evaluated"])
    assert done.exit_code == 0, done.output
    evaluated = metrics_of(tmp_path / "evaluated")
    assert evaluated["evaluation"]["left_out"] == 33
    assert evaluated["splits"]["test"]["n"] == 3  # those that it was validated on
    assert "33 images of copy are left out: the model was trained on them" in done.stderr


@pytest.mark.parametrize("words", [["monitor.metric=val/accuracy", "monitor.mode=max"], ["callbacks=none"]])
def test_training_that_diverges_ends_the_run_whatever_is_monitored(
    train, pictures: Path, tmp_path: Path, words: list[str]
) -> None:
    words = [
        *words,
        "stages.head.max_epochs=2",
        "stages.head.optim.name=sgd",
        "stages.head.optim.lr=1e30",
        f"hydra.run.dir={tmp_path / 'run'}",
    ]
    done = train("data=folder", f"data.root={pictures}", *FAST, *words)
    assert done.code == 2
    (line,) = done.lines("error: ")
    assert "training diverged; type a smaller stages.head.optim.lr than 1e+30" in line
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_a_figure_that_there_is_not_is_empty_and_no_monitor(train, pictures: Path, tmp_path: Path) -> None:
    root = shutil.copytree(pictures, tmp_path / "pictures")
    shutil.copytree(root / "test" / "ai", root / "val" / "ai")
    shutil.rmtree(root / "test" / "ai")  # the same bytes would leave val
    words = ["data=folder", f"data.root={root}", *FAST, "stages.head.max_epochs=1", "callbacks=none"]
    done = train(*words, "monitor.metric=val/auroc", "monitor.mode=max", f"hydra.run.dir={tmp_path / 'refused'}")
    assert done.code == 2
    assert done.lines(
        "error: monitor.metric: got val/auroc, but the val split holds ai images alone, for which there is no AUROC;"
    )
    assert train(*words, f"hydra.run.dir={tmp_path / 'run'}").code == 0
    table = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert table["val/auroc"].isna().all()
    assert table["val/loss"].notna().all()
    assert metrics_of(tmp_path / "run")["splits"]["val"]["auroc"] is None


def test_gradients_are_clipped_in_bf16(train, pictures: Path, tmp_path: Path) -> None:
    words = ["trainer.precision=bf16-mixed", "trainer.gradient_clip_val=1e-9", "callbacks=none", "head=linear"]
    words += ["stages.head.optim.name=sgd", "stages.head.max_epochs=2", f"hydra.run.dir={tmp_path / 'run'}"]
    done = train("data=folder", f"data.root={pictures}", *FAST, *words)
    assert done.code == 0, done.printed
    losses = pd.read_csv(tmp_path / "run" / "metrics.csv")["val/loss"]
    assert losses.iloc[0] == pytest.approx(losses.iloc[1], abs=1e-6)  # such gradients move nothing


def test_a_folder_that_holds_another_run_is_refused(finished: Path, pictures: Path, train) -> None:
    before = (finished / "metrics.json").read_bytes()
    done = train("data=folder", f"data.root={pictures}", *FAST, f"hydra.run.dir={finished}")
    assert done.code == 2
    assert len(done.lines("holds another run already")) == 1
    assert (finished / "metrics.json").read_bytes() == before


def test_a_multirun_leaves_its_runs_and_their_comparison(train, pictures: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    words = ["data=folder", f"data.root={pictures}", *FAST, "stages.head.max_epochs=1", f"hydra.sweep.dir={sweep}"]
    done = train("-m", *words, "head=linear,mlp")
    assert done.code == 0, done.printed
    assert sorted(path.name for path in sweep.iterdir() if path.is_dir()) == ["0", "1"]
    table = pd.read_csv(sweep / "comparison.csv")
    assert len(table) == 2
    told = dict(zip(table["run"].astype(str), table["accuracy"], strict=True))
    assert told == {str(i): pytest.approx(metrics_of(sweep / str(i))["splits"]["test"]["accuracy"]) for i in range(2)}
    assert (sweep / "comparison.html").is_file()
    again = train("-m", *words, "head=linear,mlp")
    assert again.code == 0, again.printed  # finished runs are skipped
    assert not again.lines("stage head:")
    assert not list(sweep.glob("*/error.txt"))
    with Image.open(sweep / "comparison.png") as image:
        assert min(image.size) > 100


def test_a_run_that_fails_does_not_end_a_multirun(train, pictures: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    words = ["data=folder", *FAST, "stages.head.max_epochs=1", "callbacks=none", f"hydra.sweep.dir={sweep}"]
    done = train("-m", *words, f"data.root={tmp_path / 'nowhere'},{pictures}")
    assert done.code == 2
    assert "does not exist" in (sweep / "0" / "error.txt").read_text()
    assert (sweep / "1" / "metrics.json").is_file()
    assert done.lines("1 of 2 runs failed: 0")


@pytest.mark.slow
def test_random_weights_train_all_layers_until_they_tell_the_classes_apart(
    train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By cosine and early stopping these very words ended after four epochs, with everything called AI."""

    def no_network(*args: Any, **kwargs: Any) -> None:
        raise URLError("no network here")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", no_network)
    for label, split, first, count in (
        ("ai", "train", 0, 48),
        ("human", "train", 0, 24),
        ("ai", "test", 99, 24),
        ("human", "test", 99, 12),
    ):
        for number in range(first, first + count):
            draw(tmp_path / "pictures" / split / label / f"{number}.png", label, number)
    folder = tmp_path / "run"
    words = ["data=folder", f"data.root={tmp_path / 'pictures'}", *TINY, "model=efficientnet_b0", "trainer=cpu"]
    done = train(*words, "trainer.precision=32-true", "stages.head.max_epochs=10", "report=true", f"hydra.run.dir={folder}")
    assert done.code == 0, done.printed
    assert done.lines("warning: ImageNet weights of efficientnet_b0 can't be had (no download: no network here)")
    assert done.lines("stage head trains random weights, by a recipe of its own: schedule=onecycle max_epochs=10 patience=10")
    metrics = metrics_of(folder)
    assert metrics["model"]["weights"] == "random"
    assert metrics["stages"][0]["layers"] == metrics["model"]["layers"]
    (line,) = metrics["fallbacks"]
    assert "trains all layers" in line
    assert "random weights" in (folder / "report.html").read_text(encoding="utf-8")
    table = pd.read_csv(folder / "metrics.csv")
    assert len(table) == 10
    assert table["learning_rate"].idxmax() == 3  # the warm-up's end
    assert metrics["splits"]["test"]["accuracy"] >= 0.95
    assert not done.lines("guessing")


def test_a_frozen_random_backbone_is_warned_of_when_asked_for(train, pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ["stages.head.max_epochs=2", "callbacks=none", "balance=sampler", "loss=focal", "head=linear"]
    words += ["stages.head.optim.lr=1e-12"]
    done = train("data=folder", f"data.root={pictures}", *FAST, *words, "report=true", f"hydra.run.dir={folder}")
    assert done.code == 0, done.printed
    assert done.lines("a frozen random backbone learns nothing")
    assert done.lines("warning: No better than guessing: the balanced accuracy on the 12 test images is")
    assert done.printed.count("better than guessing") >= 2  # in the table too
    assert "No better than guessing" in (folder / "report.html").read_text(encoding="utf-8")
    metrics = metrics_of(folder)
    assert metrics["stages"][0]["layers"] == 0
    assert not (folder / "checkpoints").exists()
    told = CliRunner().invoke(app, ["predict", str(folder), "x.png"])
    assert told.exit_code == 2
    assert "callbacks=none keeps no weights" in told.output


def unreadable(tmp_path: Path) -> str:
    for label in ("ai", "human"):
        draw(tmp_path / "bad" / label / "0.png", label, 0)
        (tmp_path / "bad" / label / "1.png").write_bytes(b"no picture")
    return f"data.root={tmp_path / 'bad'}"


def foreign_weights(tmp_path: Path) -> str:
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pt")
    return f"model.weights={tmp_path / 'w.pt'}"


@pytest.mark.parametrize(
    ("words", "made", "said"),
    [
        (["data=folder"], lambda path: f"data.root={path}/nowhere", "nowhere: does not exist"),
        (["data=folder"], unreadable, "2 of 4 images can't be read"),
        ([], foreign_weights, "does not fit efficientnet_lite0"),
        (["stages.head.unfreeze=999"], None, "stages.head.unfreeze: got 999; allowed: 0 to 148"),
        (["trainer.precison=32-true"], None, "trainer.precison: unknown key; did you mean trainer.precision?"),
        (["augment=none"], None, "balance=augment makes altered copies"),
        (["finetune=last10"], None, "+finetune=last10"),
    ],
)
def test_a_mistake_is_one_clear_line_and_exit_code_2(train, tmp_path: Path, words: list[str], made, said: str) -> None:
    given = [*words, made(tmp_path)] if made else words
    few = ["data.demo.train_per_folder=2", "data.demo.test_per_folder=1"]
    root = [] if any(word.startswith("data") for word in words) else few
    done: Outcome = train(*SMALL, *root, *given, f"hydra.run.dir={tmp_path / 'run'}")
    assert done.code == 2, done.printed
    errors = [line for line in done.printed.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.printed
    assert said in errors[0]
    assert "Traceback" not in done.printed
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_a_gpu_that_is_not_there_is_named(train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    done = train("trainer=gpu", f"hydra.run.dir={tmp_path / 'run'}")
    assert done.code == 2
    assert done.lines("trainer.accelerator=gpu: there is no GPU")


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(
    train, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    from artclf.model.classifier import ArtClassifier

    words = ["data=folder", f"data.root={pictures}", *FAST, "stages.head.max_epochs=2", f"hydra.run.dir={tmp_path / 'run'}"]
    step = ArtClassifier.training_step

    def interrupted(self: ArtClassifier, batch: object, batch_idx: int) -> object:
        if self.current_epoch == 1 and batch_idx == 1:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    monkeypatch.setattr(ArtClassifier, "training_step", interrupted)
    before = signal.getsignal(signal.SIGINT)
    try:
        done = train(*words)
    finally:
        signal.signal(signal.SIGINT, before)  # Lightning leaves it ignored
    assert done.code == 130
    assert done.lines(f"interrupted; to go on from the last finished epoch: python train.py resume={tmp_path / 'run'}")
    kept = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)
    assert kept["epoch"] == 0  # the last that was finished
    assert kept["optimizer_states"]
    again = train(*words)
    assert again.code == 2
    assert again.lines(f"python train.py resume={tmp_path / 'run'} goes on with it")


def test_help_is_worth_reading(train) -> None:
    done = train("--help")
    assert done.code == 0
    for word in ("+finetune=last10", "data=csv", "model=resnet50,efficientnet_b0", "stages.head.optim.lr", "artclf predict"):
        assert word in done.printed


def test_the_demo_runs_through_the_layout_of_ai_artbench(train, tmp_path: Path) -> None:
    words = ["data.demo.train_per_folder=4", "data.demo.test_per_folder=2", "stages.head.max_epochs=1"]
    done = train(*FAST, "report=true", *words, f"hydra.run.dir={tmp_path / 'run'}")
    assert done.code == 0, done.printed
    assert done.lines("tell nothing about art")
    metrics = metrics_of(tmp_path / "run")
    assert set(metrics["splits"]["test"]["by_generator"]) == {"human", "nearest_conv", "transposed_conv"}
    assert "nothing about art" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.skipif(shared_data("ai_artbench_mini") is None, reason="the real pictures are not beside this checkout")
def test_real_paintings_are_told_apart(train, tmp_path: Path) -> None:
    words = ["model=efficientnet_lite0", "data=ai_artbench", f"data.root={shared_data('ai_artbench_mini')}"]
    done = train(*words, f"hydra.run.dir={tmp_path / 'run'}")
    assert done.code == 0, done.printed
    assert metrics_of(tmp_path / "run")["splits"]["test"]["balanced_accuracy"] >= 0.85  # 118 images: two errors are 0.06


def test_a_copied_checkpoint_predicts_alone(finished: Path, pictures: Path, tmp_path: Path) -> None:
    alone = shutil.copy(finished / "checkpoints" / "best.ckpt", tmp_path / "alone.ckpt")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    whole = CliRunner().invoke(app, ["predict", str(alone), str(pictures / "test"), str(tmp_path / "broken.jpg")])
    assert whole.exit_code == 1  # one picture could not be read, and the others were
    assert len(whole.stdout.splitlines()) == 1 + 12
    assert "broken.jpg: " in whole.stderr
