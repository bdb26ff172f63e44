"""What is loaded when: a command that only describes does not load what trains, and a run loads no extra it does not use."""

import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

TRAINING = {"torch", "torchvision", "torchmetrics", "lightning", "timm"}
TABLES_AND_FIGURES = {"numpy", "pandas", "matplotlib", "PIL", "sklearn", "scipy", "jinja2"}
HYDRA = {"hydra", "omegaconf"}
EXTRAS = {"optuna", "timm", "kagglehub", "wandb", "mlflow", "tensorboard", "ray", "joblib", "submitit"}
HEAVY = TRAINING | TABLES_AND_FIGURES | EXTRAS
PAGES = "from artclf.report import comparison_page, data_page, run_page"
HELPS = [["version"], *([*name.split(), "--help"] for name in ("predict", "evaluate", "audit", "compare", "data show"))]


@pytest.mark.parametrize(
    ("code", "loads", "avoids"),
    [
        ("import artclf; assert artclf.__version__", {"artclf"}, HEAVY | HYDRA | {"typer", "pydantic"}),
        ("from artclf.cli import app; app(['--help'], standalone_mode=False)", {"typer"}, HEAVY | HYDRA | {"pydantic"}),
        (f"from artclf.cli import app\nfor words in {HELPS}: app(words, standalone_mode=False)", {"pydantic"}, HEAVY | HYDRA),
        ("sys.argv[1:] = ['--help']; runpy.run_path('train.py', run_name='__main__')", {"hydra"}, HEAVY | {"pydantic"}),
        (f"import artclf.evaluation.audit\n{PAGES}", {"matplotlib"}, TRAINING | HYDRA),
        # scikit-learn has joblib under it
        ("from artclf.training.launch import _load; _load()", {"torch", "lightning", "hydra", "pydantic"}, EXTRAS - {"joblib"}),
    ],
    ids=["import", "help", "a command's help", "help on training", "pages and audits", "a run"],
)
def test_what_a_command_loads(code: str, loads: set[str], avoids: set[str]) -> None:
    begin = "import atexit, runpy, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
    done = subprocess.run([sys.executable, "-c", begin + code], cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found = {name.split(".")[0] for name in done.stderr.split()}
    assert found >= loads
    assert not found & avoids
