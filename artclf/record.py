"""What is written down of a run: with what it ran, and what came out."""

import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("artclf", "torch", "torchvision", "lightning", "timm", "numpy", "pillow", "scikit-learn")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that figures depend on; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """The commit of the source tree, with "-dirty" where tracked files are changed; None where it is in no repository."""
    here = Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write a JSON file; numbers that JSON has not (NaN, infinity) are an error."""
    file.write_text(json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")
