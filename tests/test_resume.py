"""A run that is killed, again and again, and goes on: its weights and figures are those of a run that nobody disturbed."""

import json
import multiprocessing
import os
import runpy
import shutil
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from artclf.errors import ArtclfError
from artclf.training.resume import alone
from artclf.training.stages import _where_it_stood
from tests.conftest import FAST, REPOSITORY, Outcome, draw

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
MOMENTS = {
    "in the first epoch": ("artclf.model.classifier:ArtClassifier.training_step", 2, "before"),
    "while the first checkpoint is being written": ("artclf.model.checkpoint:torch.save", 1, "half"),
    "between the checkpoints of the best and of the last epoch": ("artclf.model.checkpoint:put_in_place", 2, "before"),
    "in a validation": ("artclf.model.classifier:ArtClassifier.validation_step", 2, "before"),
    "after metrics.csv, before its checkpoint": ("artclf.training.epochs:write_text", 3, "after"),
    "at the end of a stage, before it is written down": ("artclf.training.stages:_publish", 1, "before"),
    "after a stage is written down": ("artclf.training.resume:Progress.save", 2, "after"),
    "in the second stage's second epoch": ("artclf.model.classifier:ArtClassifier.training_step", 7, "after"),
    "while the last checkpoint is being written": ("artclf.model.checkpoint:torch.save", 1, "half"),
    "in the test": ("artclf.model.classifier:ArtClassifier.test_step", 2, "before"),
    "while the report is being written": ("artclf.inference.assess:write_results", 1, "before"),
}


def die_at(target: str, count: int, when: str) -> None:
    """Let this process be killed at the count-th call of a function: before it, after it, or with half of it done."""
    module, path = target.split(":")
    *owners, name = path.split(".")
    owner: Any = import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    function: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def watched(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = function(*args, **kwargs)
        if calls == count:
            if when == "half":
                os.truncate(args[1], Path(args[1]).stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(owner, name, watched)


def child(words: list[str], folder: Path, moment: tuple[str, int, str] | None) -> None:
    """train.py in a process of its own, killed at a moment."""
    os.chdir(folder)
    with (folder / "printed.txt").open("a") as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
    sys.argv = [str(REPOSITORY / "train.py"), *words]
    if moment:
        die_at(*moment)
    runpy.run_path(sys.argv[0], run_name="__main__")


def train_apart(words: list[str], folder: Path, moment: tuple[str, int, str] | None = None) -> int:
    """The exit code of such a process. It is forked from one that has loaded everything, which saves seconds each time."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["artclf.training.experiment", "hydra._internal.hydra", "tests.test_resume"])
    process = context.Process(target=child, args=(words, folder, moment))
    process.start()
    process.join(timeout=300)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode


@pytest.fixture(scope="module")
def undisturbed(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    code = train_apart([*WORDS, f"data.root={pictures}", f"hydra.run.dir={folder / 'run'}"], folder)
    assert code == 0, (folder / "printed.txt").read_text()
    return folder / "run"


def figures(run: Path) -> dict[str, Any]:
    """metrics.json without what tells of time, of the interruptions, and how the pictures' folder was typed."""
    metrics: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    metrics["data"].pop("root")
    stages = [{key: value for key, value in stage.items() if key != "seconds"} for stage in metrics.pop("stages")]
    return {"stages": stages, **{key: value for key, value in metrics.items() if key not in ("seconds", "resumed", "command")}}


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
    assert (run / "predictions.csv").read_bytes() == (undisturbed / "predictions.csv").read_bytes()
    assert (run / "manifest.csv").read_bytes() == (undisturbed / "manifest.csv").read_bytes()
    tables = [pd.read_csv(folder / "metrics.csv", dtype=str).drop(columns="seconds") for folder in (run, undisturbed)]
    pd.testing.assert_frame_equal(*tables)
    assert figures(run) == figures(undisturbed)
    names = {file.name for file in (undisturbed / "checkpoints").iterdir()}
    assert names == {"best.ckpt", "last.ckpt", "head.ckpt", "last10.ckpt"}
    assert {file.name for file in (run / "checkpoints").glob("*.ckpt")} == names
    for name in names:
        contents = [torch.load(folder / "checkpoints" / name, weights_only=True) for folder in (run, undisturbed)]
        for part in ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step"):
            assert same(*(content.get(part) for content in contents)), f"{name}: {part}"


@pytest.mark.slow
def test_a_run_killed_at_eleven_moments_ends_as_if_it_had_not_been(pictures: Path, undisturbed: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = [*WORDS, f"data.root={pictures}", f"hydra.run.dir={run}"]
    for moment, where in MOMENTS.items():
        code = train_apart(words, tmp_path, where)
        assert code == -signal.SIGKILL, f"not killed {moment}:\n{(tmp_path / 'printed.txt').read_text()}"
        assert not (run / "report.html").exists()
        words = [f"resume={run}"]
    assert train_apart(words, tmp_path) == 0, (tmp_path / "printed.txt").read_text()
    assert_same(run, undisturbed)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["resumed"] == len(MOMENTS)
    assert metrics["command"].startswith("python train.py data.image_size=32")
    assert [stage["epochs"] for stage in metrics["stages"]] == [3, 3]
    assert not list(run.rglob("*.new"))


def test_a_run_that_has_been_moved_goes_on_from_another_folder(pictures: Path, undisturbed: Path, tmp_path: Path) -> None:
    words = [*WORDS, f"data.root={os.path.relpath(pictures, tmp_path)}", f"hydra.run.dir={tmp_path / 'there'}"]
    assert train_apart(words, tmp_path, ("artclf.model.classifier:ArtClassifier.training_step", 7, "before")) == -signal.SIGKILL
    here = tmp_path / "it's here, now=1"
    (tmp_path / "there").rename(here)
    (tmp_path / "link, a=2").symlink_to(here)  # Lightning keeps real paths
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    word = f"resume='{tmp_path / 'link, a=2'}'"
    assert train_apart([word], elsewhere) == 0, (elsewhere / "printed.txt").read_text()
    assert "it goes on from" in (elsewhere / "printed.txt").read_text()
    assert_same(here, undisturbed)


def test_other_pictures_than_it_began_with_are_refused(tmp_path: Path, train: Callable[..., Outcome]) -> None:
    for label in ("ai", "human"):
        for number in range(6):
            draw(tmp_path / "data" / label / f"{number}.png", label, number)
    words = [*WORDS, f"data.root={tmp_path / 'data'}", f"hydra.run.dir={tmp_path / 'run'}"]
    assert train_apart(words, tmp_path, ("artclf.model.classifier:ArtClassifier.training_step", 2, "before")) == -signal.SIGKILL
    draw(tmp_path / "data" / "ai" / "new.png", "ai", 77)
    done = train(f"resume={tmp_path / 'run'}")
    assert done.code == 2
    assert len(done.lines("error: ")) == len(done.lines("lists the pictures with which this run began")) == 1


def test_a_finished_run_and_what_is_no_run_are_refused_in_one_line(
    undisturbed: Path, tmp_path: Path, train: Callable[..., Outcome]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "multirun" / "0").mkdir(parents=True)
    (tmp_path / "multirun" / "0" / "config.yaml").touch()
    for words, said in (
        ([f"resume={undisturbed}"], "this run has finished; its figures are in"),
        ([f"resume={tmp_path / 'nowhere'}"], "there is no such folder"),
        ([f"resume={tmp_path / 'empty'}"], "holds no config.yaml"),
        ([f"resume={tmp_path / 'multirun'}"], f"not finished: {tmp_path / 'multirun' / '0'}"),
        ([f"resume={undisturbed}", "seed=1"], "leave out seed=1"),
        ([f"resume={undisturbed}", "hydra.run.dir=elsewhere"], "leave hydra.run.dir out"),
        (["-m", f"resume={undisturbed}"], "leave -m out"),
    ):
        done = train(*words)
        assert done.code == 2
        (line,) = done.printed.splitlines()
        assert line.startswith("error: ")
        assert said in line


@pytest.mark.slow
def test_checkpoints_of_the_users_own_do_not_meet_the_best_ones(pictures: Path, tmp_path: Path) -> None:
    own = (
        "{_target_: lightning.pytorch.callbacks.ModelCheckpoint, monitor: val/auroc, mode: max, save_top_k: 2, filename: best}"
    )
    words = [*WORDS, f"+callbacks.mine={own}", f"data.root={pictures}", f"hydra.run.dir={tmp_path / 'run'}"]
    assert train_apart(words, tmp_path, ("artclf.model.classifier:ArtClassifier.test_step", 1, "before")) == -signal.SIGKILL
    its = {"head-best.ckpt", "head-best-v1.ckpt", "last10-best.ckpt", "last10-best-v1.ckpt"}
    names = {file.name for file in (tmp_path / "run" / "checkpoints").iterdir()}
    assert names == {"head.ckpt", "last10.ckpt", "best.ckpt", "last.ckpt", *its}
    assert train_apart([f"resume={tmp_path / 'run'}"], tmp_path) == 0, (tmp_path / "printed.txt").read_text()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    stage = metrics["best"]["stage"]
    best, of_stage = (torch.load(tmp_path / f"run/checkpoints/{n}.ckpt", weights_only=True) for n in ("best", stage))
    assert same(best["state_dict"], of_stage["state_dict"])
    scores = [record["score"] for record in metrics["stages"]]
    assert metrics["best"]["val/loss"] == min(scores)


@pytest.mark.parametrize("key", ["dirpath", "best_model_path", "best_k_models"])
def test_a_checkpoint_that_names_files_elsewhere_is_refused(undisturbed: Path, tmp_path: Path, key: str) -> None:
    """Lightning removes what it takes for a worse checkpoint of its own."""
    checkpoints = Path(shutil.copytree(undisturbed / "checkpoints", tmp_path / "checkpoints"))
    assert _where_it_stood(checkpoints, "last10") == checkpoints / "last.ckpt"  # with the paths of the copy
    content = torch.load(checkpoints / "last.ckpt", weights_only=True)
    state = next(state for state in content["callbacks"].values() if "best_k_models" in state)
    for place in (str(tmp_path / "precious"), str(checkpoints / "..")):
        state[key] = {place: torch.tensor(0.5)} if key == "best_k_models" else place
        torch.save(content, checkpoints / "last.ckpt")
        with pytest.raises(ArtclfError, match="names files outside of"):
            _where_it_stood(checkpoints, "last10")


def test_two_processes_do_not_work_in_one_run_folder(tmp_path: Path) -> None:
    with alone(tmp_path / "run"), pytest.raises(ArtclfError, match="another process is at work"), alone(tmp_path / "run"):
        pytest.fail("two at once")
    with alone(tmp_path / "run"):
        pass
    assert not list((tmp_path / "run").iterdir())


def test_a_file_system_without_locks_is_told_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    monkeypatch.setattr("artclf.training.resume.FileLock.acquire", refused)
    with alone(tmp_path / "run") as fallbacks:
        assert [line.split(": ")[1] for line in fallbacks] == ["this file system has no locks"]
