"""A table for data=csv over the images that `benchmarks.pictures.draw_distinct` makes. It imports nothing large."""

import csv
from collections.abc import Mapping
from pathlib import Path


def distinct_path(serial: int) -> str:
    """Where the image of that number is, relative to the images' folder: a thousand in each folder."""
    return f"{serial // 1000:03}/{serial:06}.jpg"


def write_table(file: Path, counts: Mapping[str, int]) -> None:
    """Write a table of the first images: so many in each split, one in three "human", as in AI-ArtBench."""
    splits = [split for split, count in counts.items() for _ in range(count)]
    with file.open("w", encoding="utf-8", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(("path", "label", "generator", "style", "split"))
        for serial, split in enumerate(splits):
            label, generator = ("ai", "noise") if serial % 3 else ("human", "human")
            table.writerow((distinct_path(serial), label, generator, f"style_{serial % 10}", split))
