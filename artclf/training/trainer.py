"""A stage's Lightning Trainer, with the callbacks and loggers of the configuration."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.utils import get_class
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint, ProgressBar
from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger

from artclf.config.schema import Config, Target
from artclf.errors import ArtclfError
from artclf.model.checkpoint import CheckpointFiles
from artclf.run_folder import CHECKPOINTS, EPOCHS_FILE
from artclf.training.epochs import EpochTable


def make_trainer(config: Config, folder: Path, precision: str, stage: str | None) -> Trainer:
    """Make the Trainer of a stage; for the test (None), with no callbacks but the progress bar.

    Args:
        config: of the run; `auto` is resolved in its stages.
        folder: the run folder.
        precision: as Lightning names it.
        stage: the stage's name.

    Raises:
        ArtclfError: where a callback or a logger can't be made.
    """
    options = config.trainer.model_dump(exclude={"precision", "deterministic", "channels_last", "compile"})
    callbacks = [_build_callback(config, key, target, folder, stage) for key, target in config.callbacks.items() if target]
    loggers = []
    if stage is None:
        callbacks = [callback for callback in callbacks if isinstance(callback, ProgressBar)]
    else:
        loggers = [_build_logger(key, target, folder, stage) for key, target in config.logger.items() if target]
        names = list(config.stages)
        epochs = EpochTable(folder / EPOCHS_FILE, stage, earlier=names[: names.index(stage)])
        callbacks.append(epochs)
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
        logger=loggers or False,
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
    return _build(f"callbacks.{key}", kind, options)


def _build_logger(key: str, target: Target, folder: Path, stage: str) -> Any:
    kind = get_class(target.target)
    options = dict(target.options)
    if "save_dir" in inspect.signature(kind).parameters:
        options.setdefault("save_dir", str(folder / "mlflow" if issubclass(kind, MLFlowLogger) else folder))
    if issubclass(kind, TensorBoardLogger):
        options["version"] = stage  # else the stages' steps would overlap
    return _build(f"logger.{key}", kind, options)


def _build(key: str, kind: type, options: Mapping[str, Any]) -> Any:
    try:
        return kind(**options)
    except Exception as error:  # whatever a class of Lightning's, or of the user's own, raises
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ArtclfError(f"{key}: {kind.__name__} can't be made: {reason}") from error
