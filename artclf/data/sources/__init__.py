"""Where a manifest comes from, one file for each source."""

from pathlib import Path

from artclf.cache.folder import cache_folder, kaggle_ai_artbench
from artclf.config.schema import DataConfig, DemoConfig
from artclf.data.demo import VERSION, draw_demo
from artclf.data.manifest import Manifest
from artclf.data.sources.ai_artbench import FOLDER, is_ai_artbench, read_ai_artbench
from artclf.data.sources.csv import read_csv
from artclf.data.sources.folder import has_labels, read_folder
from artclf.errors import ArtclfError

__all__ = ["has_labels", "read_any", "read_demo", "read_source", "require_source"]


def read_source(config: DataConfig) -> Manifest:
    """Make the manifest that a configuration asks for. Raises an ArtclfError as the source does."""
    match config.source:
        case "demo":
            assert config.demo is not None  # the schema requires it
            return read_demo(config.demo, config.root)
        case "ai_artbench":
            return read_ai_artbench(config.root or kaggle_ai_artbench() or "")
        case "folder":
            if is_ai_artbench(root := Path(config.root or "").expanduser()) and not has_labels(root):
                raise ArtclfError(f"data.root={root}: is in AI-ArtBench's layout; type data=ai_artbench")
            return read_folder(root)
        case "csv":
            return read_csv(config.csv or "", config.root)


def require_source(config: DataConfig) -> None:
    """Raise the ArtclfError of a source whose file or folder is not there, before weights are fetched."""
    place = config.csv if config.source == "csv" else config.root
    if config.source != "demo" and place and not Path(place).expanduser().exists():
        read_source(config)


def read_demo(demo: DemoConfig, root: str | None = None) -> Manifest:
    """List the demo images, drawn where they do not exist yet: in `root`, or in a folder of their own in the cache."""
    name = f"{VERSION}_{demo.size}px_{demo.train_per_folder}+{demo.test_per_folder}_seed{demo.seed}"
    name += f"_{demo.shortcut}" if demo.shortcut else ""
    return read_ai_artbench(draw_demo(root or cache_folder() / "demo" / name, **demo.model_dump()))


def read_any(path: str | Path) -> Manifest:
    """List the images at a path: a CSV file, a folder in the folder layout, or AI-ArtBench or a folder above it.

    Raises:
        ArtclfError: where there is none of these, and as the source does.
    """
    top = Path(path).expanduser()
    if top.is_file() and top.suffix.lower() in (".csv", ".tsv"):
        return read_csv(top)
    if has_labels(top):
        return read_folder(top)
    if top.is_dir() and is_ai_artbench(top):
        return read_ai_artbench(top)
    problem = "holds none of the layouts that artclf knows" if top.exists() else f"does not exist (looked in {Path.cwd()})"
    raise ArtclfError(
        f"{path}: {problem}; allowed: a folder with [train/](ai|human)/…, one with {FOLDER}/train/STYLE/… and AI_SD_STYLE/…, "
        "or a CSV file with the columns path,label and, if wanted, generator,style,split,source,year"
    )
