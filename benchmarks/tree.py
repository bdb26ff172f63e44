"""A tree of folders like AI-ArtBench's, with as many files: hard links to a few drawn pictures.

`python -m benchmarks.tree FOLDER` makes one.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from PIL import Image

from artclf.data.demo.draw import STYLES, draw_picture

STYLE_NAMES = (
    "art_nouveau",
    "baroque",
    "expressionism",
    "impressionism",
    "post_impressionism",
    "realism",
    "renaissance",
    "romanticism",
    "surrealism",
    "ukiyo_e",
)
TRAIN = {
    "": (5000,) * 10,
    "AI_LD_": (4992, 4960, 5116, 5208, 4844, 5232, 5416, 5436, 5384, 5504),
    "AI_SD_": (5384, 5052, 5304, 5388, 5360, 5248, 5060, 5455, 5364, 5308),
}
"""Pictures to train on by the folder's prefix, in the order of the styles: those of AI-ArtBench, version 5."""

TEST = 1000  # in each folder
SAVED = {"": (256, 95), "AI_LD_": (256, 75), "AI_SD_": (768, 75)}  # side in pixels and JPEG quality, as AI-ArtBench has them


def make_tree(root: Path, *, divide_by: int = 1, seed: int = 0) -> int:
    """Make the tree, with thirty different pictures and hard links to them.

    Args:
        root: a folder that is not there yet, on a file system with hard links.
        divide_by: for a smaller tree: the folders hold this fraction of AI-ArtBench's numbers.
        seed: of the pictures.

    Returns:
        The number of files, 185,015 for the whole tree.
    """
    originals = root / ".originals"  # hidden: no source lists it
    originals.mkdir(parents=True)
    total = 0
    for prefix, numbers in TRAIN.items():
        side, quality = SAVED[prefix]
        for index, (style, number) in enumerate(zip(STYLE_NAMES, numbers, strict=True)):
            name = prefix + (style.replace("_e", "-e") if prefix and style == "ukiyo_e" else style)
            rng = np.random.default_rng([seed, index, side, quality])
            pixels = draw_picture(list(STYLES)[index % len(STYLES)], rng, 256)
            original = originals / f"{name}.jpg"
            Image.fromarray(pixels).resize((side, side)).save(original, quality=quality)
            for split, count in (("train", number // divide_by), ("test", TEST // divide_by)):
                folder = root / "Real_AI_SD_LD_Dataset" / split / name
                folder.mkdir(parents=True)
                for serial in range(count):
                    os.link(original, folder / f"{style}-{serial:06}.jpg")
                total += count
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tree", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--divide-by", type=int, default=1, help="for a smaller tree")
    chosen = parser.parse_args()
    print(f"made {make_tree(chosen.folder, divide_by=chosen.divide_by):,} files: {chosen.folder}")
