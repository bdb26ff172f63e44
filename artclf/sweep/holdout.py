"""`+holdout=generator`: a job for each generator (style, source, period) left out of training, and one page about all of them.

The runs share decoded pixels and frozen features by way of the cache, since their images are the same.
"""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from artclf.config.command import command_of, quoted
from artclf.config.schema import Config
from artclf.data.holdout import holdout_names
from artclf.data.sources import read_source
from artclf.report.holdout_page import Holdout, write_holdout
from artclf.report.terminal import rows_table, screen
from artclf.run_folder import outcome_of

log = logging.getLogger(__name__)

_LONGEST = 80  # letters of a folder's name


def leave_each_out(
    config: Config, folder: Path, words: Sequence[str], launch: Callable[[list[list[str]], int], Any]
) -> Holdout:
    """Train a run for each generator (style, source, period) left out, in a subfolder each, and write holdout.html.

    Args:
        config: of all the runs; its holdout.leave is None.
        folder: of all the runs.
        words: the overrides that were typed.
        launch: runs jobs: the overrides of each, and the number of the first.

    Returns:
        What the page shows; its `failed` names the runs that did not finish.

    Raises:
        ArtclfError: where there is nothing to leave out, or no run finished.
    """
    assert config.holdout is not None
    by = config.holdout.by
    names, skipped = holdout_names(read_source(config.data).table, by)
    runs = {name: folder / inside for name, inside in folder_names(names).items()}
    launch([job_overrides(words, name, run) for name, run in runs.items()], 0)
    outcomes = {name: outcome_of(run) for name, run in runs.items()}
    finished = {name: runs[name] for name, outcome in outcomes.items() if outcome.state == "finished"}
    failed = {name: outcome.reason for name, outcome in outcomes.items() if name not in finished}
    for name, reason in skipped.items():
        log.warning("%s %s is not left out: %s", by, name, reason)
    holdout = write_holdout(folder, finished, by, command_of(words), failed, skipped)
    if failed:
        again = command_of([*words, f"hydra.run.dir={quoted(str(folder))}"])
        log.error("%d of %d runs failed: %s; to try them again: %s", len(failed), len(runs), ", ".join(failed), again)
    return holdout


def print_holdout(holdout: Holdout, folder: Path) -> None:
    """Print what runs found of what they were not trained on, and where the page is."""
    if holdout.demo:
        screen().print("Demo images are drawn by artclf itself: these scores say nothing about art.")
    title = f"all images of each {holdout.by}, by a network that was not trained on it"
    screen().print(rows_table(title, holdout.by, [row for row in holdout.rows if row.images == "unseen"]))
    for line in [*holdout.sentences, f"run folders: {folder}", f"page:        {folder / 'holdout.html'}"]:
        screen().print(line)


def folder_names(names: Iterable[str]) -> dict[str, str]:
    """Return a folder's name for each: letters, digits, dots and dashes, and no two that differ in case alone."""
    folders: dict[str, str] = {}
    for name in names:
        folder = re.sub(r"[^\w.-]+", "_", name).strip("._")[:_LONGEST] or "unnamed"
        while folder.casefold() in map(str.casefold, folders.values()):
            folder += "_"
        folders[name] = folder
    return folders


def job_overrides(words: Sequence[str], name: str, run: Path) -> list[str]:
    """The overrides of the job that leaves one out."""
    own = {"holdout.leave": name, "hydra.sweep.dir": str(run.parent), "hydra.sweep.subdir": run.name}
    return [*words, *(f"{key}={quoted(value)}" for key, value in own.items())]
