"""What a training run leaves besides its assessment: how it was trained and on what, its layers, augmented copies."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from artclf.data.module import ArtData
from artclf.inference.assess import model_facts
from artclf.model.classifier import ArtClassifier
from artclf.training.build import Built
from artclf.training.resume import StageRecord
from artclf.training.stages import best_record

COPIES = 5  # augmented copies of one image


def run_facts(built: Built, records: list[StageRecord]) -> dict[str, Any]:
    """What metrics.json says of how the model was trained, and on what."""
    config, data = built.config, built.data
    best = best_record(records, config.monitor.mode)
    counts = data.manifest.counts()
    return {
        "stages": [asdict(record) for record in records],
        "best": {"stage": best.name, "epoch": best.best_epoch, config.monitor.metric: best.score},
        "model": model_facts(built.model),
        "data": {
            "source": data.config.source,
            "root": str(data.manifest.root),
            "image_size": data.config.image_size,
            "canonical": data.canonical.to_json() if data.canonical else None,
            "manifest_sha256": data.manifest.sha256,
            "counts": counts,
            "rejected": len(data.rejected),
            "duplicates": asdict(data.duplicates),
            "left_out": asdict(data.left_out) if data.left_out else None,
        },
        "balance": {
            "name": data.balance,
            "augment": data.augment.name,
            "train_counts_before": _by_label(counts["train"]),
            "train_counts_after": _by_label(data.counts_after()),
        },
        "seed": config.seed,
        "precision": built.precision,
    }


def _by_label(counts: dict[str, dict[str, int]]) -> dict[str, int]:
    return {label: sum(parts.values()) for label, parts in counts.items()}


def write_layers(file: Path, model: ArtClassifier, records: list[StageRecord]) -> None:
    """Write layers.csv: name, kind, parameters, and the first stage that trains the layer ("": none); the head comes last."""
    sizes = {name: parameter.numel() for name, parameter in model.body.named_parameters()}
    total = len(model.layers)
    rows = []
    for number, layer in enumerate(model.layers.layers):
        stage = next((record.name for record in records if number >= total - record.layers), "")
        rows.append((layer.name, layer.kind, sum(sizes[name] for name in layer.parameters), stage))
    head = sum(parameter.numel() for parameter in model.head.parameters())
    rows.append(("head", type(model.head).__name__, head, records[0].name))
    pd.DataFrame(rows, columns=["name", "kind", "parameters", "stage"]).to_csv(file, index=False)


def draw_copies(file: Path, data: ArtData) -> None:
    """Draw a training image beside augmented copies of it, if training augments any."""
    dataset = data.dataset("train")
    copied = np.flatnonzero(dataset.copies)
    if dataset.augmentation is None or not (len(copied) or dataset.each_epoch):
        return
    if len(copied):
        row = int(dataset.rows[copied[np.argmax(dataset.copies[copied])]])
        drawn = [(copy, 0) for copy in range(1, COPIES + 1)]
    else:
        row, drawn = 0, [(0, epoch) for epoch in range(COPIES)]
    strip = torch.cat([dataset.picture(row), *(dataset.picture(row, copy, epoch) for copy, epoch in drawn)], dim=2)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(strip.permute(1, 2, 0).numpy()).save(file)
