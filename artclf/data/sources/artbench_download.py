"""AI-ArtBench from Kaggle, through kagglehub, with clear words for everything that can go wrong on the way.

kagglehub downloads one archive, checks its MD5, extracts it, removes it, and only then writes a marker of completion. A
download that breaks off leaves a part of the archive, which the next call goes on with; within one call it gives up at once,
so the going on is done here.
"""

import errno
import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from types import ModuleType

from rich.filesize import decimal

from artclf.cache.folder import AI_ARTBENCH, AI_ARTBENCH_VERSION, kaggle_ai_artbench, kaggle_cache
from artclf.data.sources.ai_artbench import find_base
from artclf.errors import ArtclfError

COMMAND = "artclf data fetch ai_artbench"
UNSUPPORTED = "Unsupported archive"  # how kagglehub's ValueError begins where what it has is no archive
ARCHIVE_BYTES = 10_700_000_000  # of version 5; where the service does not say
EXTRACTED = (
    1.1  # bytes on disk for each of the archive's: JPEG hardly shrinks, and 185,015 files leave their last blocks half full
)
PAUSES = (2.0, 10.0, 30.0)  # seconds before trying again where a download that had begun can't go on
MOUNTED = ("KAGGLE_KERNEL_RUN_TYPE", "TBE_RUNTIME_ADDR")  # set in notebooks of Kaggle and Colab, which mount it instead


def fetch_ai_artbench(tell: Callable[[str], None], pauses: Sequence[float] = PAUSES) -> Path:
    """Download version 5 of AI-ArtBench into kagglehub's cache, or go on with a download that broke off.

    Needs the network, and no account: the data set is public. Where it is there already, nothing is asked of the network.

    Args:
        tell: is called with a line of news for the user. kagglehub shows its progress itself.
        pauses: seconds before each further attempt where a connection broke off and can't be had again. An attempt that
            brought some bytes begins them anew; before the first byte, nothing is tried twice.

    Returns:
        The folder that holds `Real_AI_SD_LD_Dataset`.

    Raises:
        ArtclfError: where it can't be had: what stopped it, and what to type.
    """
    folder = kaggle_ai_artbench() or _download(tell, pauses)
    if find_base(folder) is None:
        raise ArtclfError(f"{folder}: holds no AI-ArtBench; remove that folder and type {COMMAND} again: it starts anew")
    return folder


def _download(tell: Callable[[str], None], pauses: Sequence[float]) -> Path:
    """Let kagglehub download, again and again while that brings something; see `fetch_ai_artbench`."""
    kagglehub = _kagglehub()
    import requests  # noqa: PLC0415 (comes with kagglehub)
    from kagglehub import exceptions  # noqa: PLC0415

    refusals = (exceptions.BackendError, exceptions.CredentialError, exceptions.NotFoundError, exceptions.UnauthenticatedError)

    broken = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    begun, left = _archived(), list(pauses)
    try:
        if not any(name in os.environ for name in MOUNTED):
            _require_space(_archive_size())
        while True:
            before = _archived()
            try:
                return Path(kagglehub.dataset_download(f"{AI_ARTBENCH}/versions/{AI_ARTBENCH_VERSION}"))
            except broken as error:
                now = _archived()
                if now > before:
                    left = list(pauses)
                elif now == begun or not left:
                    raise
                pause = 0.0 if now > before else left.pop(0)
                when = f" in {pause:.0f} s" if pause else ""
                tell(f"the connection broke off after {decimal(now)} ({_reason(error)}); going on{when}")
                time.sleep(pause)
    except requests.HTTPError as error:
        raise ArtclfError(_refusal(error.response.status_code if error.response is not None else 0)) from error
    except broken as error:
        kept = f"; {decimal(_archived())} are kept, and it goes on from there" if _archived() else ""
        raise ArtclfError(
            f"Kaggle can't be reached ({_reason(error)}): see to the network (behind a proxy: set HTTPS_PROXY) and type "
            f"{COMMAND} again{kept}"
        ) from error
    except exceptions.DataCorruptionError as error:
        raise ArtclfError(
            f"the download is not what Kaggle announced (another MD5) and was removed; type {COMMAND} again: it starts anew"
        ) from error
    except (ValueError, *refusals) as error:
        if str(error).startswith(UNSUPPORTED):
            raise ArtclfError(_damage(error)) from error
        # its own settings (a malformed ~/.kaggle/kaggle.json): the archive has nothing to do with it
        raise ArtclfError(f"kagglehub: {' '.join(str(error).split())}; mend that and type {COMMAND} again") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ArtclfError(_damage(error)) from error
    except OSError as error:
        raise ArtclfError(_disk_trouble(error)) from error


def _kagglehub() -> ModuleType:
    try:
        import kagglehub  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError as error:
        raise ArtclfError(f'kagglehub is not installed: type pip install -e ".[kaggle]", then {COMMAND} again') from error
    module: ModuleType = kagglehub
    return module


def _archive() -> Path:
    """Where kagglehub keeps the archive until it is extracted."""
    return kaggle_cache() / "datasets" / AI_ARTBENCH / f"{AI_ARTBENCH_VERSION}.archive"


def _archived() -> int:
    """Bytes of the archive that are there."""
    archive = _archive()
    return archive.stat().st_size if archive.is_file() else 0


def _extracted() -> int:
    """Bytes that an extraction which did not come to its end has left; the next one writes them again in place."""
    folder = kaggle_cache() / "datasets" / AI_ARTBENCH / "versions" / str(AI_ARTBENCH_VERSION)
    return sum((Path(here) / name).lstat().st_size for here, _, files in os.walk(folder) for name in files)


def _archive_size() -> int:
    """Ask the service for the archive's size in bytes, as kagglehub asks for the archive; nothing of it is read."""
    from kagglehub.clients import build_kaggle_client  # noqa: PLC0415 (an extra)
    from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest  # noqa: PLC0415

    request = ApiDownloadDatasetRequest()
    request.owner_slug, request.dataset_slug = AI_ARTBENCH.split("/")
    request.dataset_version_number = AI_ARTBENCH_VERSION
    with build_kaggle_client() as client, client.datasets.dataset_api_client.download_dataset(request) as response:
        return int(response.headers.get("Content-Length", ARCHIVE_BYTES))


def _require_space(archive_bytes: int) -> None:
    """Refuse to begin what the disk has no room for: the archive and what is extracted from it, less what is there.

    Raises:
        ArtclfError: with how much is missing, and how to use another disk.
    """
    cache = kaggle_cache().absolute()
    disk = next(folder for folder in (cache, *cache.parents) if folder.exists())
    archive_left = max(0, archive_bytes - _archived())
    extracted_left = max(0, int(archive_bytes * EXTRACTED) - _extracted())
    free = shutil.disk_usage(disk).free
    short = archive_left + extracted_left - free
    if short > 0:
        raise ArtclfError(
            f"{cache}: {decimal(short)} too little space: {decimal(archive_left)} to download and about "
            f"{decimal(extracted_left)} to extract, {decimal(free)} free; make room, or set KAGGLEHUB_CACHE to a folder on "
            f"another disk, and type {COMMAND} again"
        )


def _refusal(status: int) -> str:
    """What to do about an HTTP error."""
    again = f"type {COMMAND} again"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return (
            f"Kaggle refuses the download (HTTP {status}). The data set is public: mend or remove the credentials in "
            f"~/.kaggle, KAGGLE_API_TOKEN or KAGGLE_KEY, and {again}; or download it with a browser from "
            f"https://www.kaggle.com/datasets/{AI_ARTBENCH} and give data.root=FOLDER"
        )
    if status == HTTPStatus.NOT_FOUND:
        return (
            f"Kaggle has no version {AI_ARTBENCH_VERSION} of {AI_ARTBENCH} any more (HTTP 404): see "
            f"https://www.kaggle.com/datasets/{AI_ARTBENCH}; a copy from elsewhere is used with data.root=FOLDER"
        )
    what = "asks to wait" if status == HTTPStatus.TOO_MANY_REQUESTS else "can't serve the download now"
    return f"Kaggle {what} (HTTP {status}): {again} later; what is downloaded is kept, and it goes on from there"


def _damage(error: Exception) -> str:
    """Remove an archive that can't be extracted, which would stand in the way of every further attempt, and say so."""
    if not _archived():
        return f"kagglehub: {' '.join(str(error).split())}; mend that and type {COMMAND} again"
    _archive().unlink()
    return f"the archive can't be extracted ({error}) and was removed; type {COMMAND} again: it starts anew"


def _disk_trouble(error: OSError) -> str:
    """What to do where a file can't be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"{kaggle_cache()}: the disk is full; {decimal(_archived())} of the archive are kept. Make room and type {COMMAND} "
            "again: it goes on from there"
        )
    where = error.filename or kaggle_cache()
    return f"{where}: {(error.strerror or str(error)).lower()}; mend that, or set KAGGLEHUB_CACHE, and type {COMMAND} again"


def _reason(error: BaseException) -> str:
    """Why a connection broke: the operating system's word, from the innermost of the wrapped errors that has one."""
    chain = [error]
    while inner := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(inner)
    words = [link.strerror for link in chain if isinstance(link, OSError) and link.strerror]
    if words:
        return words[-1].lower()
    return "no answer in time" if any(isinstance(link, TimeoutError) for link in chain) else "the other side closed it"
