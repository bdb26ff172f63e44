"""What a command line names: images by a path or the name of a source, and a folder to write to."""

from pathlib import Path

from omegaconf import OmegaConf

import artclf
from artclf.cache.folder import kaggle_ai_artbench, kaggle_cache
from artclf.config.schema import DemoConfig
from artclf.data.manifest import Manifest
from artclf.data.sources import has_labels, read_any, read_demo
from artclf.data.sources.ai_artbench import read_ai_artbench
from artclf.errors import ArtclfError

DEMO = "demo"
AI_ARTBENCH = "ai_artbench"
DEMO_SETTINGS = Path(artclf.__file__).parents[1] / "conf" / "data" / "demo.yaml"


def read_images(what: str) -> Manifest:
    """List the images of a source by its name, or of a path. ArtclfError as for `read_any`, and where a source is not there."""
    if what == DEMO:
        if not DEMO_SETTINGS.is_file():
            raise ArtclfError(
                f"{DEMO}: its settings should be in {DEMO_SETTINGS}; install artclf from a checkout (pip install -e .), or "
                "give the folder of the drawn images"
            )
        return read_demo(DemoConfig.model_validate(OmegaConf.to_container(OmegaConf.load(DEMO_SETTINGS).demo)))
    if what == AI_ARTBENCH:
        fetched = kaggle_ai_artbench()
        if fetched is None:
            raise ArtclfError(
                f"{AI_ARTBENCH}: is not (or not wholly) in {kaggle_cache()}; type artclf data fetch {AI_ARTBENCH}, or give the "
                "FOLDER that holds it"
            )
        return read_ai_artbench(fetched)
    return read_any(what)


def name_of(what: str) -> str:
    """A short name for a data set, after which folders are named."""
    path = Path(what).expanduser().resolve()
    return what if what in {DEMO, AI_ARTBENCH} else path.name if path.is_dir() else path.stem


def output_folder(folder: Path, data: Path, *, empty: bool = False) -> Path:
    """Refuse a folder that is a file, that lies among images and would be taken for a split, or that has to be empty."""
    if folder.exists() and not folder.is_dir():
        raise ArtclfError(f"--to {folder}: is a file; give a folder")
    if has_labels(data) and folder.resolve().is_relative_to(data):
        raise ArtclfError(f"--to {folder}: lies in the folder of the images ({data}); give --to FOLDER outside of it")
    if empty and folder.exists() and any(folder.iterdir()):
        raise ArtclfError(f"--to {folder}: is not empty; give a new folder")
    return folder
