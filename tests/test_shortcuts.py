"""Shortcuts planted in the demo data: plain training falls for each of them, training on canonical pictures does not.

The two halves of these data sets are drawn alike, so that whatever is scored above chance is how the files are stored.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from artclf.evaluation.intervals import Estimate, auroc
from tests.conftest import Outcome

MODEL = ["model=efficientnet_lite0", "head=linear", "balance=none", "stages.head.max_epochs=10", "stages.head.optim.lr=1e-2"]
DEMO = ["data.demo.train_per_folder=20", "data.demo.test_per_folder=40", "stages.head.patience=null"]
DEMO += ["report=false", "audit.images=150"]
FACTS = {"size": "size", "quality": "JPEG quality"}


def judged(run: Path) -> Estimate:
    table = pd.read_csv(run / "predictions.csv")
    table = table[table["split"] == "test"]
    return auroc((table["label"] == "ai").to_numpy(), table["p_ai"].to_numpy())


@pytest.mark.slow
@pytest.mark.parametrize(("shortcut", "form"), [("size", ["data.canonical_side=48"]), ("quality", [])])
def test_plain_training_falls_for_it_and_canonical_training_does_not(
    shortcut: str, form: list[str], train: Callable[..., Outcome], tmp_path: Path
) -> None:
    words = [*MODEL, *DEMO, f"data.demo.shortcut={shortcut}"]
    train(*words, "hydra.run.dir=plain")
    train(*words, "data.canonical=true", *form, "hydra.run.dir=canonical")
    plain, canonical = judged(tmp_path / "plain"), judged(tmp_path / "canonical")
    named, met = (
        {row["fact"]: row for row in json.loads((tmp_path / run / "audit.json").read_text())["shortcuts"]}
        for run in ("plain", "canonical")
    )
    assert named[FACTS[shortcut]]["severity"] == "severe"
    assert met[FACTS[shortcut]]["severity"] == "met by the canonical form"
    assert plain.low > 0.55
    assert canonical.low < 0.5
    assert canonical.value < 0.6
