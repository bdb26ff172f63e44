"""Kaggle's AI-ArtBench, and other data in its layout: {train,test}/{STYLE,AI_LD_STYLE,AI_SD_STYLE}/image."""

import re
from collections.abc import Iterator
from pathlib import Path

from artclf.data.demo import GENERATORS as DEMO_GENERATORS
from artclf.data.manifest import HUMAN, Manifest
from artclf.data.sources.folder import existing_root, image_folders
from artclf.errors import ArtclfError

FOLDER = "Real_AI_SD_LD_Dataset"
GENERATORS = {"LD": "latent_diffusion", "SD": "stable_diffusion", **DEMO_GENERATORS}
_AI = re.compile(r"AI_(?P<tag>[A-Za-z0-9]+)_(?P<style>.+)")


def read_ai_artbench(root: str | Path) -> Manifest:
    """List the folder `Real_AI_SD_LD_Dataset`, or one above it.

    Raises:
        ArtclfError: where the root is missing, or nothing in it looks like AI-ArtBench.
    """
    top = existing_root(root)
    base = find_base(top)
    if base is None:
        raise ArtclfError(
            f"data.root={top}: no AI-ArtBench here; expected {FOLDER}/train/STYLE/… in it (or train/ and test/ themselves). "
            "For folders of another layout use data=folder, for a table data=csv"
        )
    return Manifest.of(top, _rows(top, base))


def _rows(top: Path, base: Path) -> Iterator[tuple[str, ...]]:
    for inside, names in image_folders(base):
        if len(inside) < 2:
            continue  # an image beside the folders of styles belongs to none
        split, style = inside[:2]
        label = generator = HUMAN
        if ai := _AI.fullmatch(style):
            tag, style = ai.groups()
            label, generator = "ai", GENERATORS.get(tag.upper(), tag.lower())
        below = base.relative_to(top).joinpath(*inside).as_posix()
        for name in names:
            yield f"{below}/{name}", label, generator, style.replace("-", "_"), split  # ukiyo-e in AI folders, else ukiyo_e


def is_ai_artbench(root: Path) -> bool:
    """Whether a folder is, or holds, an AI-ArtBench: train/ or test/ with a folder named AI_TAG_STYLE."""
    base = find_base(root)
    return base is not None and any(_AI.fullmatch(f.name) for split in ("train", "test") for f in base.glob(f"{split}/*"))


def find_base(root: Path) -> Path | None:
    """The folder that holds train/ or test/: the root, or `FOLDER` up to three levels below it; None where there is none."""
    bases = (root, *(found for depth in range(4) for found in sorted(root.glob("*/" * depth + FOLDER))))
    return next((base for base in bases if (base / "train").is_dir() or (base / "test").is_dir()), None)
