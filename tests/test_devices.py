"""Two processes on this machine's CPU: what they train and test is what one process does."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from artclf.data.module import ArtData
from artclf.errors import ArtclfError
from artclf.model.checkpoint import load_classifier
from artclf.runtime import cores
from tests.apart import REPOSITORY, begin, train_apart
from tests.cli.conftest import artclf
from tests.conftest import FROZEN, config_of, metrics_of

# no dropout and no batch normalisation among what trains: each process has its own of both
WORDS = [
    *FROZEN,
    "data=folder",
    "head=linear",
    "stages.head.max_epochs=3",
    "stages.head.optim.lr=1e-2",
    "trainer.precision=32-true",
    "trainer.channels_last=false",
]
TWO = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]


@pytest.mark.slow
def test_two_processes_give_the_figures_of_one(pictures: Path, tmp_path: Path) -> None:
    words = [*WORDS, f"data.root={pictures}"]
    train_apart(tmp_path, [*words, "trainer=cpu", "hydra.run.dir=one"])
    printed = train_apart(tmp_path, [*words, *TWO, "hydra.run.dir=two"])
    assert printed.count("balance=") == 1  # one of them speaks
    runs = tmp_path / "one", tmp_path / "two"
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
    """Dropout, batch normalisation and unfrozen layers too, started by torchrun."""
    words = [*(word for word in WORDS if not word.startswith("head=")), f"data.root={pictures}", "+finetune=last10"]
    words += ["stages.head.max_epochs=1", "stages.last10.max_epochs=1", "stages.last10.optim.lr=1e-3", *TWO]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", str(REPOSITORY / "train.py")]
    done = subprocess.run([*torchrun, *words, "hydra.run.dir=two"], capture_output=True, text=True, timeout=400, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "two"
    predictions = pd.read_csv(run / "predictions.csv")
    assert len(predictions) == 12 + 3 + 4
    assert predictions["path"].is_unique
    assert load_classifier(run / "checkpoints" / "best.ckpt").hparams["head"]["name"] == "mlp"
    done = artclf("predict", run, *(pictures / path for path in predictions["path"]))
    again = [float(line.split()[0]) for line in done.stdout.splitlines()[1:]]
    assert again == pytest.approx(predictions["p_ai"].tolist(), abs=1e-4)  # they are printed with four digits


def test_processes_that_are_started_together_need_a_run_folder(train, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "as torchrun sets it")
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = train(*WORDS, *TWO, f"data.root={pictures}", code=2)
    assert done.lines("error: 2 processes were started together and have to share a run folder: type hydra.run.dir=FOLDER")


@pytest.mark.parametrize(
    ("processes", "refusal"),
    [
        (3, "data.batch_size=8: can't be shared by 3 processes; type a multiple, such as data.batch_size=9"),
        (4, "split val: 3 images can't be shared by 4 processes; type fewer trainer.devices"),
    ],
)
def test_what_processes_cannot_share_is_refused(pictures: Path, processes: int, refusal: str) -> None:
    data = ArtData(config_of(*WORDS, f"data.root={pictures}"))
    data.read()
    data.trainer = SimpleNamespace(global_rank=0, world_size=processes)
    with pytest.raises(ArtclfError, match=refusal):
        data.loader("val")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="/proc lists the children of a process, on Linux")
@pytest.mark.skipif(cores() < 2, reason="two processes need two cores")
def test_processes_of_a_run_end_with_the_first(pictures: Path, tmp_path: Path) -> None:
    words = [*WORDS, *TWO, f"data.root={pictures}", "hydra.run.dir=run"]
    first = begin(tmp_path, words, tmp_path / "printed.txt")
    other = wait_for(lambda: other_process(first.pid), seconds=120)
    first.kill()
    wait_for(lambda: not Path(f"/proc/{other}").exists(), seconds=30)


def other_process(pid: int | None) -> str | None:
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
