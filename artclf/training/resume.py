"""How far a run has come: what it needs to continue after an interruption as if there had been none."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from artclf.config.command import resume_command
from artclf.config.schema import Config
from artclf.config.validate import validate
from artclf.errors import ArtclfError
from artclf.run_folder import (
    CONFIG_FILE,
    MANIFEST_FILE,
    METRICS_FILE,
    PROGRESS_FILE,
    holds_run,
    is_finished,
    outcome_of,
    read_json,
    read_yaml,
    write_json,
    write_text,
)
from artclf.runtime import is_main_process
from artclf.training.check import mistakes
from artclf.training.limits import require_devices

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageRecord:
    """The outcome of a stage."""

    name: str
    unfreeze: int | str  # as the configuration has it
    layers: int  # of the body that trained
    trainable_parameters: int  # the head's included
    epochs: int
    best_epoch: int  # of its best weights, counted from 1 over all stages
    score: float | None  # the monitored metric at that epoch; None where no checkpoint was kept
    seconds: float
    checkpoint: str | None  # the file of its best weights in checkpoints/
    steps: int = 0  # of the optimiser


@dataclass(frozen=True)
class Progress:
    """What a run has found out and finished."""

    command: str  # the command line that began it
    weights: str | None = None  # where the backbone's came from; asked for again. None until that is known, as the next
    fallback: str | None = None  # why pretrained weights could not be loaded
    precision: str | None = None
    manifest_sha256: str | None = None
    versions: dict[str, str] = field(default_factory=dict)  # of the packages that results depend on
    loggers: dict[str, str] = field(default_factory=dict)  # key → the id of the logger's own run
    stages: list[StageRecord] = field(default_factory=list)  # those that are finished
    seconds: float = 0.0  # spent until the last of these was written
    resumed: int = 0  # how many times the run has continued

    def save(self, run: Path) -> None:
        """Write progress.json."""
        write_json(run / PROGRESS_FILE, asdict(self))

    def next_attempt(self) -> "Progress":
        """The progress that another attempt starts with; finished stages whose weights nobody kept are forgotten."""
        kept = next((i for i, record in enumerate(self.stages) if record.checkpoint is None), len(self.stages))
        return replace(self, stages=self.stages[:kept], resumed=self.resumed + 1)

    def changes(self, manifest_sha256: str, versions: dict[str, str], run: Path) -> list[str]:
        """Return a line where package versions have changed since the run began; ArtclfError where the images have."""
        if self.manifest_sha256 not in (None, manifest_sha256):
            raise ArtclfError(
                f"{run / MANIFEST_FILE}: lists the images with which this run began, and they have changed; put them back, or "
                "begin a new run"
            )
        changed = [f"{name} {old} → {versions.get(name)}" for name, old in self.versions.items() if versions.get(name) != old]
        return [f"continued with other package versions than it began with: {', '.join(changed)}"] if changed else []

    @classmethod
    def load(cls, run: Path, names: Sequence[str]) -> "Progress | None":
        """Read progress.json; None where there is none. ArtclfError where it is not of this version, or not of these stages."""
        file = run / PROGRESS_FILE
        progress: Progress | None = read_json(file, "begin the run anew", cls)
        for record, name in zip(progress.stages if progress else (), names, strict=False):
            if record.name != name or record.checkpoint not in (None, f"{name}.ckpt"):
                raise ArtclfError(f"{file}: stage {record.name}, {record.checkpoint}: is not of this run; begin the run anew")
        return progress


def open_run_folder(folder: Path, composed: DictConfig, command: str) -> tuple[Config, Progress]:
    """Make a run folder, or open that of a run to continue, as the `resume` of what Hydra composed says.

    Returns what is to run (for a run that continues, its own config.yaml), and how far it has come. ArtclfError where the
    configuration is wrong, the folder holds another run, or the run can't continue.
    """
    resume = composed.resume
    if resume.folder is not None:
        require_unfinished(folder)
        composed = read_config(folder)
        composed.pruning = None  # the search that it was part of has continued without it
        composed.resume = resume
    if wrong := mistakes(composed, None if resume.folder is None or resume.trust else folder):
        raise ArtclfError("\n".join(wrong))
    config = validate(composed)
    require_devices(config.trainer)
    if resume.folder is not None:
        log.info("continuing the run in %s", folder)
        return config, (Progress.load(folder, list(config.stages)) or Progress(command)).next_attempt()
    progress = Progress(command)
    if is_main_process():
        if holds_run(folder):
            also = "" if is_finished(folder) else f", which has not finished; {resume_command(folder)} continues it"
            raise ArtclfError(
                f"hydra.run.dir={folder}: holds another run already{also}; choose another folder, or remove that one"
            )
        folder.mkdir(parents=True, exist_ok=True)
        progress.save(folder)
        write_text(folder / CONFIG_FILE, OmegaConf.to_yaml(config.model_dump(by_alias=True)))
    return config, progress


def read_config(folder: Path) -> DictConfig:
    """Read a run's config.yaml. ArtclfError where it holds an interpolation, which could read environment variables."""
    kept = read_yaml(folder / CONFIG_FILE, "begin the run anew")
    if kept is None or "${" in OmegaConf.to_yaml(kept):
        raise ArtclfError(f"{folder / CONFIG_FILE}: is not what a run writes: there must be settings, all resolved; begin anew")
    return kept


def require_unfinished(run: Path) -> None:
    """Check that a folder holds a run that can continue; else raise an ArtclfError that says what the folder is."""
    if not (run / CONFIG_FILE).is_file():
        raise ArtclfError(
            f"resume={run}: there is no config.yaml in it; type resume=RUN_FOLDER, the folder of a single run; a multirun "
            f"continues where its command is typed again with hydra.sweep.dir={run}"
        )
    state = outcome_of(run).state
    if state == "pruned":
        raise ArtclfError(f"resume={run}: a search has stopped this run as hopeless; it can't continue")
    if state == "finished":
        raise ArtclfError(f"resume={run}: this run has finished; its results are in {run / METRICS_FILE}")
