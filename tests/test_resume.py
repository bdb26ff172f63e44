"""A run that is killed, again and again, and continues: its weights and figures are those of a run that nobody disturbed."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from artclf.training.stages import find_last_checkpoint
from tests.apart import train_apart
from tests.conftest import FAST, Outcome, draw

# an epoch without improvement ends the head's stage, and no improvement is large enough: it takes three epochs
WORDS = [
    *FAST,
    "data=folder",
    "+callbacks.early_stopping.min_delta=10",
    "stages.head.max_epochs=5",
    "stages.head.patience=2",
    "+finetune=last10",
    "stages.last10.max_epochs=3",
]
STEP = "artclf.model.classifier:ArtClassifier.training_step"
MOMENTS = {
    "in the first epoch": (STEP, 2, "before"),
    "while the first checkpoint is being written": ("artclf.model.checkpoint:torch.save", 1, "half"),
    "between the checkpoints of the best and of the last epoch": ("artclf.model.checkpoint:torch.save", 2, "before"),
    "in a validation": ("artclf.model.classifier:ArtClassifier.validation_step", 2, "before"),
    "after metrics.csv, before its checkpoint": ("artclf.training.trainer:write_table", 3, "after"),
    "at the end of a stage, before it is recorded": ("artclf.training.stages:_link_or_copy", 1, "before"),
    "after a stage is recorded": ("artclf.training.resume:Progress.save", 2, "after"),
    "in the second stage's second epoch": (STEP, 7, "after"),
    "while the last checkpoint is being written": ("artclf.model.checkpoint:torch.save", 2, "half"),  # the first: read again
    "in the test": ("artclf.model.classifier:ArtClassifier.test_step", 2, "before"),
    "while the report is being written": ("artclf.training.experiment:write_results", 1, "before"),
}


@pytest.fixture(scope="module")
def undisturbed(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    train_apart(folder, [*WORDS, f"data.root={pictures}", f"hydra.run.dir={folder / 'run'}"])
    return folder / "run"


def metrics_of(run: Path) -> dict[str, Any]:
    """metrics.json without times, interruptions, how the images' folder was typed, and the state of the source code."""
    metrics: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    metrics["data"].pop("root")
    for stage in metrics["stages"]:
        stage.pop("seconds")
    return {key: value for key, value in metrics.items() if key not in ("seconds", "resumed", "command", "git")}


def same(one: Any, other: Any) -> bool:
    """Whether two checkpoints' contents are equal to the last bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def assert_same(run: Path, undisturbed: Path) -> None:
    for name in ("predictions.csv", "manifest.csv"):
        assert (run / name).read_bytes() == (undisturbed / name).read_bytes()
    tables = [pd.read_csv(folder / "metrics.csv", dtype=str).drop(columns="seconds") for folder in (run, undisturbed)]
    pd.testing.assert_frame_equal(*tables)
    assert metrics_of(run) == metrics_of(undisturbed)
    names = {"best.ckpt", "last.ckpt", "head.ckpt", "last10.ckpt"}
    assert names == {file.name for file in (undisturbed / "checkpoints").iterdir()}
    assert names == {file.name for file in (run / "checkpoints").iterdir()}
    for name in names:
        contents = [torch.load(folder / "checkpoints" / name, weights_only=True) for folder in (run, undisturbed)]
        for part in ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step"):
            assert same(*(content.get(part) for content in contents)), f"{name}: {part}"


@pytest.mark.slow
def test_a_run_killed_at_eleven_moments_ends_as_if_it_had_not_been(pictures: Path, undisturbed: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = [*WORDS, f"data.root={pictures}", f"hydra.run.dir={run}"]
    for moment in MOMENTS.values():
        train_apart(tmp_path, words, moment=moment)
        assert not (run / "metrics.json").exists()
        words = [f"resume={run}"]
    train_apart(tmp_path, words)
    assert_same(run, undisturbed)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["resumed"] == len(MOMENTS)
    assert metrics["command"].startswith("python train.py data.image_size=32")
    assert [stage["epochs"] for stage in metrics["stages"]] == [3, 3]
    assert not list(run.rglob("*.new"))


def test_a_moved_run_continues_with_the_images_that_it_began_with(
    pictures: Path, undisturbed: Path, tmp_path: Path, train: Callable[..., Outcome]
) -> None:
    images = Path(shutil.copytree(pictures, tmp_path / "images"))
    words = [*WORDS, "data.root=images", f"hydra.run.dir={tmp_path / 'there'}"]
    train_apart(tmp_path, words, moment=(STEP, 7, "before"))
    here = tmp_path / "it's here, now=1"
    (tmp_path / "there").rename(here)
    (tmp_path / "link, a=2").symlink_to(here)  # Lightning keeps real paths
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    resume = f"resume='{tmp_path / 'link, a=2'}'"

    draw(images / "train" / "ai" / "new.png", "ai", 77)
    done = train(resume, code=2)
    assert len(done.lines("error: ")) == len(done.lines("lists the images with which this run began")) == 1
    (images / "train" / "ai" / "new.png").unlink()
    assert "it continues from" in train_apart(elsewhere, [resume])
    metrics = json.loads((here / "metrics.json").read_text())
    assert metrics["resumed"] == 1  # the refused attempt did not begin
    assert_same(here, undisturbed)


def test_what_can_not_continue_is_refused_in_one_line(undisturbed: Path, tmp_path: Path, train: Callable[..., Outcome]) -> None:
    for words, reported in (
        ([f"resume={undisturbed}"], "this run has finished; its results are in"),
        ([f"resume={tmp_path}"], "there is no config.yaml in it"),
        ([f"resume={undisturbed}", "seed=1"], "leave out seed=1"),
    ):
        done = train(*words, code=2)
        (line,) = done.printed.splitlines()
        assert line.startswith("error: ")
        assert reported in line


@pytest.mark.slow
def test_further_checkpoints_do_not_replace_the_best_ones(pictures: Path, tmp_path: Path) -> None:
    options = "monitor: val/auroc, mode: max, save_top_k: 2, filename: best"
    own = f"{{_target_: lightning.pytorch.callbacks.ModelCheckpoint, {options}}}"
    words = [*WORDS, f"+callbacks.mine={own}", f"data.root={pictures}", f"hydra.run.dir={tmp_path / 'run'}"]
    train_apart(tmp_path, words, moment=("artclf.model.classifier:ArtClassifier.test_step", 1, "before"))
    its = {"head-best.ckpt", "head-best-v1.ckpt", "last10-best.ckpt", "last10-best-v1.ckpt"}
    names = {file.name for file in (tmp_path / "run" / "checkpoints").iterdir()}
    assert names == {"head.ckpt", "last10.ckpt", "best.ckpt", "last.ckpt", *its}
    train_apart(tmp_path, [f"resume={tmp_path / 'run'}"])
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    stage = metrics["best"]["stage"]
    best, of_stage = (torch.load(tmp_path / f"run/checkpoints/{n}.ckpt", weights_only=True) for n in ("best", stage))
    assert same(best["state_dict"], of_stage["state_dict"])
    assert metrics["best"]["val/loss"] == min(record["score"] for record in metrics["stages"])


def test_files_that_a_checkpoint_names_are_in_its_folder(undisturbed: Path, tmp_path: Path) -> None:
    """Lightning removes what it takes for a worse checkpoint of its own."""
    checkpoints = Path(shutil.copytree(undisturbed / "checkpoints", tmp_path / "checkpoints"))
    assert find_last_checkpoint(checkpoints, "head") is None
    content = torch.load(checkpoints / "last.ckpt", weights_only=True)
    for place in (str(tmp_path / "precious"), str(checkpoints / ".."), "/"):
        for state in (state for state in content["callbacks"].values() if "best_k_models" in state):
            state |= {"dirpath": place, "best_model_path": place, "best_k_models": {place: torch.tensor(0.5)}}
        torch.save(content, checkpoints / "last.ckpt")
        file = find_last_checkpoint(checkpoints, "last10")
        assert file == checkpoints / "last.ckpt"
        states = torch.load(file, weights_only=True)["callbacks"].values()
        keepers = [state for state in states if "best_k_models" in state]
        assert len(keepers) == 2
        for state in keepers:
            assert state["dirpath"] == os.path.realpath(checkpoints)
            for path in (state["best_model_path"], *state["best_k_models"]):
                assert str(Path(os.path.realpath(path)).parent) == state["dirpath"]
                assert path.endswith(".ckpt")
