"""What a run folder holds: the names of its files, how they are written and read, and the outcome of its run."""

import json
import logging
import os
import reprlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from artclf.errors import ArtclfError, reason_of
from artclf.runtime import is_main_process

if TYPE_CHECKING:
    import pandas as pd
    from omegaconf import DictConfig
    from pydantic import ValidationError

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
JOURNAL_FILE = "sweep.journal"  # in the folder of a search: what Optuna knows of its trials
MULTIRUN_FILE = "multirun.yaml"  # in the folder of a multirun: Hydra's record of what was typed
MOST_BYTES = 2**30  # of a file that is read as a whole; a table of a million images has a tenth
DAMAGED_TABLE = "run the training or the evaluation again"


class Metrics(TypedDict, total=False):
    """The parts of metrics.json, of a run or an evaluation, that are looked into; each may be missing."""

    splits: dict[str, dict[str, str | float | dict[str, Any] | None]]
    best: dict[str, str | float | None]
    model: dict[str, str | int | None]
    data: dict[str, Any]
    stages: list[dict[str, str | float | None]] | None
    balance: dict[str, Any]
    versions: dict[str, str]
    fallbacks: list[str]
    seconds: float
    guarantees: list[dict[str, Any]]
    evaluation: dict[str, Any]
    decision_rule: dict[str, Any]
    calibration: dict[str, Any]
    operating_points: list[dict[str, Any]]
    canonical_comparison: dict[str, Any] | None


class PrunedRun(TypedDict):
    """What pruned.json holds, of a run that a search has stopped."""

    reason: str
    value: float
    seconds: float


_OUTPUTS = {MULTIRUN_FILE, JOURNAL_FILE, "predictions.csv", "audit.json", "dataset.html", "comparison.html"}


def is_output(names: Iterable[str]) -> bool:
    """Whether files of these names make a folder one that artclf has written: a run, a multirun, an evaluation or a page."""
    found = set(names)
    return not found.isdisjoint(_OUTPUTS) or {CONFIG_FILE, "train.log"} <= found


def read_metrics(run: Path, shape: Any = Metrics) -> dict[str, Any]:
    """Read a run's metrics.json. ArtclfError where it is missing (the run has not finished) or is not what a run writes."""
    metrics = read_json(run / METRICS_FILE, "run the training again", shape)
    if metrics is None:
        raise ArtclfError(f"{run}: no metrics.json in this folder; give the folder of a run that has finished")
    return dict(metrics)


def read_pruned(run: Path) -> PrunedRun | None:
    """Read a run's pruned.json; None where no search has stopped it. ArtclfError where it is not what a search writes."""
    found: PrunedRun | None = read_json(run / PRUNED_FILE, "run the search again", PrunedRun)
    return found


def read_text(file: Path, remedy: str) -> str | None:
    """Read a text file; None where there is none. ArtclfError, with what to do (`remedy`), where it is no text, or huge."""
    if not file.exists():
        return None
    if not file.is_file():
        raise ArtclfError(f"{file}: is no file; {remedy}")
    if file.stat().st_size > MOST_BYTES:
        raise ArtclfError(f"{file}: has {file.stat().st_size:,} bytes; a run's files have {MOST_BYTES:,} at most; {remedy}")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ArtclfError(f"{file}: is no text ({error.reason} at byte {error.start:,}); {remedy}") from error


def read_json(file: Path, remedy: str, shape: Any) -> Any:
    """Read a JSON file of a shape (a type that pydantic can check); None where there is none.

    ArtclfError, with what to do (`remedy`), where it is no JSON, or has another shape; keys that a TypedDict does not name may
    hold anything.
    """
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 (`artclf --help` stays quick)
    from pydantic_core import from_json  # noqa: PLC0415

    text = read_text(file, remedy)
    if text is None:
        return None
    try:
        checked = TypeAdapter(shape).validate_json(text, strict=True)
        return from_json(text) if isinstance(checked, dict) else checked  # keys that a TypedDict does not name, stay
    except ValidationError as error:
        wrong = "is no JSON" if error.errors()[0]["type"] == "json_invalid" else "is not what artclf writes"
        raise ArtclfError(f"{file}: {wrong} ({first_mismatch(error)}); {remedy}") from error


def first_mismatch(error: "ValidationError") -> str:
    """The first place where a file has another shape than pydantic was told: what is there, and what should be."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "value_error":  # raised in a schema, with the key and what was got
        return str(first["ctx"]["error"])
    place = f"{'.'.join(map(str, first['loc']))}: " if first["loc"] else ""
    return f"{place}got {reprlib.repr(first['input'])}; {first['msg'][0].lower()}{first['msg'][1:]}"


def read_yaml(file: Path, remedy: str) -> "DictConfig | None":
    """Read settings from a YAML file; None where there is none.

    ArtclfError where it holds anything else, or anchors, which a few lines can multiply to more than the memory holds.
    """
    import yaml  # noqa: PLC0415 (as above)
    from omegaconf import DictConfig, OmegaConf  # noqa: PLC0415
    from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415

    text = read_text(file, remedy)
    if text is None:
        return None
    try:
        if any(isinstance(token, yaml.AnchorToken) for token in yaml.scan(text, Loader=yaml.CSafeLoader)):
            raise ValueError("it has anchors (&)")
        kept = OmegaConf.create(text)
        if not isinstance(kept, DictConfig) or not len(kept):
            raise ValueError("there must be settings")
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, RecursionError, AssertionError) as error:
        raise ArtclfError(f"{file}: is not what a run writes: {reason_of(error)}; {remedy}") from error
    return kept


def read_table(path: Path, text: tuple[str, ...] = (), numbers: tuple[str, ...] = ()) -> "pd.DataFrame | None":
    """Read a run's CSV file; None if it is missing or empty. ArtclfError if it lacks one of these columns, or numbers are none.

    Columns of numbers are float, NaN where a cell is empty; all others stay text, a generator called NA as well.
    """
    import pandas as pd  # noqa: PLC0415 (`python train.py --help` stays quick)

    content = read_text(path, DAMAGED_TABLE) or ""
    if not content.strip():
        return None
    try:
        table = pd.read_csv(StringIO(content), dtype=str, keep_default_na=False)
    except (ValueError, pd.errors.ParserError) as error:
        raise ArtclfError(f"{path}: is no table ({reason_of(error)}); {DAMAGED_TABLE}") from error
    missing = [name for name in (*text, *numbers) if name not in table.columns]
    if missing:
        raise ArtclfError(f"{path}: has no column {', '.join(missing)}; got {', '.join(map(str, table.columns))[:200]}")
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


def write_json(file: Path, content: Any) -> None:
    """Write a JSON file, in place of an older one. Numbers that JSON does not have (NaN, infinity) raise a ValueError."""
    write_text(file, as_json(content))


def write_table(file: Path, table: "pd.DataFrame", float_format: str | None = None) -> None:
    """Write a table as CSV, in place of an older file."""
    write_text(file, table.to_csv(index=False, lineterminator="\n", float_format=float_format))


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
    except BaseException as error:
        with suppress(OSError):  # not the reason
            new.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(new)):
            error.filename = str(file)  # a full disk's error names no file
        raise


@contextmanager
def run_lock(run: Path) -> Iterator[list[str]]:
    """Keep other processes out of a run folder; of several processes of one run, the first one locks it.

    Yields a line for metrics.json if the file system has no locks. ArtclfError if another process is using the folder.
    """
    fallbacks: list[str] = []
    if not is_main_process():
        yield fallbacks
        return
    run.mkdir(parents=True, exist_ok=True)
    with locked(run / ".lock", f"{run}: another process is using this run folder; wait until it ends, or stop it") as held:
        if not held:
            fallbacks.append(f"{run}: this file system has no locks: make sure that no other process uses this folder")
            log.warning("%s", fallbacks[0])
        yield fallbacks


@contextmanager
def locked(file: Path, otherwise: str) -> Iterator[bool]:
    """Hold a lock file; yields whether the file system has locks. ArtclfError, `otherwise`, if another process holds it."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 (loads asyncio)

    lock, held = FileLock(file), True  # released by the system, however the process ends
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise ArtclfError(otherwise) from error
    except NotImplementedError:
        held = False
    try:
        yield held
    finally:
        lock.release()
        file.unlink(missing_ok=True)


@dataclass(frozen=True)
class Outcome:
    """How a run ended, if it did."""

    state: Literal["finished", "failed", "pruned", "unfinished"]  # unfinished: not begun, running, or interrupted
    reason: str = ""  # why it has not finished


def holds_run(folder: Path) -> bool:
    """Whether a folder must be kept: it has a config.yaml, and not from a run that ended before it trained."""
    trained = any((folder / name).exists() for name in (EPOCHS_FILE, METRICS_FILE, PRUNED_FILE))
    kept = trained or any((folder / CHECKPOINTS).glob("*")) or not (folder / PROGRESS_FILE).exists()
    return kept and (folder / CONFIG_FILE).exists()


def is_finished(run: Path) -> bool:
    """Whether a run has written everything, whatever an earlier or later attempt has left."""
    return (run / METRICS_FILE).is_file() and not (run / PROGRESS_FILE).exists()


def outcome_of(run: Path) -> Outcome:
    """The outcome of a run, by the files in its folder."""
    if (run / ERROR_FILE).is_file():
        return Outcome("failed", (run / ERROR_FILE).read_text(encoding="utf-8", errors="replace").strip())
    if (pruned := read_pruned(run)) is not None:
        return Outcome("pruned", pruned["reason"])
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
