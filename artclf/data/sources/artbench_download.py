"""AI-ArtBench from Kaggle: its download through kagglehub, and the check that a folder is version 5 of it."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from artclf.cache.folder import AI_ARTBENCH, AI_ARTBENCH_VERSION, kaggle_ai_artbench, kaggle_cache
from artclf.data.images import DEFAULT_MAX_PIXELS
from artclf.data.pixels import inspect_files
from artclf.data.sources.ai_artbench import FOLDER, find_base
from artclf.data.sources.folder import image_folders
from artclf.errors import ArtclfError, nearest
from artclf.runtime import cores

AGAIN = "type artclf data fetch ai_artbench again"
NEEDED = 22_500_000_000  # bytes on disk: the archive, and what is extracted, as 185,015 files leave blocks half full

_AI_TRAIN = {  # training images by Latent and by Stable Diffusion
    "art_nouveau": (4992, 5384),
    "baroque": (4960, 5052),
    "expressionism": (5116, 5304),
    "impressionism": (5208, 5388),
    "post_impressionism": (4844, 5360),
    "realism": (5232, 5248),
    "renaissance": (5416, 5060),
    "romanticism": (5436, 5455),
    "surrealism": (5384, 5364),
    "ukiyo_e": (5504, 5308),
}
VERSION_5 = {f"train/{style}": 5000 for style in _AI_TRAIN}
for _style, _counts in _AI_TRAIN.items():
    for _tag, _count in zip(("LD", "SD"), _counts, strict=True):
        VERSION_5[f"train/AI_{_tag}_{_style.replace('ukiyo_e', 'ukiyo-e')}"] = _count  # only AI folders spell it so
VERSION_5 |= {folder.replace("train", "test"): 1000 for folder in VERSION_5}
"""Images by split/folder, 185,015 in all."""


def fetch_ai_artbench() -> Path:
    """Download version 5 of AI-ArtBench into kagglehub's cache; no account is needed.

    kagglehub shows its progress, and continues a broken download when it is called again.

    Returns:
        The folder that holds `Real_AI_SD_LD_Dataset`.

    Raises:
        ArtclfError: kagglehub is not installed, the disk has too little space, or the download fails.
    """
    folder = kaggle_ai_artbench() or _download()
    if find_base(folder) is None:
        raise ArtclfError(f"{folder}: holds no AI-ArtBench; remove that folder and {AGAIN}: it starts anew")
    return folder


def _download() -> Path:
    try:
        import kagglehub  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError as error:
        raise ArtclfError(f'kagglehub is not installed: type pip install -e ".[kaggle]", then {AGAIN}') from error
    kept = kaggle_cache().absolute() / "datasets" / AI_ARTBENCH  # the archive, and what is extracted from it
    free = shutil.disk_usage(next(folder for folder in kept.parents if folder.exists())).free
    there = sum(file.lstat().st_size for file in kept.rglob("*") if not file.is_dir())
    mounted = {"KAGGLE_KERNEL_RUN_TYPE", "TBE_RUNTIME_ADDR"} & {*os.environ}  # notebooks of Kaggle and Colab, which mount it
    if not mounted and free + there < NEEDED:
        raise ArtclfError(
            f"{kaggle_cache()}: too little space: {(NEEDED - there) / 1e9:.1f} GB more are needed, {free / 1e9:.1f} GB are "
            f"free; make room, or set KAGGLEHUB_CACHE to a folder on another disk, and {AGAIN}"
        )
    try:
        return Path(kagglehub.dataset_download(f"{AI_ARTBENCH}/versions/{AI_ARTBENCH_VERSION}"))
    except Exception as error:  # kagglehub has many kinds
        reason = " ".join(str(error).split())
        remedy = f"{AGAIN}: it continues with what is in {kept}; where that fails again, remove this folder"
        raise ArtclfError(f"the download failed: {reason}; {remedy}") from error


@dataclass(frozen=True)
class Verification:
    """How a folder compares with version 5 of AI-ArtBench."""

    base: Path  # the folder that holds train/ and test/
    folders: pd.DataFrame  # indexed by split/folder: images `expected` and `found`, and the `problem`, "" where there is none
    unreadable: pd.DataFrame  # the images that can't be decoded: `path` relative to `base`, and the `reason`
    decoded: bool  # whether every image was decoded; else `unreadable` is empty

    @property
    def is_version_5(self) -> bool:
        """Whether nothing differs, as far as was checked."""
        return self.unreadable.empty and not self.folders["problem"].any()


def verify_ai_artbench(root: Path, *, decode: bool = True) -> Verification:
    """Compare the images that training would list in a folder with version 5 of AI-ArtBench.

    Args:
        root: the folder `Real_AI_SD_LD_Dataset`, or one above it.
        decode: whether to decode every image (minutes for the whole data set), with a progress bar.

    Raises:
        ArtclfError: there is no AI-ArtBench, or a folder can't be listed.
    """
    if (base := find_base(root)) is None:
        raise ArtclfError(f"{root}: no AI-ArtBench here; expected {FOLDER}/train/STYLE/… in it, or train/ and test/ themselves")
    files = {"/".join(inside) or ".": names for inside, names in image_folders(base)}
    found = {folder: len(names) for folder, names in files.items()}
    folders = pd.DataFrame({"expected": pd.Series(VERSION_5), "found": pd.Series(found, dtype=int)}).fillna(0).astype(int)

    difference = folders["found"] - folders["expected"]
    folders["problem"] = difference.map("{:+,}".format).mask(difference == 0, "").mask(folders["found"] == 0, "missing")
    for folder in folders.index[folders["expected"] == 0]:
        folders.loc[folder, "problem"] = f"not in version 5{nearest(folder, VERSION_5.keys() - files.keys())}"
    known = VERSION_5.keys() & files.keys() if decode else ()
    paths = [f"{folder}/{name}" for folder in sorted(known) for name in files[folder]]
    checked = inspect_files(base, paths, max_pixels=DEFAULT_MAX_PIXELS, threads=cores())
    checked = checked.assign(path=paths).query("reason != ''")[["path", "reason"]]
    return Verification(base, folders, checked, decoded=decode)
