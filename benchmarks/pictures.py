"""Images to measure on where there are no real ones, or not enough of them."""

import csv
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from artclf.runtime import cores


def draw(seed: list[int], side: int, coarse: int) -> bytes:
    """A JPEG of smooth noise with `coarse` cells a side; different for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, size=(coarse, coarse, 3), dtype=np.uint8)
    jpeg = BytesIO()
    Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR).save(jpeg, "JPEG", quality=85)
    return jpeg.getvalue()


def draw_folder(folder: Path, first: int, count: int, side: int, coarse: int) -> int:
    """Write `count` JPEG files, numbered from `first`, no two alike, and return how many.

    Only the first 40 are drawn. The others repeat them with another comment (a JPEG's COM segment): different files for a cache
    by content, which decode to the same pixels.
    """
    folder.mkdir(parents=True)
    name = "/".join(folder.parts[-2:])
    drawn = [draw([*name.encode(), serial], side, coarse) for serial in range(min(count, 40))]
    for serial in range(first, first + count):
        jpeg, comment = drawn[serial % len(drawn)], f"{name}/{serial}".encode()
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        (folder / f"{serial:06}.jpg").write_bytes(jpeg[:2] + segment + jpeg[2:])  # behind the marker that begins a JPEG
    return count


def draw_artbench(root: Path, side: int, divide_by: int = 440) -> int:
    """Draw images in AI-ArtBench's layout, version 5, `divide_by` times fewer, and return how many.

    Those of Stable Diffusion have `side` pixels, the others half as many. AI-generated ones are a little finer.
    """
    from artclf.data.sources.artbench_download import VERSION_5  # noqa: PLC0415 (benchmarks' own process draws nothing)

    folders = []
    for name, count in VERSION_5.items():
        size, coarse = side if "AI_SD_" in name else side // 2, 24 if "AI_" in name else 16
        folders.append((root / "Real_AI_SD_LD_Dataset" / name, 0, count // divide_by, size, coarse))
    return _draw_folders(folders)


def distinct_path(serial: int) -> str:
    """Where `draw_distinct` puts the image of that number: a thousand in each folder."""
    return f"{serial // 1000:03}/{serial:06}.jpg"


def draw_distinct(root: Path, count: int, side: int) -> int:
    """Make `count` JPEG files of `side` pixels, no two alike, and return how many."""
    thousands = range(0, count, 1000)
    coarse = max(8, side // 16)
    return _draw_folders(
        [((root / distinct_path(first)).parent, first, min(1000, count - first), side, coarse) for first in thousands]
    )


def _draw_folders(folders: list[tuple[Path, int, int, int, int]]) -> int:
    """Call `draw_folder` with each of these arguments, on all cores."""
    with ProcessPoolExecutor(cores()) as pool:
        return sum(pool.map(draw_folder, *zip(*folders, strict=True)))


def write_table(file: Path, counts: Mapping[str, int]) -> None:
    """Write a table for data=csv over `draw_distinct`'s images: so many in each split, one in three "human"."""
    splits = [split for split, count in counts.items() for _ in range(count)]
    with file.open("w", encoding="utf-8", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(("path", "label", "generator", "style", "split"))
        for serial, split in enumerate(splits):
            label, generator = ("ai", "noise") if serial % 3 else ("human", "human")
            table.writerow((distinct_path(serial), label, generator, f"style_{serial % 10}", split))
