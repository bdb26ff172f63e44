"""A source by what lies at a path, for commands that are given no more than that."""

from pathlib import Path

from artclf.data.manifest import LABELS, Manifest
from artclf.data.sources.ai_artbench import FOLDER, is_ai_artbench, read_ai_artbench
from artclf.data.sources.csv import read_csv
from artclf.data.sources.folder import read_folder
from artclf.errors import ArtclfError


def read_any(path: str | Path) -> Manifest:
    """List the pictures at a path, in whichever layout they are.

    Args:
        path: a CSV file with the manifest's columns, a folder in the folder layout, or AI-ArtBench or a folder above it.

    Raises:
        ArtclfError: where there is nothing, or nothing in these layouts, and as the source does.
    """
    top = Path(path).expanduser()
    if top.is_file() and top.suffix.lower() == ".csv":
        return read_csv(top)
    if has_labels(top):
        return read_folder(top)
    if top.is_dir() and is_ai_artbench(top):
        return read_ai_artbench(top)
    problem = "holds none of the layouts that artclf knows" if top.exists() else f"does not exist (looked in {Path.cwd()})"
    raise ArtclfError(
        f"{path}: {problem}; allowed: a folder with [train/](ai|human)/…, one with {FOLDER}/train/STYLE/… and AI_SD_STYLE/…, "
        "or a CSV file with the columns path,label,generator,style,split"
    )


def has_labels(top: Path) -> bool:
    """Whether a path is a folder in the folder layout: it holds ai/ or human/, or folders that do."""
    if not top.is_dir():
        return False
    folders = [entry for entry in top.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    return any((folder / label).is_dir() for folder in (top, *folders) for label in LABELS)
