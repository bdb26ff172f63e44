"""Images to measure on where there are no real ones, or not enough of them."""

import csv
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.machine import cores

STYLES = (
    *("art_nouveau", "baroque", "expressionism", "impressionism", "post_impressionism"),
    *("realism", "renaissance", "romanticism", "surrealism", "ukiyo_e"),
)
SMALL = {"train": {"": 18, "AI_LD_": 6, "AI_SD_": 6}, "test": {"": 7, "AI_LD_": 2, "AI_SD_": 3}}
"""Images in each style's folder, in the proportions of AI-ArtBench."""

TRAIN = {
    "": (5000,) * 10,
    "AI_LD_": (4992, 4960, 5116, 5208, 4844, 5232, 5416, 5436, 5384, 5504),
    "AI_SD_": (5384, 5052, 5304, 5388, 5360, 5248, 5060, 5455, 5364, 5308),
}
"""Training images by the folder's prefix, in the order of STYLES, in AI-ArtBench, version 5; each test folder has TEST."""
TEST = 1000


def draw(file: Path, seed: list[int], side: int, coarse: int) -> None:
    """Write a JPEG of smooth noise with `coarse` cells a side; different for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, size=(coarse, coarse, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR).save(file, quality=90)


def draw_artbench(root: Path, side: int) -> int:
    """Draw images of `side` pixels in AI-ArtBench's layout; AI-generated ones are a little finer. How many."""
    count = 0
    for split, prefixes in SMALL.items():
        for prefix, number in prefixes.items():
            for style in STYLES:
                folder = root / "Real_AI_SD_LD_Dataset" / split / f"{prefix}{style}"
                folder.mkdir(parents=True)
                for serial in range(number):
                    draw(folder / f"{serial:04}.jpg", [*folder.name.encode(), len(split), serial], side, 24 if prefix else 16)
                count += number
    return count


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


def make_tree(root: Path, divide_by: int = 1) -> int:
    """Make folders with AI-ArtBench's numbers of files / `divide_by`: hard links to thirty images. How many files."""
    originals = root / ".originals"  # hidden: no source lists it
    originals.mkdir(parents=True)
    total = 0
    for prefix, counts in TRAIN.items():
        for style, number in zip(STYLES, counts, strict=True):
            name = prefix + (style.replace("_e", "-e") if prefix and style == "ukiyo_e" else style)
            draw(originals / f"{name}.jpg", [*name.encode()], 256, 16)
            for split, count in (("train", number // divide_by), ("test", TEST // divide_by)):
                folder = root / "Real_AI_SD_LD_Dataset" / split / name
                folder.mkdir(parents=True)
                for serial in range(count):
                    os.link(originals / f"{name}.jpg", folder / f"{style}-{serial:06}.jpg")
                total += count
    return total
