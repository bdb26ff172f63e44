"""Where a manifest comes from, one file each."""

from pathlib import Path

from artclf.cache.folder import cache_folder, kaggle_ai_artbench
from artclf.config.schema import DataConfig, DemoConfig
from artclf.data.demo.draw import VERSION, draw_demo
from artclf.data.manifest import LABELS, Manifest
from artclf.data.sources.ai_artbench import FOLDER, is_ai_artbench, read_ai_artbench
from artclf.data.sources.csv import read_csv
from artclf.data.sources.folder import read_folder
from artclf.errors import ArtclfError


def read_source(config: DataConfig) -> Manifest:
    """Make the manifest that a configuration asks for; the demo pictures are drawn where they are not there yet.

    Raises:
        ArtclfError: as the source does.
    """
    match config.source:
        case "demo":
            assert config.demo is not None  # the schema sees to it
            return read_demo(config.demo, config.root)
        case "ai_artbench":
            return read_ai_artbench(config.root or kaggle_ai_artbench() or "")
        case "folder":
            return read_folder(config.root or "")
        case "csv":
            return read_csv(config.csv or "", config.root)


def read_demo(demo: DemoConfig, root: str | None = None) -> Manifest:
    """List the demo pictures, drawn where they are not there yet.

    Args:
        demo: how many, how large, from which seed.
        root: where they are drawn; None for a folder of their own in the cache.

    Raises:
        ArtclfError: where the root holds anything else.
    """
    name = f"{VERSION}_{demo.size}px_{demo.train_per_folder}+{demo.test_per_folder}_seed{demo.seed}"
    name += f"_{demo.shortcut}" if demo.shortcut else ""
    drawn = draw_demo(
        cache_folder() / "demo" / name if root is None else root,
        seed=demo.seed,
        size=demo.size,
        train_per_folder=demo.train_per_folder,
        test_per_folder=demo.test_per_folder,
        shortcut=demo.shortcut,
    )
    return read_ai_artbench(drawn)


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
