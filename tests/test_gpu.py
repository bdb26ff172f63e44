"""On a GPU: a first run, fine-tuning, and predictions as on a CPU. All other tests run on the CPU, wherever they run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import GPUS, REPOSITORY

pytestmark = pytest.mark.gpu
SMALL = ["data.demo.train_per_folder=8", "data.demo.test_per_folder=4", "data.image_size=64", "model.weights=none"]


def python(*words: str | Path, gpus: str | None = GPUS) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    environment |= {} if gpus is None else {"CUDA_VISIBLE_DEVICES": gpus}
    done = subprocess.run(
        [sys.executable, *words], env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def gpu() -> str:
    """The GPU's name."""
    if name := python("-c", "import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else '')").strip():
        return name
    pytest.skip("needs a CUDA device")


@pytest.mark.parametrize(
    "words", [["model=resnet50"], ["model=efficientnet_b0", "stages.head.unfreeze=0", "+finetune=last10", "audit.images=0"]]
)
def test_a_run_on_a_gpu_is_tested_and_predicts_as_on_a_cpu(gpu: str, words: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    python("train.py", *words, *SMALL, "stages.head.max_epochs=3", f"hydra.run.dir={run}")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["device"] == gpu
    assert metrics["precision"] in ("bf16-mixed", "16-mixed")
    assert (run / "report.html").is_file()
    root = Path(metrics["data"]["root"])
    test = pd.read_csv(run / "predictions.csv").query("split == 'test'").set_index("path")["p_ai"]
    for gpus in (GPUS, ""):
        command = ["predict", run, *(root / path for path in test.index)]
        printed = python("-c", "import sys; from artclf.cli import app; sys.argv[0] = 'artclf'; app()", *command, gpus=gpus)
        predicted = {Path(line.split()[-1]): float(line.split()[0]) for line in printed.splitlines()[1:]}
        assert predicted == pytest.approx({root / path: p_ai for path, p_ai in test.items()}, abs=0.02)
