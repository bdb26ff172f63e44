"""AI-ArtBench from Kaggle: its download through kagglehub, and the check that a folder is version 5 of it.

kagglehub keeps what a broken download has brought and continues from there when it is called again.
"""

import errno
import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rich.filesize import decimal

from artclf.cache.folder import AI_ARTBENCH, AI_ARTBENCH_VERSION, kaggle_ai_artbench, kaggle_cache
from artclf.data.images import DEFAULT_MAX_PIXELS
from artclf.data.pixels import inspect_files
from artclf.data.sources.ai_artbench import FOLDER, find_base
from artclf.data.sources.walk import picture_folders
from artclf.errors import ArtclfError, nearest

AGAIN = "type artclf data fetch ai_artbench again"
PAGE = f"https://www.kaggle.com/datasets/{AI_ARTBENCH}"
ARCHIVE_BYTES = 10_700_000_000  # of version 5
EXTRACTED = 1.1  # bytes on disk for each of the archive's: JPEG hardly shrinks, and 185,015 files leave blocks half full
PAUSE = 5.0  # seconds before a broken download goes on
MOUNTED = ("KAGGLE_KERNEL_RUN_TYPE", "TBE_RUNTIME_ADDR")  # set in notebooks of Kaggle and Colab, which mount it instead

SPLITS = ("train", "test")
HUMAN_TRAIN, TEST = 5_000, 1_000  # images in a folder
_STYLES = (
    "art_nouveau baroque expressionism impressionism post_impressionism realism renaissance romanticism surrealism ukiyo_e"
)
_LD = (4992, 4960, 5116, 5208, 4844, 5232, 5416, 5436, 5384, 5504)
_SD = (5384, 5052, 5304, 5388, 5360, 5248, 5060, 5455, 5364, 5308)
AI_TRAIN = dict(zip(_STYLES.split(), zip(_LD, _SD, strict=True), strict=True))
"""Training images by Latent and by Stable Diffusion, by style."""


def fetch_ai_artbench(tell: Callable[[str], None]) -> Path:
    """Download version 5 of AI-ArtBench into kagglehub's cache, or continue a broken download; no account is needed.

    Args:
        tell: called with a line of news for the user. kagglehub shows its progress itself.

    Returns:
        The folder that holds `Real_AI_SD_LD_Dataset`.

    Raises:
        ArtclfError: what stopped it, and what to type.
    """
    folder = kaggle_ai_artbench() or _download(tell)
    if find_base(folder) is None:
        raise ArtclfError(f"{folder}: holds no AI-ArtBench; remove that folder and {AGAIN}: it starts anew")
    return folder


def _download(tell: Callable[[str], None]) -> Path:
    try:
        import kagglehub  # noqa: PLC0415 (an extra)
        import requests  # noqa: PLC0415 (comes with kagglehub)
        from kagglehub import exceptions as hub  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ArtclfError(f'kagglehub is not installed: type pip install -e ".[kaggle]", then {AGAIN}') from error
    if not any(name in os.environ for name in MOUNTED):
        _require_space()
    while True:
        before = _downloaded()
        try:
            return Path(kagglehub.dataset_download(f"{AI_ARTBENCH}/versions/{AI_ARTBENCH_VERSION}"))
        except requests.HTTPError as error:
            raise ArtclfError(_refusal(error.response.status_code if error.response is not None else 0)) from error
        except requests.RequestException as error:
            if _downloaded() <= before:
                raise ArtclfError(
                    f"Kaggle can't be reached ({_reason(error)}): check network and HTTPS_PROXY, and {AGAIN}"
                ) from error
            tell(f"the connection broke off after {decimal(_downloaded())} ({_reason(error)}); going on in {PAUSE:.0f} s")
            time.sleep(PAUSE)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            remedy = "make room" if full else "correct that, or set KAGGLEHUB_CACHE,"
            raise ArtclfError(f"{error.filename or kaggle_cache()}: {_reason(error)}; {remedy} and {AGAIN}") from error
        except (ValueError, hub.BackendError, hub.CredentialError, hub.NotFoundError, hub.UnauthenticatedError) as error:
            if str(error).startswith("Unsupported archive"):
                raise ArtclfError(_remove_damaged(error)) from error
            raise ArtclfError(f"kagglehub: {' '.join(str(error).split())}; correct that and {AGAIN}") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, hub.DataCorruptionError) as error:
            raise ArtclfError(_remove_damaged(error)) from error


def _remove_damaged(error: Exception) -> str:
    """Remove an archive that can't be extracted, or each further attempt would fail on it."""
    (_folder() / f"{AI_ARTBENCH_VERSION}.archive").unlink(missing_ok=True)
    return f"the archive is damaged ({_reason(error)}) and was removed; {AGAIN}: it starts anew"


def _folder() -> Path:
    """Where kagglehub keeps the archive, and what it extracts from it."""
    return kaggle_cache().absolute() / "datasets" / AI_ARTBENCH


def _downloaded() -> int:
    """Bytes of the archive and of extracted files."""
    return sum(file.lstat().st_size for file in _folder().rglob("*") if not file.is_dir())


def _require_space() -> None:
    cache = kaggle_cache().absolute()
    disk = next(folder for folder in (cache, *cache.parents) if folder.exists())
    needed, free = int(ARCHIVE_BYTES * (1 + EXTRACTED)) - _downloaded(), shutil.disk_usage(disk).free
    if needed > free:
        raise ArtclfError(
            f"{cache}: {decimal(needed - free)} too little space: the archive and what is extracted from it take "
            f"{decimal(needed)}, {decimal(free)} are free; make room, or set KAGGLEHUB_CACHE to a folder on another disk, and "
            f"{AGAIN}"
        )


def _refusal(status: int) -> str:
    """What to do about an HTTP error."""
    if status in (401, 403):
        return (
            f"Kaggle refuses the download (HTTP {status}). The data set is public: correct or remove the credentials in "
            f"~/.kaggle, KAGGLE_API_TOKEN or KAGGLE_KEY, and {AGAIN}; or download it from {PAGE} and give data.root=FOLDER"
        )
    if status == 404:
        return f"Kaggle has no version {AI_ARTBENCH_VERSION} of {AI_ARTBENCH} any more (HTTP 404), see {PAGE}"
    return f"Kaggle can't serve the download now (HTTP {status}): {AGAIN} later; it continues from what is downloaded"


def _reason(error: BaseException) -> str:
    """The innermost of the wrapped errors, on one line."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return " ".join(str(getattr(error, "strerror", None) or error).split()).lower()


class FolderCount(NamedTuple):
    """Images in one of version 5's 60 folders; `found` is None where there are none."""

    split: str
    folder: str
    expected: int
    found: int | None

    @property
    def difference(self) -> str:
        """What differs: "missing", "+3", "−12"; "" where nothing does."""
        if self.found is None:
            return "missing"
        return "" if self.found == self.expected else f"{self.found - self.expected:+,}".replace("-", "−")


@dataclass(frozen=True)
class Verification:
    """How a folder compares with version 5 of AI-ArtBench."""

    base: Path  # the folder that holds train/ and test/
    counts: list[FolderCount]
    unknown: dict[str, str]  # other folders with images, relative to `base`: why they are listed
    unreadable: dict[str, str]  # images, relative to `base`: why they can't be decoded
    decoded: bool  # whether every image was decoded; else `unreadable` is empty

    @property
    def different(self) -> list[FolderCount]:
        """The folders whose count differs, missing ones among them."""
        return [count for count in self.counts if count.difference]

    @property
    def is_version_5(self) -> bool:
        """Whether nothing differs, as far as was checked."""
        return not (self.different or self.unknown or self.unreadable)


def expected_counts() -> dict[str, dict[str, int]]:
    """Images by split and folder in version 5, 185,015 in all. AI folders spell `ukiyo-e`, the human one `ukiyo_e`."""
    train = dict.fromkeys(AI_TRAIN, HUMAN_TRAIN)
    for column, tag in enumerate(("LD", "SD")):
        for style, counts in AI_TRAIN.items():
            train[f"AI_{tag}_{style.replace('ukiyo_e', 'ukiyo-e')}"] = counts[column]
    return {"train": train, "test": dict.fromkeys(train, TEST)}


def verify_ai_artbench(root: Path, *, decode: bool = True) -> Verification:
    """Compare the images that training would list in a folder with version 5 of AI-ArtBench.

    Args:
        root: the folder `Real_AI_SD_LD_Dataset`, or one above it.
        decode: whether to decode every image (minutes for the whole data set), with a progress bar.

    Raises:
        ArtclfError: there is no such folder, no AI-ArtBench in it, or a folder can't be listed.
    """
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        raise ArtclfError(f"{root}: {problem}; type artclf data verify FOLDER")
    if (base := find_base(root)) is None:
        raise ArtclfError(f"{root}: no AI-ArtBench here; expected {FOLDER}/train/STYLE/… in it, or train/ and test/ themselves")
    files = {"/".join(inside): names for inside, names in picture_folders(base)}
    counts = [
        FolderCount(split, folder, n, len(files.get(f"{split}/{folder}", ())) or None)
        for split, folders in expected_counts().items()
        for folder, n in folders.items()
    ]
    known = {f"{count.split}/{count.folder}" for count in counts}
    unknown = {
        name or ".": f"{len(names):,} images in a folder that version 5 does not have{nearest(name, known - files.keys())}"
        for name, names in files.items()
        if name not in known
    }
    paths = [f"{folder}/{name}" for folder, names in files.items() if folder in known for name in names] if decode else []
    looks = inspect_files(base, paths, max_pixels=DEFAULT_MAX_PIXELS, threads=os.cpu_count() or 1)
    unreadable = {path: reason for path, reason in zip(paths, looks["reason"], strict=True) if reason}
    return Verification(base, counts, unknown, unreadable, decoded=decode)
