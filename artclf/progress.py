"""How far a run has come: what it needs to know to go on after an interruption as if there had been none."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from artclf.errors import ArtclfError
from artclf.report.multirun_folder import PROGRESS_FILE, PRUNED_FILE, is_finished, is_finished_holdout
from artclf.resuming import resume_command
from artclf.stages import StageRecord, is_main_process
from artclf.writing import write_text

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """What a run had found out and finished.

    Attributes:
        command: the command line that began it.
        cwd: the folder in which that was typed: relative paths in its configuration start there.
        weights: where the backbone's weights came from; the same are asked for again. None until that is known, as the next.
        fallback: why ImageNet weights could not be had.
        precision: with which it computes.
        manifest_sha256: of the manifest's table.
        versions: of the packages that figures depend on.
        stages: records of the finished stages.
        seconds: spent until the last of these was written.
        resumed: how many times the run has gone on.
    """

    command: str
    cwd: str
    weights: str | None = None
    fallback: str | None = None
    precision: str | None = None
    manifest_sha256: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    stages: list[StageRecord] = field(default_factory=list)
    seconds: float = 0.0
    resumed: int = 0

    def save(self, run: Path) -> None:
        """Write progress.json into the run folder."""
        write_text(run / PROGRESS_FILE, json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")

    def again(self) -> "Progress":
        """The same, gone on with once more; finished stages whose weights nobody kept are forgotten."""
        kept = next((i for i, record in enumerate(self.stages) if record.checkpoint is None), len(self.stages))
        return replace(self, stages=self.stages[:kept], resumed=self.resumed + 1)

    def changes(self, manifest_sha256: str, versions: dict[str, str], run: Path) -> list[str]:
        """Return a line, also said in the log, where packages are no longer those with which the run began.

        Raises:
            ArtclfError: where the pictures are others.
        """
        if self.manifest_sha256 not in (None, manifest_sha256):
            raise ArtclfError(
                f"{run / 'manifest.csv'}: lists the pictures with which this run began, and they are no longer those that are "
                "found; put them back, or begin a new run"
            )
        other = [
            f"{name} {old} then, {versions.get(name)} now" for name, old in self.versions.items() if versions.get(name) != old
        ]
        lines = [f"gone on with under other versions than it began with: {', '.join(other)}"] if other else []
        for line in lines:
            log.warning("%s", line)
        return lines

    @classmethod
    def load(cls, run: Path) -> "Progress | None":
        """Read progress.json; None where there is none.

        Raises:
            ArtclfError: where the file is of another version.
        """
        file = run / PROGRESS_FILE
        if not file.exists():
            return None
        try:
            content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            stages = [StageRecord(**record) for record in content.pop("stages")]
            return cls(**content, stages=stages)
        except (ValueError, TypeError, KeyError) as error:
            raise ArtclfError(f"{file}: was not written by this version of artclf; begin the run anew") from error


def begin(folder: Path, composed: DictConfig, command: str) -> tuple[DictConfig, Progress]:
    """Make a run folder, or open that of a run to go on with.

    Args:
        folder: the run folder.
        composed: what Hydra composed; its `resume` tells which of the two.
        command: the command line.

    Returns:
        What is to run (for a run that goes on, its own config.yaml), and how far it has come.

    Raises:
        ArtclfError: where the folder holds another run, or the run to go on with can't.
    """
    if composed.resume is not None:
        unfinished(folder)
        kept = OmegaConf.load(folder / "config.yaml")
        assert isinstance(kept, DictConfig)  # a mapping: validate tells where it is none of ours
        kept.pruning = None  # the search that it was part of has gone on without it
        log.info("going on with the run in %s", folder)
        progress = (Progress.load(folder) or Progress(command, str(Path.cwd()))).again()
        if Path(progress.cwd).is_dir():
            os.chdir(progress.cwd)
        else:
            log.warning("%s, where the run began, is not there: relative paths now start in %s", progress.cwd, Path.cwd())
        return kept, progress
    progress = Progress(command, str(Path.cwd()))
    if is_main_process():
        if (folder / "config.yaml").exists():
            over = is_finished(folder) or is_finished_holdout(folder)
            also = "" if over else f", which has not finished; {resume_command(folder)} goes on with it"
            raise ArtclfError(
                f"hydra.run.dir={folder}: holds another run already{also}; choose another folder, or remove that one"
            )
        folder.mkdir(parents=True, exist_ok=True)
        progress.save(folder)
        write_text(folder / "config.yaml", OmegaConf.to_yaml(composed, resolve=True))
    return composed, progress


@contextmanager
def alone(run: Path) -> Iterator[list[str]]:
    """See that no other process is at work in a run folder; of several processes of one run, the first one does.

    Yields:
        A line, also said in the log, where the file system has no locks, so that nobody can see to it; else nothing.

    Raises:
        ArtclfError: where another is.
    """
    fallbacks: list[str] = []
    if not is_main_process():
        yield fallbacks
        return
    run.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run / ".lock")  # let go by the system, however the process ends
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise ArtclfError(f"{run}: another process is at work in this run folder; wait until it ends, or stop it") from error
    except NotImplementedError:
        fallbacks.append(f"{run}: this file system has no locks: see to it that no other process works in this folder")
        log.warning("%s", fallbacks[0])
    try:
        yield fallbacks
    finally:
        lock.release()
        (run / ".lock").unlink(missing_ok=True)


def unfinished(run: Path) -> Path:
    """Return the folder of a run that can go on.

    Raises:
        ArtclfError: where there is no such run, or it has finished, or it is a multirun's folder.
    """
    if not run.is_dir():
        raise ArtclfError(f"resume={run}: there is no such folder; type resume=RUN_FOLDER, the folder of a run")
    if not (run / "config.yaml").is_file():
        inside = sorted(run.glob("*/config.yaml"))
        if not inside:
            raise ArtclfError(f"resume={run}: is no run folder: it holds no config.yaml")
        open_runs = [str(file.parent) for file in inside if not _is_over(file.parent)]
        which = f"; not finished: {', '.join(open_runs)}" if open_runs else "; all its runs have finished"
        raise ArtclfError(f"resume={run}: is the folder of a multirun: type resume= and the folder of one of its runs{which}")
    if (run / PRUNED_FILE).exists():
        raise ArtclfError(f"resume={run}: a search has stopped this run as hopeless; it does not go on")
    if is_finished(run):
        raise ArtclfError(f"resume={run}: this run has finished; its report is {run / 'report.html'}")
    if is_finished_holdout(run):
        raise ArtclfError(f"resume={run}: all runs in this folder have finished; their page is {run / 'holdout.html'}")
    return run


def _is_over(run: Path) -> bool:
    return is_finished(run) or is_finished_holdout(run) or (run / PRUNED_FILE).exists()
