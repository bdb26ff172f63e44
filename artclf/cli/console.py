"""What commands share: options, exit codes, the images that are named, the folder to write to. Loads nothing heavy."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from artclf.config import CONF
from artclf.data.files import MOST_PIXELS
from artclf.errors import ArtclfError, boundary
from artclf.run_folder import run_lock

if TYPE_CHECKING:
    import pandas as pd

    from artclf.data.manifest import Manifest

MOST_LINES = 20  # unreadable files named in the terminal
DEMO, AI_ARTBENCH = "demo", "ai_artbench"
DEMO_SETTINGS = CONF / "data" / "demo.yaml"

Run = Annotated[Path, typer.Argument(help="A run folder, the file of a model, or hub:OWNER/NAME.")]
Precision = Annotated[
    Literal["auto", "32-true", "bf16-mixed", "16-mixed"],
    typer.Option(help="What to compute in. auto: what the run was tested in or, where that is slow here, what is fast."),
]
MaxPixels = Annotated[
    int, typer.Option(min=1, max=MOST_PIXELS, help="An image with more is refused; a large JPEG is decoded smaller instead.")
]
To = Annotated[Path | None, typer.Option(file_okay=False, help="The folder to write to.", show_default="one in outputs/")]


class Commands(TyperGroup):
    """Commands that return how many images failed.

    Exit codes: 0 without failures, 1 with some, 2 after what the user or the machine got wrong (a line on stderr says what),
    130 after Ctrl-C, 143 after SIGTERM.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run a command, and end with its exit code."""
        with boundary("another --to"):
            failed = super().invoke(ctx)
        raise typer.Exit(1 if failed else 0)


def command_line() -> str:
    """The command as it was typed, for reports."""
    return shlex.join(["artclf", *sys.argv[1:]])


def name_unreadable(unreadable: "pd.DataFrame", root: Path, listed: Path | None = None) -> int:
    """Print the first unreadable images on stderr, with reasons, and the file that lists all; return how many there are."""
    for path, reason in unreadable[["path", "reason"]].head(MOST_LINES).itertuples(index=False):
        typer.echo(f"error: {root / path}: {reason}", err=True)
    if len(unreadable) > MOST_LINES:
        typer.echo(f"error: and {len(unreadable) - MOST_LINES:,} more{f', all in {listed}' if listed else ''}", err=True)
    return len(unreadable)


def read_images(what: str) -> "Manifest":
    """List the images of a source by its name, or of a path. ArtclfError as for `read_any`, and where a source is not there."""
    import yaml  # noqa: PLC0415 (`artclf --help` stays quick)

    from artclf.config.schema import DemoConfig  # noqa: PLC0415 (so too)
    from artclf.data.sources import read_any, read_demo  # noqa: PLC0415
    from artclf.data.sources.ai_artbench import read_ai_artbench  # noqa: PLC0415

    if what == DEMO:
        return read_demo(DemoConfig.model_validate(yaml.safe_load(DEMO_SETTINGS.read_text(encoding="utf-8"))["demo"]))
    return read_ai_artbench(fetched_ai_artbench()) if what == AI_ARTBENCH else read_any(what)


def fetched_ai_artbench() -> Path:
    """The folder of AI-ArtBench as `artclf data fetch` has downloaded it. ArtclfError where it is not there as a whole."""
    from artclf.cache.folder import kaggle_ai_artbench, kaggle_cache  # noqa: PLC0415 (as above)

    if (folder := kaggle_ai_artbench()) is not None:
        return folder
    place = kaggle_cache()
    raise ArtclfError(f"{AI_ARTBENCH}: is not (wholly) in {place}; type artclf data fetch {AI_ARTBENCH}, or give a FOLDER")


def require_images(number: int, paths: Sequence[Path]) -> None:
    """Raise an ArtclfError where the paths that were typed, all of them folders, stand for no image."""
    if not number:
        raise ArtclfError(f"{' '.join(map(str, paths))}: holds no image; give files, or a folder that holds some")


def name_of(what: str) -> str:
    """A short name for a data set, after which folders are named."""
    path = Path(what).expanduser().resolve()
    return path.name if path.is_dir() else path.stem


@contextmanager
def output_folder(to: Path | None, command: str, *, name: str | None = None) -> Iterator[Path]:
    """Make a folder to write to, and keep other commands out of it; what was made goes again after an error, if it is empty.

    It is `to`, or outputs/COMMAND/NAME, where the date and time stand for a missing name; a number follows where another
    command has that folder already.
    """
    first = to or Path("outputs", command, name or f"{datetime.now():%Y-%m-%d_%H-%M-%S}")
    there = [above for above in (first, *first.parents) if above.exists()]
    for folder in chain([first], (first.with_name(f"{first.name}_{number}") for number in count(2))):
        with suppress(FileExistsError):
            folder.mkdir(parents=True, exist_ok=to is not None)  # who makes it, has it
            break
    try:
        with run_lock(folder):
            yield folder
    except BaseException:
        with suppress(OSError):  # what is not empty stays
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
