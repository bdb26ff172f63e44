"""Where artclf keeps what it can make again, and where kagglehub keeps what it has downloaded."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from artclf.errors import ArtclfError, nearest

AI_ARTBENCH = "ravidussilva/real-ai-art"  # Kaggle's name of the data set
AI_ARTBENCH_VERSION = 5  # the one that the seed study used, and whose counts `artclf data verify` knows


def cache_folder() -> Path:
    """The folder named by ARTCLF_CACHE, else artclf/ in XDG_CACHE_HOME, else ~/.cache/artclf. It may not exist yet."""
    if own := os.environ.get("ARTCLF_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "artclf"


KINDS = {"pixels": "about.json", "prefix": "about.json", "demo": "README.txt"}
"""The folders of the cache folder, and the file by which a folder in them is known as artclf's own."""


@dataclass(frozen=True)
class Entry:
    """Something kept in the cache folder.

    Attributes:
        folder: where.
        kind: "pixels", "prefix" or "demo".
        what: what it holds, in words.
        bytes: how much.
        used: when it was last used, in seconds since 1970.
    """

    folder: Path
    kind: str
    what: str
    bytes: int
    used: float

    @property
    def name(self) -> str:
        """By which it is told to be cleared."""
        return f"{self.kind}/{self.folder.name}"


def entries() -> list[Entry]:
    """What is kept in the cache folder, what was used last first."""
    found = []
    for kind, marker in KINDS.items():
        for file in (cache_folder() / kind).glob(f"*/{marker}"):
            what = json.loads(file.read_text(encoding="utf-8"))["what"] if kind != "demo" else "demo pictures"
            size = sum(path.stat().st_size for path in file.parent.rglob("*") if path.is_file())
            found.append(Entry(file.parent, kind, what, size, file.stat().st_mtime))
    return sorted(found, key=lambda entry: entry.used, reverse=True)


def chosen(kept: Sequence[Entry], words: Sequence[str]) -> list[Entry]:
    """Those of the entries that are named: by their kind or their name; all where nothing is.

    Raises:
        ArtclfError: for a word that names nothing.
    """
    for word in words:
        if word not in KINDS and word not in {entry.name for entry in kept}:
            known = [*KINDS, *(entry.name for entry in kept)]
            raise ArtclfError(
                f"got {word!r}; allowed: {', '.join(KINDS)}, or a name of artclf cache list{nearest(word, known)}"
            )
    return [entry for entry in kept if not words or entry.kind in words or entry.name in words]


def clear(entry: Entry) -> str:
    """Remove an entry. A run that reads it goes on; one that writes it keeps it.

    Returns:
        "" where it is gone, else why it is not.
    """
    lock = FileLock(entry.folder / ".lock")
    try:
        with lock.acquire(blocking=False):
            for file in entry.folder.iterdir():
                if file.is_dir():
                    shutil.rmtree(file)
                elif file.name != ".lock":
                    file.unlink()
        shutil.rmtree(entry.folder)
    except Timeout:
        return "a process is writing it"
    except OSError as error:  # Windows keeps what another process has open
        return (error.strerror or str(error)).lower()
    return ""


def kaggle_cache() -> Path:
    """The folder named by KAGGLEHUB_CACHE, else ~/.cache/kagglehub, as kagglehub has it. It may not exist yet."""
    own = os.environ.get("KAGGLEHUB_CACHE")
    return Path.home() / ".cache" / "kagglehub" if own is None else Path(own)


def kaggle_ai_artbench() -> Path | None:
    """The AI-ArtBench that kagglehub has downloaded whole, or None.

    kagglehub need not be installed for it. As it does itself, the folder is taken only beside its marker of completion: a
    half-extracted one has none.
    """
    kept = kaggle_cache() / "datasets" / AI_ARTBENCH
    folder = kept / "versions" / str(AI_ARTBENCH_VERSION)
    return folder if (kept / f"{AI_ARTBENCH_VERSION}.complete").exists() and folder.is_dir() else None
