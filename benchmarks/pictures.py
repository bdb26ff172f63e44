"""Pictures to measure on, where there are no real ones, or not enough: `python -m benchmarks.pictures KIND FOLDER …`.

artbench: drawings in AI-ArtBench's layout, 166 of "AI" and 248 "human" ones, as many in each split as a small real set has.
distinct: any number of small JPEG files, no two of the same bytes or pixels, since what is kept by content would keep
others once.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from artclf.data.demo.draw import GENERATORS, STYLES, draw_picture, generate
from benchmarks.machine import cores
from benchmarks.table import IN_A_FOLDER, distinct_path
from benchmarks.tree import STYLE_NAMES

COUNTS = {"train": {"": 178, "AI_LD_": 60, "AI_SD_": 58}, "test": {"": 70, "AI_LD_": 23, "AI_SD_": 25}}
DRAWN = 256  # pixels a side; scaled to what is asked for, since drawing large costs more than it tells


def draw_artbench(root: Path, side: int, divide_by: int) -> int:
    """Draw a set in AI-ArtBench's layout.

    Args:
        root: the folder to make.
        side: pixels a side.
        divide_by: for a smaller set: this fraction of COUNTS, but a picture in each folder at least.

    Returns:
        The number of pictures.
    """
    jobs = []
    for split, prefixes in COUNTS.items():
        for prefix, total in prefixes.items():
            for index, style in enumerate(STYLE_NAMES):
                folder = root / "Real_AI_SD_LD_Dataset" / split / f"{prefix}{style}"
                folder.mkdir(parents=True)
                number = max(1, (total // len(STYLE_NAMES) + (index < total % len(STYLE_NAMES))) // divide_by)
                jobs += [(folder / f"{style}-{serial:04}.jpg", prefix, index, serial) for serial in range(number)]
    with ProcessPoolExecutor(cores()) as pool:
        list(pool.map(partial(_draw, side=side), jobs, chunksize=8))
    return len(jobs)


def _draw(job: tuple[Path, str, int, int], side: int) -> None:
    file, prefix, style, serial = job
    rng = np.random.default_rng([style, serial, *f"{file.parents[1].name}{prefix}".encode()])
    pixels = draw_picture(list(STYLES)[style % len(STYLES)], rng, min(DRAWN, side))
    if prefix:
        pixels = generate(pixels, list(GENERATORS.values())[prefix == "AI_SD_"], rng)
    Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC).save(file, quality=95)


def draw_distinct(root: Path, count: int, side: int) -> int:
    """Make `count` JPEG files of `side` pixels a side, in folders of a thousand, named as `benchmarks.table` says."""
    folders = range((count + IN_A_FOLDER - 1) // IN_A_FOLDER)
    with ProcessPoolExecutor(cores()) as pool:
        return sum(pool.map(partial(_make_folder, root, count, side), folders))


def _make_folder(root: Path, count: int, side: int, folder: int) -> int:
    rng = np.random.default_rng([folder, side])
    serials = range(folder * IN_A_FOLDER, min(count, (folder + 1) * IN_A_FOLDER))
    (root / distinct_path(serials[0])).parent.mkdir(parents=True)
    for serial in serials:
        coarse = rng.integers(0, 256, size=(max(8, side // 16), max(8, side // 16), 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((side, side), Image.Resampling.BILINEAR)
        picture.save(root / distinct_path(serial), quality=85)
    return len(serials)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures", description=(__doc__ or "").splitlines()[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    artbench, distinct = kinds.add_parser("artbench"), kinds.add_parser("distinct")
    for kind, side in ((artbench, 512), (distinct, 256)):
        kind.add_argument("folder", type=Path)
        kind.add_argument("--side", type=int, default=side, help=f"pixels a side (default {side})")
    artbench.add_argument("--divide-by", type=int, default=1, help="for a smaller set")
    distinct.add_argument("--count", type=int, required=True)
    chosen = parser.parse_args()
    if chosen.kind == "artbench":
        made = draw_artbench(chosen.folder, chosen.side, chosen.divide_by)
    else:
        made = draw_distinct(chosen.folder, chosen.count, chosen.side)
    print(f"made {made:,} pictures: {chosen.folder}")


if __name__ == "__main__":
    main()
