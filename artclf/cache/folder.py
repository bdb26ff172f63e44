"""Where artclf keeps what it can compute again, and where kagglehub keeps what it has downloaded."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from artclf.cache.array_store import read_about
from artclf.errors import ArtclfError, nearest

AI_ARTBENCH = "ravidussilva/real-ai-art"  # Kaggle's name of the data set
AI_ARTBENCH_VERSION = 5  # the version that the seed study used
KINDS = {**dict.fromkeys(("pixels", "prefix", "features", "audits"), "about.json"), "demo": "README.txt"}
"""The subfolders of the cache folder, and the file that marks an entry in them as artclf's own."""


def cache_folder() -> Path:
    """The folder named by ARTCLF_CACHE, else artclf/ in XDG_CACHE_HOME, else ~/.cache/artclf. It may not exist yet."""
    if own := os.environ.get("ARTCLF_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "artclf"


@dataclass(frozen=True)
class Entry:
    """Something kept in the cache folder."""

    folder: Path
    kind: str  # a key of KINDS
    what: str  # a description of the content
    bytes: int
    used: float  # when it was last used, in seconds since 1970

    @property
    def name(self) -> str:
        """The name that `artclf cache clear` takes."""
        return f"{self.kind}/{self.folder.name}"


def entries() -> list[Entry]:
    """What is kept in the cache folder, the last used first."""
    found = []
    for kind, marker in KINDS.items():
        for file in (cache_folder() / kind).glob(f"*/{marker}"):
            what = "demo images" if kind == "demo" else str(read_about(file.parent).get("what", "it can't be read"))
            size = sum(path.stat().st_size for path in file.parent.rglob("*") if path.is_file())
            found.append(Entry(file.parent, kind, what, size, file.stat().st_mtime))
    return sorted(found, key=lambda entry: entry.used, reverse=True)


def chosen(kept: Sequence[Entry], words: Sequence[str]) -> list[Entry]:
    """The entries with one of these kinds or names; all of them where no word is given. ArtclfError for an unknown word."""
    known = [*KINDS, *(entry.name for entry in kept)]
    for word in set(words) - set(known):
        allowed = f"{', '.join(KINDS)}, or a name of artclf cache list"
        raise ArtclfError(f"got {word!r}; allowed: {allowed}{nearest(word, known)}")
    return [entry for entry in kept if not words or {entry.kind, entry.name} & {*words}]


def clear(entry: Entry) -> str:
    """Remove an entry, unless a process is writing it; a process that reads it goes on. Return why it stays, or ""."""
    try:
        with FileLock(entry.folder / ".lock").acquire(blocking=False):
            for file in entry.folder.iterdir():
                if file.name != ".lock":
                    shutil.rmtree(file) if file.is_dir() else file.unlink()
        shutil.rmtree(entry.folder)
    except Timeout:
        return "a process is writing it"
    except OSError as error:  # Windows keeps what another process has open
        return (error.strerror or str(error)).lower()
    return ""


def kaggle_cache() -> Path:
    """The folder named by KAGGLEHUB_CACHE, else ~/.cache/kagglehub, as kagglehub has it. It may not exist yet."""
    return Path(os.environ.get("KAGGLEHUB_CACHE", Path.home() / ".cache" / "kagglehub"))


def kaggle_ai_artbench() -> Path | None:
    """The AI-ArtBench that kagglehub has downloaded, or None. It is complete only beside kagglehub's marker."""
    kept = kaggle_cache() / "datasets" / AI_ARTBENCH
    folder = kept / "versions" / str(AI_ARTBENCH_VERSION)
    return folder if (kept / f"{AI_ARTBENCH_VERSION}.complete").exists() and folder.is_dir() else None
