"""What both peers share: the clock, the network, and the images of an artclf run's manifest.csv, balanced as artclf does."""

import csv
import random
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torchvision.models import ResNet, resnet50

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of torchvision's ResNet-50


class Item(NamedTuple):
    """An image, its target (1 = AI, 0 = human), and whether it is a copy to be augmented."""

    file: Path
    target: float
    copy: bool = False


def read_splits(manifest: Path, root: Path) -> dict[str, list[Item]]:
    """The images of train (balanced), val and test, in the manifest's order."""
    splits: dict[str, list[Item]] = {"train": [], "val": [], "test": []}
    with manifest.open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            if row["split"] in splits:
                splits[row["split"]].append(Item(root / row["path"], float(row["label"] == "ai")))
    return splits | {"train": balanced(splits["train"])}


def balanced(items: list[Item]) -> list[Item]:
    """The images, and copies of the smaller class until both are equal; the same ones each time."""
    smaller, larger = sorted(([item for item in items if item.target == target] for target in (0.0, 1.0)), key=len)
    order = random.Random(0).sample(smaller, len(smaller))
    return items + [item._replace(copy=True) for item in (order * len(larger))[: len(larger) - len(smaller)]]


def now() -> float:
    """Seconds since the epoch, once the GPU (if one is in use) has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.time()


def build(weights: Path | None = None) -> tuple[ResNet, nn.Sequential]:
    """ResNet-50's body with random weights or those of a checkpoint of artclf's, and a new head."""
    body = resnet50(weights=None)
    body.fc = nn.Identity()
    if weights:
        state = torch.load(weights, map_location="cpu", weights_only=True)["state_dict"]
        body.load_state_dict({name.removeprefix("body."): state[name] for name in state if name.startswith("body.")})
    head = (nn.Linear(2048, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(256, 1))
    return body, nn.Sequential(*head)
