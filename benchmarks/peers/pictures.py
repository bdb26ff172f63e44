"""Which images the peers train on: those of a manifest.csv that artclf wrote, balanced by as many copies as artclf makes."""

import csv
import random
from dataclasses import dataclass
from pathlib import Path

TARGETS = {"ai": 1.0, "human": 0.0}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of torchvision's ResNet-50


@dataclass(frozen=True)
class Item:
    """An image, its target (1 = AI, 0 = human), and whether it is a copy to be altered."""

    file: Path
    target: float
    copy: bool = False


def read_split(manifest: Path, root: Path, split: str) -> list[Item]:
    """The images of a split, in the manifest's order."""
    with manifest.open(encoding="utf-8", newline="") as table:
        return [Item(root / row["path"], TARGETS[row["label"]]) for row in csv.DictReader(table) if row["split"] == split]


def balanced(items: list[Item]) -> list[Item]:
    """The images, and copies of the smaller class until both are equal; the same ones each time."""
    of = {target: [item for item in items if item.target == target] for target in (0.0, 1.0)}
    smaller, larger = sorted(of.values(), key=len)
    order = random.Random(0).sample(smaller, len(smaller))
    return items + [Item(item.file, item.target, copy=True) for item in (order * len(larger))[: len(larger) - len(smaller)]]
