"""Where artclf keeps what it can make again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder named by ARTCLF_CACHE, else artclf/ in XDG_CACHE_HOME, else ~/.cache/artclf. It may not exist yet."""
    if own := os.environ.get("ARTCLF_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "artclf"
