"""`+holdout=generator`: a run for each generator (or style) left out of training, one by one, and a page of them all.

The runs share decoded pixels and what frozen layers give by way of the cache, since their pictures are the same.
"""

import logging
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from artclf.config.check import quoted, resume_command
from artclf.config.schema import Config
from artclf.data.holdout import NothingToTest, to_leave_out
from artclf.data.sources import read_source
from artclf.errors import ArtclfError
from artclf.report import format as fmt
from artclf.report.holdout_page import Holdout, read_holdout, write_holdout
from artclf.run_folder import ERROR_FILE, PROGRESS_FILE, is_finished
from artclf.training.build import mistakes
from artclf.training.experiment import run
from artclf.training.resume import alone, begin, read_config

log = logging.getLogger(__name__)

_LONGEST = 80  # letters of a folder's name
_NO_TEXT = ("true", "false", "null", "nan", "inf")  # what Hydra reads as something else


@dataclass(frozen=True)
class Child:
    """The run that leaves one generator or style out.

    Attributes:
        leave: its name.
        folder: the run folder, in that of all of them.
        composed: the configuration.
        command: the command line that trains this run alone.
    """

    leave: str
    folder: Path
    composed: DictConfig
    command: str


def leaves_each_out(composed: DictConfig, folder: Path) -> bool:
    """Tell whether a run for each generator or style is asked for, and not one run; with `resume`, by what was asked then."""
    if composed.resume.folder is not None and (folder / "config.yaml").is_file():
        composed = read_config(folder)
    holdout = composed.get("holdout")
    return isinstance(holdout, DictConfig) and holdout.get("leave") is None


def run_each(composed: DictConfig, folder: Path, command: str, fallbacks: Sequence[str] = ()) -> Holdout:
    """Train a run for each generator (or style) left out, in a subfolder each, and write holdout.html.

    A run that fails is listed, leaves error.txt, and the others go on. With `resume`, runs that have finished stay as they
    are, and one that was interrupted, or has failed, goes on.

    Args:
        composed: what Hydra composed, as for `experiment.run`; its holdout.leave is null.
        folder: of all the runs.
        command: the command line.
        fallbacks: what its surroundings do otherwise than they should.

    Returns:
        What the page tells; its `failed` names the runs that did not finish.

    Raises:
        ArtclfError: where the configuration is wrong, there are fewer than two to leave out in turn, or no run finished;
            KeyboardInterrupt where the user stopped it.
    """
    config, progress = begin(folder, composed, command, mistakes)
    assert config.holdout is not None  # by `leaves_each_out`
    by = config.holdout.by
    names, aside = to_leave_out(read_source(config.data).table, by)
    for name, reason in aside.items():
        log.warning("%s %s is not left out: %s", by, name, reason)
    children = children_of(config, folder, progress.command, names)
    failed: dict[str, str] = {}
    for number, child in enumerate(children, 1):
        if is_finished(child.folder):
            log.info("%s %s (%d of %d): its run has finished", by, child.leave, number, len(children))
            continue
        log.info("%s %s (%d of %d) is left out in %s", by, child.leave, number, len(children), child.folder)
        try:
            _run(child, fallbacks, trust=composed.resume.trust)
        except NothingToTest as nothing:
            log.warning("%s %s is not left out: %s", by, child.leave, nothing)
            aside[child.leave] = "it has no test pictures"
        except ArtclfError as error:
            for line in str(error).splitlines():
                log.error("%s", line)
            failed[child.leave] = str(error)
        except Exception as error:
            log.exception("this run failed; the others go on")
            failed[child.leave] = f"{type(error).__name__}: {error}"
        if child.leave in failed:
            child.folder.mkdir(exist_ok=True)
            (child.folder / ERROR_FILE).write_text(failed[child.leave], encoding="utf-8")
    finished = {child.leave: child.folder for child in children if is_finished(child.folder)}
    holdout = read_holdout(finished, by, progress.command, failed, aside)
    write_holdout(folder, holdout)
    if failed:
        log.error(
            "%d of %d runs failed: %s; to try them again: %s",
            len(failed),
            len(children),
            ", ".join(failed),
            resume_command(folder),
        )
    else:
        (folder / PROGRESS_FILE).unlink()
    return holdout


def tell(holdout: Holdout, folder: Path) -> None:
    """Print a row for each generator or style, what it says in words, and where the page lies."""
    title = f"works whose {holdout.by} was never seen (in brackets: by networks that have)"
    table = Table(title=title, box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(holdout.by, overflow="fold")
    for column in ("AI", "found", "human\ncalled AI", "balanced", "AUROC"):
        table.add_column(column, justify="right", no_wrap=True)
    for result in holdout.results:
        cells = []
        for name in ("recall", "false_positive_rate", "balanced_accuracy", "auroc"):
            said = fmt.score if name == "auroc" else fmt.share
            seen = f" ({said(result.seen.estimates[name].value)})" if result.seen else ""
            cells.append(f"{said(result.unseen.estimates[name].value)}{seen}")
        table.add_row(escape(result.leave), fmt.count(result.unseen.ai), *cells)
    console = Console()
    console.print(table)
    if any(metrics["data"]["source"] == "demo" for metrics in holdout.metrics.values()):
        console.print("Demo pictures are drawn by artclf itself: these scores tell nothing about art.")
    for line in (f"run folders: {folder}", f"page:        {folder / 'holdout.html'}"):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def folder_names(names: Iterable[str]) -> dict[str, str]:
    """Return a name for a folder of each: letters, digits, dots and dashes alone, and no two that some disk takes for one."""
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


def children_of(config: Config, folder: Path, command: str, names: Sequence[str]) -> list[Child]:
    """Make the run for each generator or style out of the configuration of all of them.

    Args:
        config: of all of them.
        folder: of all the runs.
        command: the command line.
        names: what is left out in turn.
    """
    children = []
    for name, inside in folder_names(names).items():
        own = OmegaConf.create(config.model_dump(by_alias=True))
        own.holdout.leave = name
        own.resume = {"folder": None, "trust": False}
        plain = re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) and name.lower() not in _NO_TEXT
        word = f"holdout.leave={name if plain else quoted(name)}"
        children.append(Child(name, folder / inside, own, f"{command} {shlex.quote(word)}"))
    return children


def _run(child: Child, fallbacks: Sequence[str], *, trust: bool) -> None:
    composed = child.composed
    if (child.folder / "config.yaml").is_file():  # it was interrupted, or has failed
        composed = composed.copy()
        composed.resume = {"folder": str(child.folder), "trust": trust}
    with alone(child.folder) as own:
        run(composed, child.folder, child.command, [*fallbacks, *own])
    (child.folder / ERROR_FILE).unlink(missing_ok=True)
