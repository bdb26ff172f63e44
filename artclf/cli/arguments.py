"""What a command line names: images by a path or the name of a source, and a folder to write to."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import count
from pathlib import Path

import yaml

import artclf
from artclf.cache.folder import kaggle_ai_artbench, kaggle_cache
from artclf.config.schema import DemoConfig
from artclf.data.manifest import Manifest
from artclf.data.sources import read_any, read_demo
from artclf.data.sources.ai_artbench import read_ai_artbench
from artclf.errors import ArtclfError
from artclf.run_folder import run_lock

DEMO = "demo"
AI_ARTBENCH = "ai_artbench"
DEMO_SETTINGS = Path(artclf.__file__).parents[1] / "conf" / "data" / "demo.yaml"


def read_images(what: str) -> Manifest:
    """List the images of a source by its name, or of a path. ArtclfError as for `read_any`, and where a source is not there."""
    if what == DEMO:
        if not DEMO_SETTINGS.is_file():
            raise ArtclfError(f"{DEMO}: there is no {DEMO_SETTINGS}; install artclf from a checkout (pip install -e .)")
        return read_demo(DemoConfig.model_validate(yaml.safe_load(DEMO_SETTINGS.read_text(encoding="utf-8"))["demo"]))
    return read_ai_artbench(fetched_ai_artbench()) if what == AI_ARTBENCH else read_any(what)


def fetched_ai_artbench() -> Path:
    """The folder of AI-ArtBench as `artclf data fetch` has downloaded it. ArtclfError where it is not there as a whole."""
    folder = kaggle_ai_artbench()
    if folder is None:
        raise ArtclfError(
            f"{AI_ARTBENCH}: is not (wholly) in {kaggle_cache()}; type artclf data fetch {AI_ARTBENCH}, or give a FOLDER"
        )
    return folder


def name_of(what: str) -> str:
    """A short name for a data set, after which folders are named."""
    path = Path(what).expanduser().resolve()
    return path.name if path.is_dir() else path.stem


@contextmanager
def output_folder(to: Path | None, command: str, *, name: str | None = None) -> Iterator[Path]:
    """Make a folder to write to, and keep other commands out of it; one that is left empty goes again after an error.

    It is `to`, or outputs/COMMAND/NAME, where the date and time stand for a missing name; a number follows where another
    command has that folder already.
    """
    folder = to or Path("outputs", command, name or f"{datetime.now():%Y-%m-%d_%H-%M-%S}")
    first, there = folder, [above for above in (folder, *folder.parents) if above.exists()]
    for number in count(2):
        try:
            folder.mkdir(parents=True, exist_ok=to is not None)
            break
        except FileExistsError:
            if to is not None:
                raise
            folder = first.with_name(f"{first.name}_{number}")
    try:
        with run_lock(folder):
            yield folder
    except BaseException:
        with suppress(OSError):  # what was there before, or is not empty, stays
            for made in (folder, *folder.parents):
                if made not in there:
                    made.rmdir()
        raise


def require_writable(file: Path) -> None:
    """Raise an OSError now, and not after minutes of work, where a file can't be written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    probe = file.with_name(f"{file.name}.new")
    probe.touch()
    probe.unlink()
