"""What a report can't find out from the tables of a run: the layers of its network, and augmented copies of an image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from artclf.data.module import ArtData
from artclf.model.classifier import ArtClassifier
from artclf.training.resume import StageRecord

COPIES = 5  # augmented copies of one image


def write_layers(file: Path, model: ArtClassifier, records: Sequence[StageRecord]) -> None:
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
    """Draw a training image beside augmented copies of it, where there are any."""
    dataset = data.dataset("train")
    if dataset.augmentation is None:
        return
    copied = np.flatnonzero(dataset.copies)
    if len(copied):
        row = int(dataset.rows[copied[np.argmax(dataset.copies[copied])]])
        drawn = [(copy, 0) for copy in range(1, COPIES + 1)]
    elif dataset.each_epoch:
        row, drawn = 0, [(0, epoch) for epoch in range(COPIES)]
    else:
        return
    strip = torch.cat([dataset.picture(row), *(dataset.picture(row, copy, epoch) for copy, epoch in drawn)], dim=2)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(strip.permute(1, 2, 0).numpy()).save(file)
