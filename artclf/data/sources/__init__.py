"""Where a manifest comes from, one file each."""

from artclf import __version__
from artclf.cache import cache_folder, kaggle_ai_artbench
from artclf.config import DataConfig
from artclf.data.manifest import Manifest
from artclf.data.sources.ai_artbench import read_ai_artbench
from artclf.data.sources.csv import read_csv
from artclf.data.sources.demo import draw_demo
from artclf.data.sources.folder import read_folder


def read_source(config: DataConfig) -> Manifest:
    """Make the manifest that a configuration asks for; the demo pictures are drawn where they are not there yet.

    Raises:
        ArtclfError: as the source does.
    """
    match config.source:
        case "demo":
            return read_ai_artbench(_drawn(config))
        case "ai_artbench":
            return read_ai_artbench(config.root or kaggle_ai_artbench() or "")
        case "folder":
            return read_folder(config.root or "")
        case "csv":
            return read_csv(config.csv or "", config.root)


def _drawn(config: DataConfig) -> str:
    demo = config.demo
    assert demo is not None  # the schema sees to it
    # another version may draw otherwise
    name = f"{__version__}_{demo.size}px_{demo.train_per_folder}+{demo.test_per_folder}_seed{demo.seed}"
    root = cache_folder() / "demo" / name if config.root is None else config.root
    return str(
        draw_demo(
            root,
            seed=demo.seed,
            size=demo.size,
            train_per_folder=demo.train_per_folder,
            test_per_folder=demo.test_per_folder,
        )
    )
