"""How far a run has come: what it needs to know to go on after an interruption as if there had been none."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from artclf.config.check import validate
from artclf.config.command import resume_command
from artclf.config.schema import Config
from artclf.errors import ArtclfError
from artclf.run_folder import PROGRESS_FILE, outcome_of, write_text
from artclf.training.stages import StageRecord, is_main_process

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """What a run had found out and finished.

    Attributes:
        command: the command line that began it.
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
    def load(cls, run: Path, names: Sequence[str]) -> "Progress | None":
        """Read progress.json; None where there is none.

        Args:
            run: the run folder.
            names: of the stages that its configuration has.

        Raises:
            ArtclfError: where the file is of another version.
        """
        file = run / PROGRESS_FILE
        if not file.exists():
            return None
        try:
            content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            stages = [StageRecord(**record) for record in content.pop("stages")]
            for record, name in zip(stages, names[: len(stages)], strict=True):
                if record.name != name or record.checkpoint not in (None, f"{name}.ckpt"):
                    raise ValueError(f"stage {record.name}, {record.checkpoint}")
            return cls(**content, stages=stages)
        except (ValueError, TypeError, KeyError) as error:
            raise ArtclfError(f"{file}: was not written by this version of artclf; begin the run anew") from error


def begin(
    folder: Path, composed: DictConfig, command: str, mistakes: Callable[[DictConfig, Path | None], list[str]]
) -> tuple[Config, Progress]:
    """Make a run folder, or open that of a run to go on with.

    Args:
        folder: the run folder.
        composed: what Hydra composed; its `resume` tells which of the two.
        command: the command line.
        mistakes: what a configuration is held against; for one that a run folder names, with that folder.

    Returns:
        What is to run (for a run that goes on, its own config.yaml), and how far it has come.

    Raises:
        ArtclfError: where the configuration is wrong, the folder holds another run, or the run to go on with can't.
    """
    resume = composed.resume
    if resume.folder is not None:
        unfinished(folder)
        composed = read_config(folder)
        composed.pruning = None  # the search that it was part of has gone on without it
        composed.resume = resume
    wrong = mistakes(composed, None if resume.folder is None or resume.trust else folder)
    if wrong:
        raise ArtclfError("\n".join(wrong))
    config = validate(composed)
    if resume.folder is not None:
        log.info("going on with the run in %s", folder)
        return config, (Progress.load(folder, list(config.stages)) or Progress(command)).again()
    progress = Progress(command)
    if is_main_process():
        if (folder / "config.yaml").exists():
            over = outcome_of(folder).state == "finished"
            also = "" if over else f", which has not finished; {resume_command(folder)} goes on with it"
            raise ArtclfError(
                f"hydra.run.dir={folder}: holds another run already{also}; choose another folder, or remove that one"
            )
        folder.mkdir(parents=True, exist_ok=True)
        progress.save(folder)
        write_text(folder / "config.yaml", OmegaConf.to_yaml(config.model_dump(by_alias=True)))
    return config, progress


def read_config(folder: Path) -> DictConfig:
    """Read a run's config.yaml, in which all is resolved.

    Raises:
        ArtclfError: where it is no mapping, or holds an interpolation, which could read what is none of the folder's business.
    """
    file = folder / "config.yaml"
    try:
        kept = OmegaConf.load(file)
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise ArtclfError(f"{file}: can't be read: {str(error).splitlines()[0]}; begin the run anew") from error
    if not isinstance(kept, DictConfig) or "${" in file.read_text(encoding="utf-8"):
        raise ArtclfError(f"{file}: is not what a run writes (settings, all resolved); begin the run anew")
    return kept


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
        open_runs = [str(file.parent) for file in inside if outcome_of(file.parent).state in ("failed", "unfinished")]
        which = f"; not finished: {', '.join(open_runs)}" if open_runs else "; all its runs have finished"
        raise ArtclfError(
            f"resume={run}: is the folder of a multirun: type its command again with hydra.sweep.dir={run}, or resume= and the "
            f"folder of one of its runs{which}"
        )
    outcome = outcome_of(run)
    if outcome.state == "pruned":
        raise ArtclfError(f"resume={run}: a search has stopped this run as hopeless; it does not go on")
    if outcome.state == "finished":
        raise ArtclfError(f"resume={run}: this run has finished; its figures are in {run / 'metrics.json'}")
    return run
