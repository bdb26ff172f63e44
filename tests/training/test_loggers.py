"""Loggers: one run of their own for a run, with its settings and test figures, closed however it ends; and why one fails."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import pytest
from lightning.pytorch import Callback
from lightning.pytorch.loggers import Logger

from artclf.errors import ArtclfError
from artclf.sweep.callbacks import Pruned
from artclf.training.loggers import RUN_ID, open_loggers, run_ids
from tests.conftest import FAST, config_of

OWN = {"MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_PROJECT", "WANDB_NAME", "WANDB_DIR", "WANDB_RUN_GROUP"}


class Fake(Logger):
    """Remembers what it is given."""

    made: ClassVar[list["Fake"]] = []

    def __init__(self, fails: str = "", run_id: str = "") -> None:
        self.fails, self.version = fails, run_id or f"id-{len(self.made)}"  # type: ignore[assignment]
        self.settings: list[dict[str, Any]] = []
        self.figures: list[tuple[int | None, dict[str, Any]]] = []
        self.ends: list[str] = []
        self.made.append(self)
        if run_id == "gone":
            raise OSError("there is no such run")

    name = version = None  # type: ignore[assignment]

    def log_hyperparams(self, params: Any) -> None:
        if self.fails == "to open":
            raise OSError("its server\nsays no")
        self.settings.append(params)

    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        if self.fails == "later" and len(self.figures) == 2:
            raise OSError("its server is gone")
        self.figures.append((step, dict(metrics)))

    def finalize(self, status: str) -> None:
        self.ends.append(status)
        if self.fails == "to close":
            raise OSError("its disk is full")


class Stop(Callback):
    """Ctrl-C, in the second epoch of the second stage."""

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.max_epochs == 2 and trainer.current_epoch == 1:
            raise KeyboardInterrupt


FAKE = f"+logger.fake={{_target_: {__name__}.Fake"
STAGES = ["+finetune=last10", "stages.head.max_epochs=1", "stages.last10.max_epochs=2"]


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    Fake.made.clear()
    for name in OWN:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def words(pictures: Path) -> list[str]:
    return [*FAST, "data=folder", f"data.root={pictures}", "callbacks.progress=null"]


def figures_of(run: Path) -> dict[str, Any]:
    """What is to be logged at the end of a run."""
    test = json.loads((run / "metrics.json").read_text())["splits"]["test"]
    return {f"test/{name}": test[name] for name in ("accuracy", "auroc", "false_positive_rate", "false_negative_rate", "n")}


def test_each_run_of_a_multirun_has_one(train, tmp_path: Path, words: list[str]) -> None:
    sweep = tmp_path / "sweep"
    train("-m", *words, *STAGES, "stages.last10.max_epochs=1", "seed=0,1", FAKE + "}", f"hydra.sweep.dir={sweep}")
    assert len(Fake.made) == 2
    for seed, logger in enumerate(Fake.made):
        assert logger.ends == ["success"]
        (settings,) = logger.settings
        assert (settings["seed"], settings["stages.last10.optim.lr"], settings["model.name"]) == (seed, 1e-5, "test_byobnet")
        by_epoch = [(step, figures) for step, figures in logger.figures if "val/loss" in figures]
        assert [figures["epoch"] for _, figures in by_epoch] == [1, 2]
        steps = [step for step, _ in logger.figures]
        assert steps == sorted(steps)
        assert len({step for step, _ in by_epoch}) == 2
        step, last = logger.figures[-1]
        assert figures_of(sweep / str(seed)).items() <= last.items()
        assert step == by_epoch[-1][0] + 1


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (None, "success"),
        (ArtclfError("diverged"), "failed"),
        (KeyboardInterrupt(), "KILLED"),
        (Pruned(1, "val/loss", 1.0), "KILLED"),
    ],
)
def test_they_are_closed_however_the_run_ends(tmp_path: Path, error: BaseException | None, end: str) -> None:
    config = config_of(FAKE + "}", f"+logger.b={{_target_: {__name__}.Fake, fails: to close}}")
    with pytest.raises(type(error)) if error else nullcontext(), open_loggers(config, tmp_path, {}):
        if error:
            raise error
    assert [logger.ends for logger in Fake.made] == [[end]] * 2


def test_those_before_one_that_fails_are_closed(tmp_path: Path) -> None:
    broken = f"+logger.z={{_target_: {__name__}.Fake, fails: to open}}"
    with (
        pytest.raises(ArtclfError, match=r"^logger\.z: Fake can't be opened: its server says no$"),
        open_loggers(config_of(FAKE + "}", broken), tmp_path, {}),
    ):
        raise AssertionError
    assert [logger.ends for logger in Fake.made] == [["failed"], ["failed"]]


def test_a_run_that_continues_goes_on_in_its_own(train, tmp_path: Path, words: list[str], monkeypatch) -> None:
    monkeypatch.setitem(RUN_ID, Fake, "run_id")
    run, stop = tmp_path / "run", f"+callbacks.stop={{_target_: {__name__}.Stop}}"
    train(*words, *STAGES, FAKE + "}", stop, f"hydra.run.dir={run}", code=130)
    monkeypatch.delattr(Stop, "on_train_epoch_start")
    train(f"resume={run}", "resume.trust=true")
    first, second = Fake.made
    assert second.version == first.version
    steps = [step for logger in (first, second) for step, figures in logger.figures if "val/loss" in figures]
    assert steps == sorted(set(steps))
    assert len(steps) == 3


def test_a_run_of_its_own_that_is_gone_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUN_ID, Fake, "run_id")
    with open_loggers(config_of(FAKE + "}"), tmp_path, {"fake": "gone"}) as (logger,):
        assert "there is no such run; the figures from here on are in a new run of the logger" in logger.fallbacks[0]


def test_one_that_fails_later_ends_no_run(train, tmp_path: Path, words: list[str]) -> None:
    done = train(*words, "stages.head.max_epochs=2", FAKE + ", fails: later}", f"hydra.run.dir={tmp_path}/run")
    line = "logger.fake: gets no more figures, because it failed: its server is gone"
    assert len(done.lines(line)) == 1
    assert json.loads((tmp_path / "run/metrics.json").read_text())["fallbacks"][-1] == line
    assert Fake.made[0].ends == ["success"]


@pytest.mark.parametrize(("name", "missing"), [("mlflow", "mlflow"), ("wandb", "wandb"), ("mlflow", "mlflow.tracking")])
def test_what_can_not_be_imported_later_is_named(tmp_path: Path, monkeypatch, name: str, missing: str) -> None:
    if "." in missing:
        pytest.importorskip(name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ArtclfError, match=f"^logger.{name}: .* can't be opened: .*{missing}"):
        open_loggers(config_of(f"logger={name}"), tmp_path, {}).__enter__()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_wandb(train, tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    finished: list[tuple[Any, ...]] = []

    def finish(exit_code: int) -> None:
        finished.append((wandb.run.name, wandb.run.group, dict(wandb.run.summary), exit_code))
        really(exit_code=exit_code)

    really = wandb.finish
    monkeypatch.setattr(wandb, "finish", finish)
    sweep = tmp_path / "sweep"
    train("-m", *words, "logger=wandb", "logger.wandb.mode=offline", "seed=0,1", f"hydra.sweep.dir={sweep}")
    assert [run[:2] + run[3:] for run in finished] == [("0", "sweep", 0), ("1", "sweep", 0)]
    for number in (0, 1):
        assert len(list((sweep / str(number) / "wandb").glob("offline-run-*"))) == 1
        assert figures_of(sweep / str(number)).items() <= finished[number][2].items()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow(train, tmp_path: Path, words: list[str]) -> None:
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri(None)
    run = tmp_path / "run"
    train(*words, "logger=mlflow", f"hydra.run.dir={run}")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (experiment,) = (found for found in client.search_experiments() if found.name == "artclf")
    (logged,) = client.search_runs([experiment.experiment_id])
    assert (logged.info.run_name, logged.info.status) == ("run", "FINISHED")
    assert logged.data.params["model.name"] == "test_byobnet"
    assert figures_of(run).items() <= logged.data.metrics.items()

    config, other = config_of("logger=mlflow"), tmp_path / "other"
    with pytest.raises(KeyboardInterrupt), open_loggers(config, other, {}) as (opened,):
        raise KeyboardInterrupt
    assert client.get_run(str(opened.version)).info.status == "KILLED"
    with open_loggers(config, other, run_ids([opened])):
        pass
    assert client.get_run(str(opened.version)).info.status == "FINISHED"
    assert len(client.search_runs([experiment.experiment_id])) == 2
    mlflow.set_tracking_uri(None)
    refused = config_of("logger=mlflow", "logger.mlflow.tracking_uri=nonsense://x")
    with pytest.raises(ArtclfError, match="got unsupported URI 'nonsense://x'"):
        open_loggers(refused, run, {}).__enter__()
    mlflow.set_tracking_uri(None)


@pytest.mark.filterwarnings("ignore")
def test_tensorboard(train, tmp_path: Path, words: list[str]) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    train(*words, *STAGES, "logger=tensorboard", f"hydra.run.dir={run}")
    read = EventAccumulator(str(run / "tensorboard")).Reload()
    steps = [event.step for event in read.Scalars("val/loss")]
    assert steps == sorted(set(steps))
    assert len(steps) == 3
    assert read.Scalars("test/accuracy")[0].value == pytest.approx(figures_of(run)["test/accuracy"])
