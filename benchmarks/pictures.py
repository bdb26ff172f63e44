"""Images to measure on, where there are no real ones, or not enough: drawings, small different JPEGs, a tree of links."""

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from artclf.data.demo.draw import GENERATORS, STYLES, draw_picture, generate
from benchmarks.machine import cores
from benchmarks.table import distinct_path

STYLE_NAMES = (
    *("art_nouveau", "baroque", "expressionism", "impressionism", "post_impressionism"),
    *("realism", "renaissance", "romanticism", "surrealism", "ukiyo_e"),
)
DRAWN = {"train": {"": 178, "AI_LD_": 60, "AI_SD_": 58}, "test": {"": 70, "AI_LD_": 23, "AI_SD_": 25}}
"""Images by the folder's prefix, spread over the styles: as many as a small real set has."""

TRAIN = {
    "": (5000,) * 10,
    "AI_LD_": (4992, 4960, 5116, 5208, 4844, 5232, 5416, 5436, 5384, 5504),
    "AI_SD_": (5384, 5052, 5304, 5388, 5360, 5248, 5060, 5455, 5364, 5308),
}
"""Images to train on by the folder's prefix, in the order of the styles: those of AI-ArtBench, version 5."""

TEST = 1000  # in each folder
SAVED = {"": (256, 95), "AI_LD_": (256, 75), "AI_SD_": (768, 75)}  # side in pixels and JPEG quality, as AI-ArtBench has them


def draw_artbench(root: Path, side: int, divide_by: int) -> int:
    """Draw images of `side` pixels in AI-ArtBench's layout: DRAWN / divide_by of them, but at least one in each folder."""
    jobs = []
    for split, prefixes in DRAWN.items():
        for prefix, total in prefixes.items():
            for index, style in enumerate(STYLE_NAMES):
                folder = root / "Real_AI_SD_LD_Dataset" / split / f"{prefix}{style}"
                folder.mkdir(parents=True)
                count = max(1, (total // len(STYLE_NAMES) + (index < total % len(STYLE_NAMES))) // divide_by)
                jobs += [(folder / f"{style}-{serial:04}.jpg", prefix, index, serial) for serial in range(count)]
    with ProcessPoolExecutor(cores()) as pool:
        list(pool.map(partial(_draw, side=side), jobs, chunksize=8))
    return len(jobs)


def _draw(job: tuple[Path, str, int, int], side: int) -> None:
    file, prefix, style, serial = job
    rng = np.random.default_rng([style, serial, *f"{file.parents[1].name}{prefix}".encode()])
    pixels = draw_picture(list(STYLES)[style % len(STYLES)], rng, min(256, side))  # drawing larger costs more than it tells
    if prefix:
        pixels = generate(pixels, list(GENERATORS.values())[prefix == "AI_SD_"])
    Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC).save(file, quality=95)


def draw_distinct(root: Path, count: int, side: int) -> int:
    """Make `count` JPEG files of `side` pixels a side, no two alike: what is kept by content would keep others once."""
    with ProcessPoolExecutor(cores()) as pool:
        return sum(pool.map(partial(_draw_folder, root, count, side), range(0, count, 1000)))


def _draw_folder(root: Path, count: int, side: int, first: int) -> int:
    rng = np.random.default_rng([first, side])
    serials = range(first, min(count, first + 1000))
    (root / distinct_path(first)).parent.mkdir(parents=True)
    for serial in serials:
        coarse = rng.integers(0, 256, size=(max(8, side // 16), max(8, side // 16), 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((side, side), Image.Resampling.BILINEAR)
        picture.save(root / distinct_path(serial), quality=85)
    return len(serials)


def draw_files(folder: Path, number: int) -> list[Path]:
    """Draw JPEGs of 512 pixels a side; beyond the first 32 they are hard links to these."""
    folder.mkdir()
    files = [folder / f"{serial:06}.jpg" for serial in range(number)]
    for serial, file in enumerate(files):
        if serial >= 32:
            os.link(files[serial % 32], file)
            continue
        pixels = draw_picture(list(STYLES)[serial % len(STYLES)], np.random.default_rng(serial), 256)
        Image.fromarray(pixels).resize((512, 512)).save(file, quality=95)
    return files


def make_tree(root: Path, divide_by: int = 1) -> int:
    """Make a tree of folders like AI-ArtBench's, with as many files: hard links to thirty drawn images.

    Args:
        root: a folder that is not there yet, on a file system with hard links.
        divide_by: the folders hold this fraction of AI-ArtBench's numbers.

    Returns:
        The number of files, 185,015 for the whole tree.
    """
    originals = root / ".originals"  # hidden: no source lists it
    originals.mkdir(parents=True)
    total = 0
    for prefix, counts in TRAIN.items():
        side, quality = SAVED[prefix]
        for index, (style, number) in enumerate(zip(STYLE_NAMES, counts, strict=True)):
            name = prefix + (style.replace("_e", "-e") if prefix and style == "ukiyo_e" else style)
            pixels = draw_picture(list(STYLES)[index % len(STYLES)], np.random.default_rng([index, side, quality]), 256)
            Image.fromarray(pixels).resize((side, side)).save(originals / f"{name}.jpg", quality=quality)
            for split, count in (("train", number // divide_by), ("test", TEST // divide_by)):
                folder = root / "Real_AI_SD_LD_Dataset" / split / name
                folder.mkdir(parents=True)
                for serial in range(count):
                    os.link(originals / f"{name}.jpg", folder / f"{style}-{serial:06}.jpg")
                total += count
    return total
