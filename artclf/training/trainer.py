"""A stage's Lightning Trainer, with the callbacks of the configuration."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.utils import get_class
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint, ProgressBar
from lightning.pytorch.trainer.states import TrainerStatus

from artclf.config.schema import Config, Target
from artclf.errors import ArtclfError, reason_of
from artclf.model.checkpoint import CheckpointFiles
from artclf.run_folder import CHECKPOINTS, EPOCHS_FILE
from artclf.training.epochs import EpochTable, TimeEstimate
from artclf.training.loggers import RunLogger


def make_trainer(config: Config, folder: Path, precision: str, stage: str | None, loggers: Sequence[RunLogger] = ()) -> Trainer:
    """Make the Trainer of a stage; for the test (None), with no callbacks but the progress bar.

    Args:
        config: of the run; `auto` is resolved in its stages.
        folder: the run folder.
        precision: as Lightning names it.
        stage: the stage's name.
        loggers: of the run, which get the stage's figures.

    Raises:
        ArtclfError: where a callback can't be made.
    """
    options = config.trainer.model_dump(exclude={"precision", "deterministic", "channels_last", "compile"})
    callbacks = [_build_callback(config, key, target, folder, stage) for key, target in config.callbacks.items() if target]
    if stage is None:
        callbacks = [callback for callback in callbacks if isinstance(callback, ProgressBar)]
    else:
        names = list(config.stages)
        epochs = EpochTable(folder / EPOCHS_FILE, stage, earlier=names[: names.index(stage)])
        callbacks += [epochs, TimeEstimate(stage)]
        if config.pruning:
            from artclf.sweep.pruning import Pruning  # noqa: PLC0415 (needs the extra `sweep`)

            callbacks.append(Pruning(config.pruning, config.monitor.metric, len(epochs.before)))
    if not loggers:  # LearningRateMonitor refuses to be without one; metrics.csv has the learning rate
        callbacks = [callback for callback in callbacks if not isinstance(callback, LearningRateMonitor)]
    trainer = Trainer(
        default_root_dir=folder,
        **options,
        precision=precision,  # type: ignore[arg-type]
        max_epochs=int(config.stages[stage].max_epochs) if stage else None,
        callbacks=callbacks,
        logger=list(loggers) or False,
        plugins=[CheckpointFiles()],
        enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
        enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
        enable_model_summary=False,
        deterministic="warn" if config.trainer.deterministic else None,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # ours counts each image once, and keeps its weights
    )
    # SIGTERM raises `Terminated`; Lightning's own handler would first wait for the other processes of a run, for ever maybe
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer


@contextmanager
def interruptible(trainer: Trainer) -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt, of which Lightning makes a SystemExit after its clean-up."""
    try:
        yield
    except SystemExit as stop:
        if trainer.state.status == TrainerStatus.INTERRUPTED:
            raise KeyboardInterrupt from stop
        raise


def _build_callback(config: Config, key: str, target: Target, folder: Path, stage: str | None) -> Any:
    kind = get_class(target.target)
    options = dict(target.options)
    if issubclass(kind, ModelCheckpoint):
        options |= {
            "dirpath": folder / CHECKPOINTS,
            "filename": {"best": stage, "last": "last"}.get(key, f"{stage}-{options.get('filename') or key}"),
            "auto_insert_metric_name": False,
            "enable_version_counter": key not in ("best", "last"),  # whose files are replaced
        }
        if key == "best":
            options |= {"monitor": config.monitor.metric, "mode": config.monitor.mode}
    if issubclass(kind, EarlyStopping) and stage and config.stages[stage].patience:
        options["patience"] = config.stages[stage].patience
    try:
        return kind(**options)
    except Exception as error:  # whatever a class of Lightning's, or of the user's own, raises
        raise ArtclfError(f"callbacks.{key}: {kind.__name__} can't be made: {reason_of(error)}") from error
