"""Six commands give what they gave when golden.json was written: each picture's p_ai, and the keys of metrics.json.

`ARTCLF_WRITE_GOLDEN=1 pytest tests/golden` writes golden.json anew; a change of it is explained in the commit that makes it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import REPOSITORY, TINY

GOLDEN = Path(__file__).with_name("golden.json")
WRITE = os.environ.get("ARTCLF_WRITE_GOLDEN") == "1"
TOLERANCE = 2e-3  # of p_ai: other CPUs and releases of torch sum in another order
SMALL = [
    *TINY,
    "audit.pictures=8",
    "trainer=cpu",
    "trainer.precision=32-true",
    "model=efficientnet_lite0",
    "stages.head.max_epochs=2",
]
SHORT_STAGES = ["stages.last10.max_epochs=2", "stages.last10.optim.lr=1e-3", "stages.head.optim.lr=1e-6"]
RUNS = {
    "head": ["data=folder", *SMALL],
    "last10": ["data=folder", *SMALL, "+finetune=last10", *SHORT_STAGES],
    "all_layers": [
        *("data=folder", *SMALL, "model=efficientnet_b0", "model.weights=none", "stages.head.unfreeze=all"),
        *("stages.head.max_epochs=3", "stages.head.schedule=constant", "stages.head.optim.lr=1e-2"),
    ],
    "csv": ["data=csv", *SMALL, "balance=sampler"],
    "canonical": ["data=folder", *SMALL, "data.canonical=true"],
}
COMMANDS = [*RUNS, "robustness"]


def command(*words: str, cwd: Path) -> None:
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def train(name: str, pictures: Path, folder: Path) -> Path:
    words = [*RUNS[name], f"data.root={pictures}"]
    if name == "csv":
        files = sorted(file.relative_to(pictures) for file in pictures.rglob("*.png"))
        rows = [(file, "ai" if "ai" in file.parts else "human", "", file.parent.name, file.parts[0]) for file in files]
        pd.DataFrame(rows, columns=["path", "label", "generator", "style", "split"]).to_csv(folder / "table.csv", index=False)
        words.append(f"data.csv={folder / 'table.csv'}")
    run = folder / name
    command(str(REPOSITORY / "train.py"), *words, f"hydra.run.dir={run}", cwd=folder)
    return run


def keys(value: Any, prefix: str = "") -> list[str]:
    if not isinstance(value, dict):
        return [prefix]
    return sorted(key for name, inner in value.items() for key in keys(inner, f"{prefix}/{name}" if prefix else name))


def found(run: Path) -> dict[str, Any]:
    predictions = pd.read_csv(run / "predictions.csv")
    versions = ("versions/", "git")
    return {
        "p_ai": {name: round(float(p_ai), 5) for name, p_ai in zip(predictions["path"], predictions["p_ai"], strict=True)},
        "keys": [
            key for key in keys(json.loads((run / "metrics.json").read_text(encoding="utf-8"))) if not key.startswith(versions)
        ],
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_golden(name: str, pictures: Path, tmp_path: Path) -> None:
    if name == "robustness":
        run = tmp_path / "evaluated"
        model = train("head", pictures, tmp_path)
        words = ["--robustness", "--sample", "8", "--all-alike", "--to", str(run)]
        command("-c", "from artclf.cli import app; app()", "evaluate", str(model), *words, cwd=tmp_path)
        now = found(run)
        scores = pd.read_csv(run / "robustness.csv")
        now["distorted"] = [round(float(p_ai), 5) for p_ai in scores["p_ai"]]
    else:
        now = found(train(name, pictures, tmp_path))
    kept = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.is_file() else {}
    if WRITE:
        GOLDEN.write_text(json.dumps({**kept, name: now}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return
    assert now["keys"] == kept[name]["keys"]
    assert now["p_ai"] == pytest.approx(kept[name]["p_ai"], abs=TOLERANCE)
    assert now.get("distorted") == pytest.approx(kept[name].get("distorted"), abs=TOLERANCE)
