"""AI-ArtBench from Kaggle: its download through kagglehub, and the check that a folder is version 5 of it.

kagglehub downloads one archive, checks its MD5, extracts it, removes it, and only then writes a marker of completion. A part of
the archive that a broken download leaves is what its next call goes on from.
"""

import errno
import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
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
PAUSES = (2.0, 10.0, 30.0)  # seconds before each further attempt where a download that had begun brings nothing more
MOUNTED = ("KAGGLE_KERNEL_RUN_TYPE", "TBE_RUNTIME_ADDR")  # set in notebooks of Kaggle and Colab, which mount it instead

SPLITS = ("train", "test")
HUMAN_TRAIN, TEST = 5_000, 1_000  # images per folder
_STYLES = (
    "art_nouveau baroque expressionism impressionism post_impressionism realism renaissance romanticism surrealism ukiyo_e"
)
_LD = (4992, 4960, 5116, 5208, 4844, 5232, 5416, 5436, 5384, 5504)
_SD = (5384, 5052, 5304, 5388, 5360, 5248, 5060, 5455, 5364, 5308)
AI_TRAIN = dict(zip(_STYLES.split(), zip(_LD, _SD, strict=True), strict=True))
"""Training images by Latent and by Stable Diffusion, by style."""


def fetch_ai_artbench(tell: Callable[[str], None], pauses: Sequence[float] = PAUSES) -> Path:
    """Download version 5 of AI-ArtBench into kagglehub's cache, or go on with a download that broke off.

    It needs the network but no account: the data set is public. Where it is there already, the network is not used.

    Args:
        tell: is called with a line of news for the user. kagglehub shows its progress itself.
        pauses: seconds before each further attempt of a download that had begun and broke off; progress starts them anew.

    Returns:
        The folder that holds `Real_AI_SD_LD_Dataset`.

    Raises:
        ArtclfError: what stopped it, and what to type.
    """
    folder = kaggle_ai_artbench() or _download(tell, pauses)
    if find_base(folder) is None:
        raise ArtclfError(f"{folder}: holds no AI-ArtBench; remove that folder and {AGAIN}: it starts anew")
    return folder


def _download(tell: Callable[[str], None], pauses: Sequence[float]) -> Path:
    try:
        import kagglehub  # noqa: PLC0415 (an extra)
        import requests  # noqa: PLC0415 (comes with kagglehub)
        from kagglehub import exceptions as hub  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ArtclfError(f'kagglehub is not installed: type pip install -e ".[kaggle]", then {AGAIN}') from error
    broken = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    if not any(name in os.environ for name in MOUNTED):
        _require_space()
    left = list(pauses)
    while True:
        before = _archived()
        try:
            return Path(kagglehub.dataset_download(f"{AI_ARTBENCH}/versions/{AI_ARTBENCH_VERSION}"))
        except broken as error:
            now = _archived()
            left = list(pauses) if now > before else left
            if not (now and left):
                kept = f"; {decimal(now)} are kept, and it goes on from there" if now else ""
                raise ArtclfError(
                    f"Kaggle can't be reached ({_reason(error)}): check the network (behind a proxy: set HTTPS_PROXY) and "
                    f"{AGAIN}{kept}"
                ) from error
            pause = left.pop(0)
            tell(f"the connection broke off after {decimal(now)} ({_reason(error)}); going on in {pause:.0f} s")
            time.sleep(pause)
        except requests.HTTPError as error:
            raise ArtclfError(_refusal(error.response.status_code if error.response is not None else 0)) from error
        except hub.DataCorruptionError as error:
            raise ArtclfError(f"the download has another MD5 than Kaggle announced and was removed; {AGAIN}") from error
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ArtclfError(_damaged(error)) from error
        except OSError as error:
            raise ArtclfError(_disk_trouble(error)) from error
        except (ValueError, hub.BackendError, hub.CredentialError, hub.NotFoundError, hub.UnauthenticatedError) as error:
            if str(error).startswith("Unsupported archive"):
                raise ArtclfError(_damaged(error)) from error
            raise ArtclfError(f"kagglehub: {' '.join(str(error).split())}; correct that and {AGAIN}") from error


def _archive() -> Path:
    """Where kagglehub keeps the archive until it is extracted."""
    return kaggle_cache() / "datasets" / AI_ARTBENCH / f"{AI_ARTBENCH_VERSION}.archive"


def _archived() -> int:
    """Bytes of the archive that are there."""
    return _archive().stat().st_size if _archive().is_file() else 0


def _require_space() -> None:
    """Refuse a download for which the disk has no room: the archive and what is extracted from it, less what is there."""
    cache = kaggle_cache().absolute()
    disk = next(folder for folder in (cache, *cache.parents) if folder.exists())
    extracted = sum(file.lstat().st_size for file in _archive().with_name("versions").rglob("*") if not file.is_dir())
    to_download = max(0, ARCHIVE_BYTES - _archived())
    to_extract = max(0, int(ARCHIVE_BYTES * EXTRACTED) - extracted)
    free = shutil.disk_usage(disk).free
    if (short := to_download + to_extract - free) > 0:
        raise ArtclfError(
            f"{cache}: {decimal(short)} too little space: {decimal(to_download)} to download and about {decimal(to_extract)} "
            f"to extract, {decimal(free)} free; make room, or set KAGGLEHUB_CACHE to a folder on another disk, and {AGAIN}"
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
    what = "asks to wait" if status == 429 else "can't serve the download now"
    return f"Kaggle {what} (HTTP {status}): {AGAIN} later; it goes on from what is downloaded"


def _damaged(error: Exception) -> str:
    """Remove an archive that can't be extracted: it would stand in the way of every further attempt."""
    _archive().unlink(missing_ok=True)
    return f"the archive can't be extracted ({error}) and was removed; {AGAIN}: it starts anew"


def _disk_trouble(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{kaggle_cache()}: the disk is full; {decimal(_archived())} of the archive are kept. Make room and {AGAIN}"
    return f"{error.filename or kaggle_cache()}: {_reason(error)}; correct that, or set KAGGLEHUB_CACHE, and {AGAIN}"


def _reason(error: BaseException) -> str:
    """Why a connection broke, in the words of the innermost of the wrapped errors."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return str(getattr(error, "strerror", None) or error).lower()


class FolderCount(NamedTuple):
    """One of the 60 folders that version 5 has: images expected and found; found is None where there are none."""

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
    """How a folder compares with version 5 of AI-ArtBench.

    Attributes:
        base: the folder that holds train/ and test/.
        counts: the 60 folders of version 5.
        unknown: other folders that hold images, relative to `base`: a reason each.
        unreadable: images that can't be decoded, relative to `base`: a reason each.
        decoded: whether every image was decoded; else `unreadable` says nothing.
    """

    base: Path
    counts: list[FolderCount]
    unknown: dict[str, str]
    unreadable: dict[str, str]
    decoded: bool

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
    train: dict[str, int] = dict.fromkeys(AI_TRAIN, HUMAN_TRAIN)
    for column, tag in enumerate(("LD", "SD")):
        for style, counts in AI_TRAIN.items():
            train[f"AI_{tag}_{style.replace('ukiyo_e', 'ukiyo-e')}"] = counts[column]
    return {"train": train, "test": dict.fromkeys(train, TEST)}


def verify_ai_artbench(root: Path, *, decode: bool = True) -> Verification:
    """Compare a folder with version 5 of AI-ArtBench, by the images that training would list.

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
    expected = [(split, folder, n) for split, folders in expected_counts().items() for folder, n in folders.items()]
    counts = [FolderCount(split, folder, n, len(files.get(f"{split}/{folder}", ())) or None) for split, folder, n in expected]
    known = {f"{split}/{folder}" for split, folder, _ in expected}
    unknown = {
        name or ".": f"{len(names):,} images in a folder that version 5 does not have{nearest(name, known - files.keys())}"
        for name, names in files.items()
        if name not in known
    }
    if not decode:
        return Verification(base, counts, unknown, {}, decoded=False)
    paths = [f"{folder}/{name}" for folder in files if folder in known for name in files[folder]]
    looks = inspect_files(base, paths, max_pixels=DEFAULT_MAX_PIXELS, threads=os.cpu_count() or 1)
    unreadable = {path: reason for path, reason in zip(paths, looks["reason"], strict=True) if reason}
    return Verification(base, counts, unknown, unreadable, decoded=True)
