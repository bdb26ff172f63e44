"""What is written down of a run: with what it ran, and what came out."""

import logging
import platform
import subprocess
import time
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from artclf.data.manifest import COLUMNS
from artclf.data.module import ArtData
from artclf.evaluation.decision import DecisionRule, as_stored
from artclf.evaluation.groups import group_metrics
from artclf.inference.audit import audit_run
from artclf.model.checkpoint import write_judge
from artclf.model.classifier import ArtClassifier
from artclf.report.run_page import write_report
from artclf.run_folder import as_json, write_text
from artclf.training.figures import draw_copies, write_layers
from artclf.training.resume import StageRecord

if TYPE_CHECKING:
    from artclf.training.build import Built

log = logging.getLogger(__name__)

PACKAGES = ("artclf", "torch", "torchvision", "lightning", "timm", "numpy", "pillow", "scikit-learn")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that figures depend on; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """The commit of the source tree, with "-dirty" where tracked files are changed; None where it is in no repository."""
    here = Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write a JSON file; numbers that JSON has not (NaN, infinity) are an error."""
    write_text(file, as_json(content))


def tested_predictions(model: ArtClassifier, data: ArtData) -> pd.DataFrame:
    """predictions.csv: the manifest's columns and p_ai, a row for each picture that was tested."""
    rows, p_ai = model.tested()
    table = data.manifest.table.loc[rows.numpy(), list(COLUMNS)].copy()
    table["p_ai"] = as_stored(p_ai.double().numpy())
    return table


def save_judge(folder: Path, judge: DecisionRule) -> None:
    """Say what the verdicts can't promise, and save them with the run's best weights where these are kept."""
    for line in judge.shortfalls():
        log.warning("%s", line)
    checkpoint = folder / "checkpoints" / "best.ckpt"
    if checkpoint.is_file():
        write_judge(checkpoint, judge)


def data_facts(data: ArtData) -> dict[str, Any]:
    """What metrics.json tells of the data."""
    return {
        "source": data.config.source,
        "root": str(data.manifest.root),
        "image_size": data.config.image_size,
        "canonical": data.canonical.to_json() if data.canonical else None,
        "manifest_sha256": data.manifest.sha256,
        "counts": data.manifest.counts(),
        "rejected": len(data.rejected),
        "duplicates": asdict(data.duplicates),
        "left_out": asdict(data.left_out) if data.left_out else None,
    }


def balance_facts(data: ArtData) -> dict[str, Any]:
    """What metrics.json tells of the balancing."""
    before = data.manifest.counts()["train"]
    return {
        "name": data.balance,
        "augment": data.augment.name,
        "train_counts_before": {label: sum(generators.values()) for label, generators in before.items()},
        "train_counts_after": {label: sum(kinds.values()) for label, kinds in data.counts_after().items()},
    }


def model_facts(model: ArtClassifier) -> dict[str, Any]:
    """What metrics.json tells of the model."""
    return {
        "name": model.hparams["name"],
        "weights": model.hparams["weights"],
        "head": model.hparams["head"]["name"],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "layers": len(model.layers),
    }


def device_name(device: torch.device) -> str:
    """The GPU's name, or "cpu"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def write_tables(folder: Path, predictions: pd.DataFrame) -> None:
    """Write predictions.csv, and cells.csv, which is computed of it."""
    predictions.to_csv(folder / "predictions.csv", index=False, float_format="%.7g")
    group_metrics(predictions).to_csv(folder / "cells.csv", index=False, float_format="%.7g")


def write_run(
    folder: Path,
    metrics: dict[str, Any],
    built: "Built",
    records: list[StageRecord],
    predictions: pd.DataFrame,
    began: float,
) -> None:
    """Write what a finished run leaves: predictions, cells.csv, layers.csv, the audit, metrics.json and the report.

    Args:
        folder: the run folder, with its metrics.csv.
        metrics: what metrics.json holds; the seconds since `began` are added.
        built: the parts of the run; its configuration says whether there is an audit, and a report.
        records: of the stages.
        predictions: from `tested_predictions`.
        began: when the run began, by `time.perf_counter`.
    """
    write_tables(folder, predictions)
    write_layers(folder / "layers.csv", built.model, records)
    audit_run(folder, built.data, built.config.audit.pictures)
    metrics["seconds"] = round(time.perf_counter() - began, 2)
    write_json(folder / "metrics.json", metrics)
    if built.config.report:
        draw_copies(folder / "figures" / "copies.png", built.data)
        write_report(folder)
