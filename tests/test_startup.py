"""What is loaded when: what only tells something does not wait for what trains, and a run not for what it has no use of."""

import subprocess
import sys

from tests.conftest import REPOSITORY

TRAINING = {"torch", "torchvision", "torchmetrics", "lightning", "timm"}
TABLES_AND_FIGURES = {"numpy", "pandas", "matplotlib", "PIL", "sklearn", "scipy", "jinja2"}
CONFIGURATION = {"hydra", "omegaconf", "pydantic"}
EXTRAS = {"optuna", "timm", "kagglehub", "wandb", "mlflow", "tensorboard", "ray", "joblib", "submitit"}


def loaded(*words: str) -> set[str]:
    """The packages that Python loads, or looks for, until a command has ended."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *words], cwd=REPOSITORY, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[1].strip().split(".")[0] for line in lines}


def artclf(*words: str) -> set[str]:
    return loaded("-c", "import sys; from artclf.cli import app; app(sys.argv[1:])", *words)


def test_help_of_the_command_loads_next_to_nothing() -> None:
    found = artclf("--help")
    assert "typer" in found
    assert not found & (TRAINING | TABLES_AND_FIGURES | CONFIGURATION | EXTRAS)


def test_what_a_command_needs_is_loaded_when_it_runs() -> None:
    helps = [["version"], *([*name.split(), "--help"] for name in ("predict", "evaluate", "audit", "compare", "data show"))]
    code = f"from artclf.cli import app\nfor words in {helps}: app(words, standalone_mode=False)"
    found = loaded("-c", code)
    assert not found & (TRAINING | TABLES_AND_FIGURES | {"hydra", "omegaconf"} | EXTRAS)  # typer loads pydantic


def test_help_on_training_loads_hydra_alone() -> None:
    found = loaded("train.py", "--help")
    assert "hydra" in found
    assert not found & (TRAINING | TABLES_AND_FIGURES | {"pydantic"} | EXTRAS)


def test_a_comparison_needs_no_torch() -> None:
    found = loaded("-c", "import artclf.cli.compare, artclf.report.run_page")
    assert "matplotlib" in found
    assert not found & (TRAINING | CONFIGURATION)


def test_an_audit_needs_no_torch() -> None:
    found = loaded("-c", "import artclf.cli.audit")
    assert "sklearn" in found
    assert not found & {"torch", "torchvision", "lightning", "hydra"}


def test_a_run_loads_no_extra_that_it_has_not_asked_for() -> None:
    found = loaded("-c", "import artclf.training.experiment")
    assert found >= {"torch", "lightning", "hydra", "pydantic"}
    assert not found & (EXTRAS - {"joblib"})  # which scikit-learn has under it
