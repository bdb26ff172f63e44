"""`+holdout=generator`: a job for each generator (or style) left out of training, and one page about all of them.

The runs share decoded pixels and frozen features by way of the cache, since their images are the same.
"""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from artclf.config.command import command_of, quoted
from artclf.config.schema import Config
from artclf.data.holdout import NO_TEST_IMAGES, to_leave_out
from artclf.data.sources import read_source
from artclf.report import format as fmt
from artclf.report.holdout_page import Holdout, read_holdout, write_holdout
from artclf.run_folder import outcome_of

log = logging.getLogger(__name__)

_LONGEST = 80  # letters of a folder's name
_NO_TEXT = ("true", "false", "null", "nan", "inf")  # what Hydra reads as something else


def leave_each_out(
    config: Config, folder: Path, words: Sequence[str], launch: Callable[[list[list[str]], int], Any]
) -> Holdout:
    """Train a run for each generator (or style) left out, in a subfolder each, and write holdout.html.

    Args:
        config: of all the runs; its holdout.leave is None.
        folder: of all the runs.
        words: the overrides that were typed.
        launch: runs jobs: the overrides of each, and the number of the first.

    Returns:
        What the page shows; its `failed` names the runs that did not finish.

    Raises:
        ArtclfError: where there are fewer than two to leave out in turn, or no run finished.
    """
    assert config.holdout is not None
    by = config.holdout.by
    names, aside = to_leave_out(read_source(config.data).table, by)
    folders = {name: folder / inside for name, inside in folder_names(names).items()}
    launch([job_words(words, name, run) for name, run in folders.items()], 0)
    finished: dict[str, Path] = {}
    failed: dict[str, str] = {}
    for name, run in folders.items():
        outcome = outcome_of(run)
        if outcome.state == "finished":
            finished[name] = run
        elif NO_TEST_IMAGES in outcome.reason:
            aside[name] = f"it {NO_TEST_IMAGES}"
        else:
            failed[name] = outcome.reason
    for name, reason in aside.items():
        log.warning("%s %s is not left out: %s", by, name, reason)
    holdout = read_holdout(finished, by, command_of(words), failed, aside)
    write_holdout(folder, holdout)
    if failed:
        again = command_of([*words, f"hydra.run.dir={quoted(str(folder))}"])
        log.error("%d of %d runs failed: %s; to try them again: %s", len(failed), len(folders), ", ".join(failed), again)
    return holdout


def print_holdout(holdout: Holdout, folder: Path) -> None:
    """Print a row for each generator or style, and where the page is."""
    title = f"images of each {holdout.by} by a network not trained on it (in brackets: by those that were)"
    table = Table(title=title, box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(holdout.by, overflow="fold")
    for column in ("AI", "found", "human\ncalled AI", "balanced", "AUROC"):
        table.add_column(column, justify="right", no_wrap=True)
    for result in holdout.results:
        cells = []
        for name in ("recall", "false_positive_rate", "balanced_accuracy", "auroc"):
            text = fmt.score if name == "auroc" else fmt.share
            seen = f" ({text(result.seen.estimates[name].value)})" if result.seen else ""
            cells.append(f"{text(result.unseen.estimates[name].value)}{seen}")
        table.add_row(escape(result.leave), fmt.count(result.unseen.ai), *cells)
    lines = [f"run folders: {folder}", f"page:        {folder / 'holdout.html'}"]
    if any(metrics["data"]["source"] == "demo" for metrics in holdout.metrics.values()):
        lines.insert(0, "Demo images are drawn by artclf itself: these scores say nothing about art.")
    console = Console()
    console.print(table)
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def folder_names(names: Iterable[str]) -> dict[str, str]:
    """Return a folder's name for each: letters, digits, dots and dashes, and no two that differ in case alone."""
    folders: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r"[^\w.-]+", "_", name).strip("._")[:_LONGEST] or "unnamed"
        folder, number = plain, 1
        while folder.casefold() in taken:
            number += 1
            folder = f"{plain}_{number}"
        taken.add(folder.casefold())
        folders[name] = folder
    return folders


def job_words(words: Sequence[str], name: str, run: Path) -> list[str]:
    """The overrides of the job that leaves one out."""
    plain = re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) and name.lower() not in _NO_TEXT
    leave = f"holdout.leave={name if plain else quoted(name)}"
    return [*words, leave, f"hydra.sweep.dir={quoted(str(run.parent))}", f"hydra.sweep.subdir={quoted(run.name)}"]
