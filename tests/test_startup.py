"""What is loaded when: a command that only describes does not load what trains, and a run loads no extra it does not use."""

import subprocess
import sys

from tests.conftest import REPOSITORY

TRAINING = {"torch", "torchvision", "torchmetrics", "lightning", "timm"}
TABLES_AND_FIGURES = {"numpy", "pandas", "matplotlib", "PIL", "sklearn", "scipy", "jinja2"}
CONFIGURATION = {"hydra", "omegaconf", "pydantic"}
EXTRAS = {"optuna", "timm", "kagglehub", "wandb", "mlflow", "tensorboard", "ray", "joblib", "submitit"}


def loaded(*words: str) -> set[str]:
    """The packages that Python loads, or looks for, until a command has ended."""
    command = [sys.executable, "-X", "importtime", *words]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[1].strip().split(".")[0] for line in lines}


def test_help_of_artclf_loads_next_to_nothing() -> None:
    found = loaded("-c", "from artclf.cli import app; app(['--help'], standalone_mode=False)")
    assert "typer" in found
    assert not found & (TRAINING | TABLES_AND_FIGURES | CONFIGURATION | EXTRAS)


def test_a_command_loads_what_it_needs_when_it_runs() -> None:
    helps = [["version"], *([*name.split(), "--help"] for name in ("predict", "evaluate", "audit", "compare", "data show"))]
    found = loaded("-c", f"from artclf.cli import app\nfor words in {helps}: app(words, standalone_mode=False)")
    assert not found & (TRAINING | TABLES_AND_FIGURES | {"hydra", "omegaconf"} | EXTRAS)  # typer loads pydantic


def test_help_on_training_loads_hydra_alone() -> None:
    found = loaded("train.py", "--help")
    assert "hydra" in found
    assert not found & (TRAINING | TABLES_AND_FIGURES | {"pydantic"} | EXTRAS)


def test_comparisons_and_audits_need_no_torch() -> None:
    found = loaded("-c", "import artclf.cli.compare, artclf.report.comparison_page, artclf.report.run_page")
    assert "matplotlib" in found
    assert not found & (TRAINING | {"hydra", "omegaconf"})  # pydantic checks what is read
    assert not loaded("-c", "import artclf.evaluation.audit, artclf.report.data_page") & (TRAINING | {"hydra"})


def test_a_run_loads_no_extra_that_it_does_not_use() -> None:
    found = loaded("-c", "import artclf.training.experiment")
    assert found >= {"torch", "lightning", "hydra", "pydantic"}
    assert not found & (EXTRAS - {"joblib"})  # which scikit-learn has under it
