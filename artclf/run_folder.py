"""What a run folder holds: the names of its files, how they are written and read, and the outcome of its run."""

import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from artclf.errors import ArtclfError
from artclf.runtime import is_main_process

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

CONFIG_FILE = "config.yaml"
MANIFEST_FILE = "manifest.csv"
EPOCHS_FILE = "metrics.csv"  # a row for each epoch
METRICS_FILE = "metrics.json"
REPORT_FILE = "report.html"
CHECKPOINTS = "checkpoints"  # the folder of best.ckpt, last.ckpt and each stage's
ERROR_FILE = "error.txt"  # in the folder of a run that failed
PRUNED_FILE = "pruned.json"  # in the folder of a run that a search has stopped
PROGRESS_FILE = "progress.json"  # in the folder of a run that has not finished
HOLDOUT_FILE = "holdout.json"  # in the folder of runs that left one generator or style out each
JOURNAL_FILE = "sweep.journal"  # in the folder of a search: what Optuna knows of its trials
MULTIRUN_FILE = "multirun.yaml"  # in the folder of a multirun: Hydra's record of what was typed

_OUTPUTS = {MULTIRUN_FILE, JOURNAL_FILE, "predictions.csv", "audit.json", "dataset.html", "comparison.html"}


def is_output(names: Iterable[str]) -> bool:
    """Whether files of these names make a folder one that artclf has written: a run, a multirun, an evaluation or a page."""
    found = set(names)
    return not found.isdisjoint(_OUTPUTS) or {CONFIG_FILE, "train.log"} <= found


def read_metrics(run: Path) -> dict[str, Any]:
    """Read a run's metrics.json. ArtclfError where it is missing (the run has not finished) or is not what a run writes."""
    metrics = read_json(run / METRICS_FILE, "run the training again")
    if metrics is None:
        raise ArtclfError(f"{run}: no metrics.json in this folder; give the folder of a run that has finished")
    if not isinstance(metrics, dict):
        raise ArtclfError(f"{run / METRICS_FILE}: got a {type(metrics).__name__}, a run writes an object")
    return metrics


def read_json(file: Path, remedy: str) -> Any:
    """Read a JSON file; None where there is none. ArtclfError, with what to do (`remedy`), where it is no JSON."""
    if not file.is_file():
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ArtclfError(f"{file}: is no JSON ({error}); {remedy}") from error


def read_table(path: Path, text: tuple[str, ...] = (), numbers: tuple[str, ...] = ()) -> "pd.DataFrame | None":
    """Read a run's CSV file; None if it is missing or empty. ArtclfError if it lacks one of these columns, or numbers are none.

    Columns of numbers are float, NaN where a cell is empty; all others stay text, a generator called NA as well.
    """
    import pandas as pd  # noqa: PLC0415 (`python train.py --help` stays quick)

    content = path.read_text(encoding="utf-8") if path.is_file() else ""
    if not content.strip():
        return None
    table = pd.read_csv(StringIO(content), dtype=str, keep_default_na=False)
    missing = [name for name in (*text, *numbers) if name not in table.columns]
    if missing:
        raise ArtclfError(f"{path}: has no column {', '.join(missing)}; got {', '.join(table.columns)}")
    for name in numbers:
        try:
            table[name] = pd.to_numeric(table[name].where(table[name] != "")).astype(float)
        except ValueError as error:
            raise ArtclfError(f"{path}: column {name} holds what is no number: {error}") from error
    return table


def as_json(content: Any) -> str:
    """The text of a JSON file. Numbers that JSON does not have (NaN, infinity) raise a ValueError."""
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_text(file: Path, text: str) -> None:
    """Write a text file, in place of an older one."""
    with replacing(file) as new:
        # a name that is not UTF-8 may be in it: JSON reads its escape as the same name
        new.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Yield another name to write a file under; at the end it takes the place of the older file, or goes after an error."""
    new = file.with_name(f"{file.name}.new")
    try:
        new.unlink(missing_ok=True)  # left by a process that was killed
        yield new
        with new.open("r+b") as written:  # Windows flushes only what is open for writing
            os.fsync(written.fileno())  # else a power cut may leave an empty file under the final name
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


@contextmanager
def run_lock(run: Path) -> Iterator[list[str]]:
    """Keep other processes out of a run folder; of several processes of one run, the first one locks it.

    Yields a line for metrics.json if the file system has no locks. ArtclfError if another process is using the folder.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415 (loads asyncio)

    fallbacks: list[str] = []
    if not is_main_process():
        yield fallbacks
        return
    run.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run / ".lock")  # released by the system, however the process ends
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise ArtclfError(f"{run}: another process is using this run folder; wait until it ends, or stop it") from error
    except NotImplementedError:
        fallbacks.append(f"{run}: this file system has no locks: make sure that no other process uses this folder")
        log.warning("%s", fallbacks[0])
    try:
        yield fallbacks
    finally:
        lock.release()
        (run / ".lock").unlink(missing_ok=True)


@dataclass(frozen=True)
class Outcome:
    """How a run ended, if it did."""

    state: Literal["finished", "failed", "pruned", "unfinished"]  # unfinished: not begun, running, or interrupted
    reason: str = ""  # why it has not finished


def has_trained(run: Path) -> bool:
    """Whether a run has left what took training; the folder of one that ended before may be taken for another."""
    return any((run / name).exists() for name in (EPOCHS_FILE, METRICS_FILE, PRUNED_FILE)) or any((run / CHECKPOINTS).glob("*"))


def is_finished(run: Path) -> bool:
    """Whether a run has written everything, whatever an earlier or later attempt has left."""
    return (run / METRICS_FILE).is_file() and not (run / PROGRESS_FILE).exists()


def outcome_of(run: Path) -> Outcome:
    """The outcome of a run, by the files in its folder."""
    if (run / ERROR_FILE).is_file():
        return Outcome("failed", (run / ERROR_FILE).read_text(encoding="utf-8").strip())
    if (run / PRUNED_FILE).is_file():
        return Outcome("pruned", str(read_json(run / PRUNED_FILE, "run the search again")["reason"]))
    if is_finished(run):
        return Outcome("finished")
    return Outcome("unfinished", f"it has not finished; resume={run} continues it")


def runs_of(multirun: Path) -> tuple[list[Path], dict[str, str]]:
    """Return the folders of a multirun's finished runs, by number, and name → reason of others; pruned runs are neither."""
    folders = {file.parent for name in (CONFIG_FILE, METRICS_FILE, ERROR_FILE) for file in multirun.glob(f"*/{name}")}
    ordered = sorted(folders, key=lambda run: (int(run.name) if run.name.isdigit() else 0, run.name))
    outcomes = {run: outcome_of(run) for run in ordered}
    finished = [run for run, outcome in outcomes.items() if outcome.state == "finished"]
    others = {run.name: outcome.reason for run, outcome in outcomes.items() if outcome.state in ("failed", "unfinished")}
    return finished, others
