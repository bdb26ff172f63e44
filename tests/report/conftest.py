"""A finished run as a training leaves it, made up: its figures are computed by the real functions."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artclf.evaluation.calibration import fit_decision_rule
from artclf.evaluation.decision import truth, with_verdicts
from artclf.evaluation.guarantees import decision_metrics
from artclf.evaluation.metrics import group_metrics, split_metrics

STYLES = ("baroque", "realism", "ukiyo_e")


def painting(seed: int, size: int = 48) -> np.ndarray:
    """Stripes and a disc: [size, size, 3] uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size
    colors = rng.uniform(30, 225, (3, 3))
    stripes = (np.sin(x * rng.uniform(4, 20) + y * rng.uniform(4, 20)) > 0)[..., None]
    disc = ((x - rng.random()) ** 2 + (y - rng.random()) ** 2 < 0.08)[..., None]
    return np.where(disc, colors[2], np.where(stripes, colors[0], colors[1])).astype(np.uint8)


def predictions(seed: int = 0, generators: tuple[str, ...] = ("latent_diffusion", "stable_diffusion")) -> pd.DataFrame:
    """Made-up predictions.csv: 118 test, 60 val and 40 unseen images, the last by AI alone."""
    rng = np.random.default_rng(seed)
    rows = []
    for split, humans, ais, names in (
        ("val", 30, 30, generators),
        ("test", 40, 78, generators),
        ("unseen", 0, 40, ("new_one",)),
    ):
        for i in range(humans + ais):
            label = "human" if i < humans else "ai"
            generator = "human" if label == "human" else names[i % len(names)]
            logit = rng.normal(-2.6 if label == "human" else -0.5 if split == "unseen" else 2.6, 1.6)
            look = STYLES[i % len(STYLES)]
            path = f"{split}/{label}/{generator}/{look}/{i:03d}.png"
            rows.append((path, label, generator, look, split, 1 / (1 + np.exp(-logit))))
    return pd.DataFrame(rows, columns=["path", "label", "generator", "style", "split", "p_ai"])


def history(epochs: dict[str, int], seed: int = 0) -> pd.DataFrame:
    """Made-up metrics.csv, a stage after the other."""
    rng = np.random.default_rng(seed)
    names = [name for name, number in epochs.items() for _ in range(number)]
    epoch = np.arange(1, len(names) + 1)
    accuracy = 0.93 - 0.3 * np.exp(-epoch / 3) + rng.normal(0, 0.005, len(epoch))
    return pd.DataFrame(
        {
            "stage": names,
            "epoch": epoch,
            "train/loss": 1.5 * (1.0 - accuracy),
            "train/accuracy": np.minimum(accuracy + 0.004 * epoch, 1.0),
            "val/loss": 1.8 * (1.0 - accuracy),
            "val/accuracy": accuracy,
            "val/auroc": np.minimum(accuracy + 0.03, 1.0),
            "learning_rate": 1e-3,
            "seconds": 2.5,
        }
    )


@cache
def results_of(columns: tuple[str, ...], rows: tuple[Any, ...]) -> tuple[str, dict[str, Any], str]:
    """Of made-up predictions: predictions.csv with verdicts, its part of metrics.json, and groups.csv."""
    table = pd.DataFrame(rows, columns=list(columns))
    fitted = fit_decision_rule(*truth(table[table["split"] == "val"]))
    table = with_verdicts(table, fitted)
    splits = {str(name): split_metrics(rows) for name, rows in table.groupby("split", sort=False)}
    metrics = {"splits": splits, **decision_metrics(table, fitted)}
    return table.to_csv(index=False), metrics, group_metrics(table).to_csv(index=False)


def write_run(
    folder: Path,
    *,
    seed: int = 0,
    overrides: str = "model=resnet50",
    predicted: pd.DataFrame | None = None,
    images: bool = False,
    **changes: Any,
) -> Path:
    """Write a run folder, with the images it read where asked for; `changes` replace keys of metrics.json (None: left out)."""
    folder.mkdir(parents=True, exist_ok=True)
    table = predictions(seed) if predicted is None else predicted
    predicted_csv, results, groups = results_of(tuple(table), tuple(table.itertuples(index=False, name=None)))
    epochs = history({"head": 6, "last10": 5}, seed)
    stages = [
        {"name": "head", "unfreeze": 0, "trainable_parameters": 2049, "epochs": 6, "best_epoch": 5, "seconds": 30.0},
        {"name": "last10", "unfreeze": 10, "trainable_parameters": 4464641, "epochs": 5, "best_epoch": 10, "seconds": 45.5},
    ]
    metrics: dict[str, Any] = {
        **results,
        "stages": stages,
        "best": {"stage": "last10", "epoch": 10},
        "model": {"name": "resnet50", "weights": "pretrained", "parameters": 23510081},
        "data": {
            "source": "ai_artbench",
            "root": str(folder / "art") if images else "data/art",
            "image_size": 224,
            "manifest_sha256": "5f" * 32,
            "counts": {"train": {"human": {"human": 50000}, "ai": {"latent_diffusion": 52092, "stable_diffusion": 52923}}},
            "duplicates": {"groups": 3, "files": 7, "removed": 4},
        },
        "balance": {
            "name": "augment",
            "train_counts_before": {"ai": 105015, "human": 50000},
            "train_counts_after": {"ai": 105015, "human": 105015},
        },
        "seed": seed,
        "precision": "bf16-mixed",
        "device": "cpu",
        "seconds": 4233.0,
        "command": f"python train.py {overrides} seed={seed}",
        "versions": {"artclf": "0.1.0", "python": "3.12.1", "torch": "2.11.0"},
        "git": "0123abc",
        "fallbacks": [],
    }
    metrics = {key: value for key, value in {**metrics, **changes}.items() if value is not None}
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    (folder / "predictions.csv").write_text(predicted_csv, encoding="utf-8")
    (folder / "groups.csv").write_text(groups, encoding="utf-8")
    epochs.to_csv(folder / "metrics.csv", index=False)
    (folder / "config.yaml").write_text("seed: 0\n", encoding="utf-8")
    listed = pd.concat([table, table[table["split"] == "val"].assign(split="train")])
    listed.drop(columns="p_ai").to_csv(folder / "manifest.csv", index=False)
    layers = [(f"layer{i // 4}.{i // 2 % 2}.conv{i % 2}", "Conv2d", 1000 * (i + 1), "") for i in range(4, 18)]
    layers += [("layer4.1.conv2", "Conv2d", 40000, "last10"), ("head", "Linear", 2049, "head")]
    pd.DataFrame(layers, columns=["name", "kind", "parameters", "stage"]).to_csv(folder / "layers.csv", index=False)
    (folder / "rejected.csv").write_text("path,reason\na.png,truncated\nb.png,no image\n", encoding="utf-8")
    for number, path in enumerate(table["path"] if images else ()):
        file = folder / "art" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(painting(number)).save(file)
    return folder


def bare_run(folder: Path, wrong: tuple[int, int], humans: int = 500, images: int = 1000, seed: int = 0) -> Path:
    """A run that is wrong on the images from the first number to the second, and no figure more; the first ones are human."""
    folder.mkdir(parents=True)
    is_ai = np.arange(images) >= humans
    p_ai = is_ai * 0.8 + 0.1
    p_ai[slice(*wrong)] = 1 - p_ai[slice(*wrong)]
    table = pd.DataFrame({"path": [f"{i:04}.png" for i in range(images)], "label": np.where(is_ai, "ai", "human")})
    table.assign(split="test", p_ai=p_ai).to_csv(folder / "predictions.csv", index=False)
    metrics = {"seed": seed, "command": f"python train.py model={folder.name} seed={seed}"}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's page without figures, whose drawing takes a second."""
    monkeypatch.setattr("artclf.report.run_page._draw", lambda *_: {})


@pytest.fixture
def make_runs(tmp_path: Path) -> Callable[..., list[Path]]:
    """Runs on the same test images, the later the better: each (overrides, seed)."""

    def make(*specs: tuple[str, int]) -> list[Path]:
        runs = []
        for number, (overrides, seed) in enumerate(specs):
            table = predictions(0)
            logit = np.log(table["p_ai"] / (1 - table["p_ai"]))
            table["p_ai"] = 1 / (1 + np.exp(-(logit + 1.2 * number - 3)))
            runs.append(write_run(tmp_path / str(number), predicted=table, overrides=overrides, seed=seed))
        return runs

    return make
