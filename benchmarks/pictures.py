"""Images to measure on where there are no real ones, or not enough of them."""

import csv
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from artclf.runtime import cores


def draw(file: Path, seed: list[int], side: int, coarse: int) -> None:
    """Write a JPEG of smooth noise with `coarse` cells a side; different for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, size=(coarse, coarse, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR).save(file, quality=90)


def draw_artbench(root: Path, side: int, divide_by: int = 440) -> int:
    """Draw images of `side` pixels in AI-ArtBench's layout, version 5, `divide_by` times fewer. How many.

    AI-generated ones are a little finer.
    """
    from artclf.data.sources.artbench_download import VERSION_5  # noqa: PLC0415 (benchmarks' own process draws nothing)

    total = 0
    for name, count in VERSION_5.items():
        folder = root / "Real_AI_SD_LD_Dataset" / name
        folder.mkdir(parents=True)
        for serial in range(count // divide_by):
            draw(folder / f"{serial:06}.jpg", [*name.encode(), serial], side, 24 if folder.name.startswith("AI_") else 16)
        total += count // divide_by
    return total


def distinct_path(serial: int) -> str:
    """Where `draw_distinct` puts the image of that number: a thousand in each folder."""
    return f"{serial // 1000:03}/{serial:06}.jpg"


def draw_distinct(root: Path, count: int, side: int) -> int:
    """Make `count` JPEG files, no two alike: a cache by content would keep copies once."""
    with ProcessPoolExecutor(cores()) as pool:
        return sum(pool.map(partial(_draw_folder, root, count, side), range(0, count, 1000)))


def _draw_folder(root: Path, count: int, side: int, first: int) -> int:
    serials = range(first, min(count, first + 1000))
    (root / distinct_path(first)).parent.mkdir(parents=True)
    for serial in serials:
        draw(root / distinct_path(serial), [serial, side], side, max(8, side // 16))
    return len(serials)


def write_table(file: Path, counts: Mapping[str, int]) -> None:
    """Write a table for data=csv over `draw_distinct`'s images: so many in each split, one in three "human"."""
    splits = [split for split, count in counts.items() for _ in range(count)]
    with file.open("w", encoding="utf-8", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(("path", "label", "generator", "style", "split"))
        for serial, split in enumerate(splits):
            label, generator = ("ai", "noise") if serial % 3 else ("human", "human")
            table.writerow((distinct_path(serial), label, generator, f"style_{serial % 10}", split))
