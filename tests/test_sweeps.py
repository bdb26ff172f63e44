"""The real train.py, many runs at once: a search, and the launchers that share the runs among processes."""

import datetime
import json
import os
import re
import subprocess
import sys
import time
import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import DictConfig

import artclf.training.experiment
from tests.apart import train_apart
from tests.conftest import FAST, REPOSITORY

SMALL = [*FAST, "report=true", "head=linear", "trainer.precision=32-true"]
pytestmark = pytest.mark.filterwarnings("default")  # libraries warn each other; what artclf says is checked below


def test_a_search_goes_on_after_trials_that_failed_or_were_stopped(train, pictures: Path, tmp_path: Path) -> None:
    """The seed's four trials: a rate that learns, one that does not, one that diverges, and the second again."""
    sweep = tmp_path / "sweep"
    settled = ["stages.head.optim.name=sgd", "stages.head.max_epochs=2", "augment=basic", "head.dropout=0"]
    searched = ["stages.head.optim.lr=choice(1e-2,1e-7,1e38)"]
    options = {"n_trials": 4, "seed": 35, "sampler": "random", "pruner_startup_trials": 1, "pruner_warmup_epochs": 0}
    words = ["data=folder", f"data.root={pictures}", *SMALL, *settled, *searched, f"hydra.sweep.dir={sweep}"]
    done = train("-m", "sweep=optuna", *words, *(f"hydra.sweeper.{key}={value}" for key, value in options.items()))
    table = pd.read_csv(sweep / "sweep.csv")
    assert table["stages.head.optim.lr"].tolist() == [0.01, 1e-7, 1e38, 1e-7]
    assert table["state"].tolist() == ["finished", "pruned", "failed", "pruned"]
    assert table["epochs"].tolist()[:2] == [2, 1]
    assert "training diverged" in table["reason"][2]
    assert not (sweep / "1" / "metrics.json").exists()  # what is pruned is not tested
    assert not (sweep / "1" / "error.txt").exists()
    assert not (sweep / "comparison.html").exists()  # which would be led by test figures
    (command,) = done.lines("python train.py data=folder")
    assert command.endswith("stages.head.optim.lr=0.01")
    assert "sweep=" not in command
    assert "pruning=" not in command
    assert command.strip() in (sweep / "sweep.html").read_text(encoding="utf-8")
    report = (sweep / "0" / "report.html").read_text(encoding="utf-8")
    assert "stages.head.optim.lr=0.01" in report
    assert "sweep.journal" not in report.split("config")[0]


def test_a_search_in_which_all_trials_fail_ends_with_2(train, tmp_path: Path) -> None:
    words = ["data=folder", f"data.root={tmp_path / 'nowhere'}", "hydra.sweeper.n_trials=2"]
    done = train("-m", "sweep=optuna", *FAST, *words, f"hydra.sweep.dir={tmp_path / 'sweep'}", code=2)
    assert done.lines("no trial finished; the reasons are in")
    page = (tmp_path / "sweep" / "sweep.html").read_text(encoding="utf-8")
    assert "No trial finished" in page
    assert "nowhere: does not exist" in page
    assert "The best settings" not in page
    assert not list((tmp_path / "sweep").glob("*.png"))


def test_a_multirun_typed_again_runs_only_what_has_not_finished(
    train, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = artclf.training.experiment.run

    def run_without_luck(composed: DictConfig, run: Path, *rest: Any) -> Any:
        if run.name == "1":
            with monkeypatch.context() as broken:  # it begins, and fails
                broken.setattr(artclf.training.experiment, "fit_stages", None)
                return real(composed, run, *rest)
        return real(composed, run, *rest)

    sweep = tmp_path / "sweep"
    words = ["-m", "data=folder", f"data.root={pictures}", *FAST, "stages.head.max_epochs=1", f"hydra.sweep.dir={sweep}"]
    with monkeypatch.context() as patched:
        patched.setattr(artclf.training.experiment, "run", run_without_luck)
        patched.setattr("artclf.report.comparison_page.write_comparison", lambda *given: None)  # which takes seconds
        done = train(*words, "seed=0,1", code=2)
    assert done.lines("1 of 2 runs failed: 1")
    first = (sweep / "0" / "metrics.json").read_bytes()
    for other in (["seed=2,3"], ["sweep=optuna"]):
        refused = train(*words, *other, code=2)
        assert refused.lines("holds runs already, of another command")
    config = (sweep / "0" / "config.yaml").read_text()
    (sweep / "0" / "config.yaml").write_text(config.replace("image_size: 32", "image_size: 64"))
    done = train(*words, "seed=0,1", code=2)
    assert done.lines("holds a run with other settings")
    (sweep / "0" / "config.yaml").write_text(config)
    again = train(*words, "seed=0,1")
    assert again.lines(f"the run in {sweep / '0'} has finished")
    assert (sweep / "0" / "metrics.json").read_bytes() == first
    assert not (sweep / "1" / "error.txt").exists()
    assert json.loads((sweep / "1" / "metrics.json").read_text())["resumed"] == 1
    assert set(pd.read_csv(sweep / "comparison.csv")["run"]) == {0, 1}


def grid_of(pictures: Path, folder: Path) -> list[str]:
    """The words for two runs that differ in the seed, with relative paths; long enough for two workers to meet."""
    given = ["-m", "data=folder", f"data.root={os.path.relpath(pictures, folder)}", *SMALL, "stages.head.max_epochs=40"]
    return [*given, "callbacks=none", "seed=0,1", "hydra.sweep.dir=sweep"]


def grid(pictures: Path, folder: Path, *words: str) -> str:
    """Two runs that differ in the seed, by a process of its own; returns what it printed."""
    command = [sys.executable, str(REPOSITORY / "train.py"), *grid_of(pictures, folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def serial(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serial")
    train_apart(folder, [*grid_of(pictures, folder), "report=false"])
    return folder / "sweep"


def assert_same(sweep: Path, serial: Path) -> None:
    for run in ("0", "1"):
        assert (sweep / run / "predictions.csv").read_text() == (serial / run / "predictions.csv").read_text()
    figures = ["run", "seed", "accuracy", "balanced_accuracy", "auroc", "false_positive_rate", "status"]
    table, other = (pd.read_csv(folder / "comparison.csv")[figures].sort_values("run") for folder in (sweep, serial))
    pd.testing.assert_frame_equal(table.reset_index(drop=True), other.reset_index(drop=True))


def assert_at_the_same_time(sweep: Path) -> None:
    """By the times in the runs' logs: each begins before the other ends."""
    spans = []
    for run in ("0", "1"):
        stamps = re.findall(r"^(\d{4}-\S+ [\d:]+),(\d{3}) ", (sweep / run / "train.log").read_text(), flags=re.MULTILINE)
        times = [datetime.datetime.fromisoformat(f"{stamp}.{thousandths}") for stamp, thousandths in stamps]
        spans.append((min(times), (sweep / run / "report.html").stat().st_mtime))
    (first, first_end), (second, second_end) = ((begin.timestamp(), end) for begin, end in spans)
    assert first < second_end
    assert second < first_end


@pytest.mark.slow
@pytest.mark.skipif(find_spec("joblib") is None, reason="the extra joblib is not installed")
def test_joblib_gives_what_a_serial_multirun_gives(serial: Path, pictures: Path, tmp_path: Path) -> None:
    grid(pictures, tmp_path, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert_same(tmp_path / "sweep", serial)
    assert_at_the_same_time(tmp_path / "sweep")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed")
def test_ray_on_loopback_gives_what_a_serial_multirun_gives(
    serial: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init = ["num_cpus=2", "include_dashboard=false", "_node_ip_address=127.0.0.1"]
    mark = uuid.uuid4().hex
    own = "hydra.launcher.ray.init.address=local"  # even where a cluster runs on this machine
    words = ["hydra/launcher=ray", own, *(f"+hydra.launcher.ray.init.{word}" for word in init)]
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # no token: it would be written into the home folder
    monkeypatch.setenv("ARTCLF_TEST_MARK", mark)
    printed = grid(pictures, tmp_path, *words)
    assert_same(tmp_path / "sweep", serial)
    assert_at_the_same_time(tmp_path / "sweep")
    assert len(set(re.findall(r"\(_run_job pid=(\d+)\)", printed))) == 2
    assert not left_behind(mark)


def left_behind(mark: str) -> list[str]:
    """Processes that still have this mark in their environment some seconds later (where there is /proc)."""
    for _ in range(20):
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark.encode() in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # ended meanwhile, or another user's
        if not found:
            break
        time.sleep(0.5)
    return found
