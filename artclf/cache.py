"""Where artclf keeps what it can make again, and where kagglehub keeps what it has downloaded."""

import os
from pathlib import Path

AI_ARTBENCH = "ravidussilva/real-ai-art"  # Kaggle's name of the data set
AI_ARTBENCH_VERSION = 5  # the one that the seed study used, and whose counts `artclf data verify` knows


def cache_folder() -> Path:
    """The folder named by ARTCLF_CACHE, else artclf/ in XDG_CACHE_HOME, else ~/.cache/artclf. It may not exist yet."""
    if own := os.environ.get("ARTCLF_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "artclf"


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
