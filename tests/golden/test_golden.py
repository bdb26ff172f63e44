"""Six commands give what they gave when golden.json was written: each picture's p_ai, and the keys of metrics.json.

`ARTCLF_WRITE_GOLDEN=1 pytest tests/golden` writes golden.json anew; a change of it is explained in the commit that makes it.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.cli.conftest import artclf
from tests.conftest import TINY, Outcome

GOLDEN = Path(__file__).with_name("golden.json")
WRITE = os.environ.get("ARTCLF_WRITE_GOLDEN") == "1"
TOLERANCE = 2e-3  # of p_ai: other CPUs and releases of torch sum in another order
SMALL = [
    *TINY,
    "audit.images=8",
    "trainer=cpu",
    "trainer.precision=32-true",
    "model=efficientnet_lite0",
    "stages.head.max_epochs=2",
]
# 64 pixels: on maps of one pixel, batch normalisation in training turns a change in the last digit into one of 0.05 in p_ai
SHORT_STAGES = ["stages.last10.max_epochs=2", "stages.last10.optim.name=sgd", "stages.last10.optim.lr=2e-3"]
RUNS = {
    "head": ["data=folder", *SMALL],
    "last10": ["data=folder", *SMALL, "data.image_size=64", "+finetune=last10", *SHORT_STAGES, "stages.head.optim.lr=1e-6"],
    "all_layers": [
        *("data=folder", *SMALL, "data.image_size=64", "model=efficientnet_b0", "model.weights=none"),
        *("stages.head.unfreeze=all", "stages.head.max_epochs=3", "stages.head.schedule=constant"),
        "stages.head.optim.lr=1e-3",
    ],
    "csv": ["data=csv", *SMALL, "balance=sampler"],
    "canonical": ["data=folder", *SMALL, "data.canonical=true"],
}
COMMANDS = [*RUNS, "robustness"]


def words_of(name: str, pictures: Path, folder: Path) -> list[str]:
    words = [*RUNS[name], f"data.root={pictures}"]
    if name == "csv":
        files = sorted(file.relative_to(pictures) for file in pictures.rglob("*.png"))
        rows = [(file, "ai" if "ai" in file.parts else "human", "", file.parent.name, file.parts[0]) for file in files]
        pd.DataFrame(rows, columns=["path", "label", "generator", "style", "split"]).to_csv(folder / "table.csv", index=False)
        words.append(f"data.csv={folder / 'table.csv'}")
    return words


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


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("golden")


@pytest.mark.filterwarnings("default")  # libraries warn each other
@pytest.mark.parametrize("name", COMMANDS)
def test_golden(name: str, train: Callable[..., Outcome], pictures: Path, runs: Path, tmp_path: Path) -> None:
    trained = "head" if name == "robustness" else name
    if not (run := runs / trained).exists():
        train(*words_of(trained, pictures, tmp_path), f"hydra.run.dir={run}")
    if name == "robustness":
        artclf("evaluate", run, "--robustness", "--sample", 8, "--reencoded", "--to", tmp_path / "evaluated")
        now = found(tmp_path / "evaluated")
        scores = pd.read_csv(tmp_path / "evaluated" / "robustness.csv")
        now["distorted"] = [round(float(p_ai), 5) for p_ai in scores["p_ai"]]
    else:
        now = found(run)
    kept = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.is_file() else {}
    if WRITE:
        GOLDEN.write_text(json.dumps({**kept, name: now}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return
    assert now["keys"] == kept[name]["keys"]
    assert now["p_ai"] == pytest.approx(kept[name]["p_ai"], abs=TOLERANCE)
    assert now.get("distorted") == pytest.approx(kept[name].get("distorted"), abs=TOLERANCE)
