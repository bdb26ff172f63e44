"""`artclf data show`: what a data set holds, as a table in the terminal and as a page."""

from pathlib import Path

from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table
from rich.text import Text

import artclf
from artclf.cache.folder import kaggle_ai_artbench, kaggle_cache
from artclf.config.schema import DemoConfig
from artclf.data.facts import DEFAULT_SAMPLE, Survey, survey_files
from artclf.data.manifest import Manifest
from artclf.data.sources import has_labels, read_any, read_demo
from artclf.data.sources.ai_artbench import read_ai_artbench
from artclf.errors import ArtclfError
from artclf.evaluation.shortcuts import find_shortcuts
from artclf.report.data_page import describe, headline, warn_of_shortcuts, write_dataset
from artclf.report.figures.data import count_pictures

DEMO = "demo"
AI_ARTBENCH = "ai_artbench"
_MOST_LINES = 20  # unreadable files named in the terminal

_DEMO_SETTINGS = Path(artclf.__file__).parents[1] / "conf" / "data" / "demo.yaml"


def show_data(what: str, to: Path | None, *, sample: int | None, read_all: bool, seed: int) -> int:
    """Look at a data set, print the counts, and write the page.

    Args:
        what: a path as for `read_any`, or the name of a source: `demo`, `ai_artbench`.
        to: the folder of the page; None for outputs/data/NAME.
        sample: how many files are read; None for 5,000.
        read_all: read every file.
        seed: of the sample.

    Returns:
        How many of the files that were opened can't be read.

    Raises:
        ArtclfError: where nothing can be listed there, and for a sample of all files.
    """
    if read_all and sample is not None:
        raise ArtclfError(f"--all and --sample {sample}: got both; --all reads every file, --sample N only N of them")
    manifest = read_source_or_path(what)
    path = Path(what).expanduser().resolve()
    name = what if what in {DEMO, AI_ARTBENCH} else path.name if path.is_dir() else path.stem
    folder = free_folder(to or Path("outputs") / "data" / name, path)
    survey = survey_files(manifest, sample=None if read_all else sample or DEFAULT_SAMPLE, seed=seed)
    page, survey = write_dataset(folder, survey, name=name, seed=seed, demo=what == DEMO)
    _print(survey, seed, page)
    return len(survey.unreadable)


def read_source_or_path(what: str, command: str = "data show") -> Manifest:
    """List the pictures of a source by its name, or of a path.

    Args:
        what: the name or the path.
        command: that was typed, for the message.

    Raises:
        ArtclfError: as `read_any`, and where a source can't be found by its name alone.
    """
    if what == DEMO:
        return read_demo(_demo_settings())
    if what == AI_ARTBENCH:
        fetched = kaggle_ai_artbench()
        if fetched is None:
            raise ArtclfError(
                f"{AI_ARTBENCH}: is not (or not wholly) in {kaggle_cache()}; type artclf data fetch {AI_ARTBENCH}, or where it "
                f"lies: artclf {command} FOLDER"
            )
        return read_ai_artbench(fetched)
    return read_any(what)


def free_folder(folder: Path, data: Path) -> Path:
    """Refuse a folder that is a file, or that lies among pictures and would be taken for a split of them the next time."""
    if folder.exists() and not folder.is_dir():
        raise ArtclfError(f"--to {folder}: is a file; give a folder for the page and its figures")
    if has_labels(data) and folder.resolve().is_relative_to(data):
        raise ArtclfError(f"--to {folder}: lies in the folder of the pictures ({data}); give --to FOLDER outside of it")
    return folder


def _demo_settings() -> DemoConfig:
    """The demo pictures as training draws them unless told otherwise."""
    if not _DEMO_SETTINGS.is_file():
        raise ArtclfError(
            f"{DEMO}: its settings should be in {_DEMO_SETTINGS}; install artclf from a checkout (pip install -e .), or give "
            "the folder of the drawn pictures"
        )
    return DemoConfig.model_validate(OmegaConf.to_container(OmegaConf.load(_DEMO_SETTINGS).demo))


def _print(survey: Survey, seed: int, page: Path) -> None:
    screen = Console(highlight=False, soft_wrap=True)
    counts = count_pictures(survey.manifest.table)
    table = Table(title=headline(survey), title_justify="left")
    for heading in ("split", "made by", "generator"):
        table.add_column(heading, overflow="fold")
    table.add_column("pictures", justify="right", no_wrap=True)
    for split in counts.columns.drop("together"):
        held = counts.loc[counts[split] > 0, split].reset_index(name="number")
        last = len(held) - 1
        for place, (label, generator, number) in enumerate(zip(held["label"], held["generator"], held["number"], strict=True)):
            name = (split or "none given") if place == 0 else ""
            who, which = ("people", "") if label == "human" else ("AI", generator)
            # as texts: a name in square brackets is no markup
            table.add_row(Text(name), who, Text(which), f"{number:,}", end_section=place == last)
    table.add_row("together", "", "", f"{counts['together'].sum():,}")
    screen.print(table)
    screen.print(describe(survey, seed)[1], markup=False)
    screen.print(warn_of_shortcuts(survey, find_shortcuts(survey.facts)), markup=False)
    name_unreadable(survey, page.parent)
    screen.print(f"page: {page}", markup=False)


def name_unreadable(survey: Survey, folder: Path) -> None:
    """Print the first files that can't be read on stderr; `folder` holds unreadable.csv with all of them."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    named = survey.unreadable.head(_MOST_LINES)
    for path, reason in zip(named["path"], named["reason"], strict=True):
        errors.print(f"error: {survey.manifest.root / path}: {reason}", markup=False)
    if len(survey.unreadable) > _MOST_LINES:
        errors.print(
            f"error: and {len(survey.unreadable) - _MOST_LINES:,} more, all in {folder / 'unreadable.csv'}", markup=False
        )
