"""Two processes on this machine's CPU: what they train and test is what one process does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from artclf.cli import app
from artclf.model.checkpoint import load_classifier
from artclf.runtime import cores
from tests.conftest import REPOSITORY, TINY
from tests.test_train import metrics_of, train_apart

# no dropout and no batch normalisation among what trains: each process has its own of both
WORDS = [
    *TINY,
    "data=folder",
    "model=efficientnet_lite0",
    "head=linear",
    "stages.head.max_epochs=3",
    "stages.head.optim.lr=1e-2",
    "trainer.precision=32-true",
    "trainer.channels_last=false",
]
TWO = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]


@pytest.fixture(scope="module", params=["augment", "sampler"])
def runs(request: pytest.FixtureRequest, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run in one process, and the same in two."""
    folder = tmp_path_factory.mktemp(request.param)
    words = [*WORDS, f"data.root={pictures}", f"balance={request.param}"]
    train_apart(folder, [*words, "trainer=cpu", "hydra.run.dir=one"])
    printed = train_apart(folder, [*words, *TWO, "hydra.run.dir=two"])
    assert printed.count("balance=") == 1  # one of them speaks
    return folder / "one", folder / "two"


@pytest.mark.slow
def test_two_processes_give_the_figures_of_one(runs: tuple[Path, Path]) -> None:
    one, two = (metrics_of(run) for run in runs)
    predictions = [pd.read_csv(run / "predictions.csv") for run in runs]
    assert predictions[1]["path"].is_unique
    pd.testing.assert_frame_equal(*predictions, atol=2e-5, rtol=0)  # sums in another order
    for split in ("test", "val", "unseen"):
        for figure in ("n", "accuracy", "balanced_accuracy", "auroc", "confusion"):
            assert one["splits"][split][figure] == two["splits"][split][figure], (split, figure)
    assert one["balance"] == two["balance"]
    assert one["best"]["epoch"] == two["best"]["epoch"]
    tables = [pd.read_csv(run / "metrics.csv").drop(columns="seconds") for run in runs]
    pd.testing.assert_frame_equal(*tables, atol=2e-5, rtol=0)
    assert not (runs[1] / "progress.json").exists()


@pytest.mark.slow
def test_what_two_processes_trained_is_what_they_tested(pictures: Path, tmp_path: Path) -> None:
    """Dropout, batch normalisation and unfrozen layers too; and a batch that is no multiple, and torchrun."""
    words = [*(word for word in WORDS if not word.startswith("head=")), f"data.root={pictures}", "+finetune=last10"]
    words += ["stages.head.max_epochs=1", "stages.last10.max_epochs=1", "stages.last10.optim.lr=1e-3", *TWO]
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2")
    printed = train_apart(tmp_path, words, *torchrun, code=1)
    assert "2 processes were started together and have to share a run folder: type hydra.run.dir=FOLDER" in printed
    assert not (tmp_path / "outputs").exists()
    train_apart(tmp_path, [*words, "hydra.run.dir=two"], *torchrun)
    run = tmp_path / "two"
    predictions = pd.read_csv(run / "predictions.csv")
    assert len(predictions) == 12 + 3 + 4
    assert predictions["path"].is_unique
    assert load_classifier(run / "checkpoints" / "best.ckpt").hparams["head"]["name"] == "mlp"
    paths = [str(pictures / path) for path in predictions["path"]]
    done = CliRunner().invoke(app, ["predict", str(run), *paths])
    again = [float(line.split()[0]) for line in done.stdout.splitlines()[1:]]
    assert again == pytest.approx(predictions["p_ai"].tolist(), abs=1e-4)  # they are printed with four digits


@pytest.mark.slow
def test_a_batch_that_two_processes_cannot_share_is_refused(pictures: Path, tmp_path: Path) -> None:
    printed = train_apart(tmp_path, [*WORDS, f"data.root={pictures}", *TWO, "data.batch_size=7"], code=2)
    assert "data.batch_size=7: can't be shared by 2 processes; type a multiple, such as data.batch_size=8" in printed
    assert "Traceback" not in printed


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="/proc lists the children of a process, on Linux")
@pytest.mark.skipif(cores() < 2, reason="two processes need two cores")
def test_processes_of_a_run_end_with_the_first(pictures: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(REPOSITORY / "train.py"), *WORDS, *TWO, f"data.root={pictures}", "hydra.run.dir=run"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path) as first:
        other = wait_for(lambda: other_process(first.pid), seconds=120)
        os.kill(first.pid, signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{other}").exists(), seconds=30)


def other_process(pid: int) -> str | None:
    """The process of another device that a process has started."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"train_ddp_process_1" in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    return None


def wait_for(happens: Callable[[], object], seconds: float) -> object:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := happens():
            return found
        time.sleep(0.1)
    pytest.fail(f"not within {seconds} s")
