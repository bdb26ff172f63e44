"""What became of a trial, by what its run left in its folder: the same for every launcher."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from artclf.report.figures.sweep import Outcome
from artclf.run_folder import ERROR_FILE, PRUNED_FILE

TEST_FIGURES = ("balanced_accuracy", "auroc", "false_positive_rate")


def read_outcome(folder: Path, metric: str) -> Outcome:
    """Read what a run left.

    Args:
        folder: the run's.
        metric: the monitored figure ("val/loss").
    """
    history = pd.read_csv(folder / "metrics.csv") if (folder / "metrics.csv").is_file() else pd.DataFrame({"seconds": []})
    epochs, trained = len(history), round(float(history["seconds"].sum()), 2) if len(history) else None
    if (folder / ERROR_FILE).is_file():
        return Outcome("failed", None, epochs, trained, (folder / ERROR_FILE).read_text(encoding="utf-8").strip())
    if (folder / PRUNED_FILE).is_file():
        said = _read(folder / PRUNED_FILE)
        return Outcome("pruned", said["value"], epochs, said["seconds"], said["reason"])
    if not (folder / "metrics.json").is_file():
        return Outcome("failed", None, epochs, trained, "it did not end: it was interrupted, or its process was", ended=False)
    metrics = _read(folder / "metrics.json")
    value, seconds = metrics["best"].get(metric), metrics.get("seconds")
    if value is None or not math.isfinite(value):
        return Outcome("failed", None, epochs, seconds, f"it gave no {metric}: are there callbacks that keep the best weights?")
    return Outcome("finished", value, epochs, seconds, test={key: metrics["test"].get(key) for key in TEST_FIGURES})


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content
