"""A stage's Lightning Trainer, with its callbacks: those of the configuration, metrics.csv, and an estimate of the time."""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from hydra.utils import get_class
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint, ProgressBar
from lightning.pytorch.trainer.states import TrainerStatus
from lightning.pytorch.utilities import rank_zero_only
from rich import get_console

from artclf.config.schema import METRICS, Config, Target
from artclf.errors import ArtclfError, raise_if_terminated, reason_of
from artclf.model.checkpoint import CheckpointFiles
from artclf.report.format import duration
from artclf.run_folder import CHECKPOINTS, EPOCHS_FILE, read_table, write_table
from artclf.training.loggers import RunLogger

log = logging.getLogger(__name__)

_WARM_UP = 2  # steps: the first ones fill caches
_MEASURED = (3, 5.0)  # steps and seconds at least: a GPU's first steps only queue, and are not waited for
_WORTH_A_LINE = 60.0  # seconds

COLUMNS = ["stage", "epoch", *METRICS, "learning_rate", "seconds"]


class EpochTable(Callback):
    """Adds a row for each epoch of a stage to metrics.csv, after those of earlier stages; other rows are removed.

    Its rows are part of every checkpoint: a stage that continues from one has exactly the epochs that the checkpoint has seen.
    """

    def __init__(self, file: Path, stage: str, earlier: Sequence[str] = ()) -> None:
        self.file = file
        self.stage = stage
        self.before: list[dict[Any, Any]] = []  # the rows of earlier stages, as text: they are written again as they are
        table = read_table(file, ("stage",))
        if table is not None:
            self.before = table[table["stage"].isin(earlier)].to_dict("records")
        self.rows: list[dict[str, Any]] = []
        self.trainer: Trainer | None = None
        self.stopped = False
        self.learning_rate = float("nan")
        self.epoch_start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long the stage's epochs took, those before an interruption included."""
        return float(sum(row["seconds"] for row in self.rows))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Keep a stage stopped that was stopped early: after a checkpoint, Lightning asks no callback again."""
        self.trainer = trainer
        trainer.should_stop |= self.stopped

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Note the time and the learning rate at the start of the epoch."""
        self.epoch_start = time.perf_counter()
        self.learning_rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_start(self, *args: Any) -> None:  # noqa: ARG002
        """End the run where SIGTERM came while Python discards exceptions."""
        raise_if_terminated()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Add the epoch's metrics and write the file. ArtclfError where a loss is not finite: training has diverged."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if name in METRICS}
        row = {
            "stage": self.stage,
            "epoch": len(self.before) + len(self.rows) + 1,
            **metrics,
            "learning_rate": self.learning_rate,
            "seconds": round(time.perf_counter() - self.epoch_start, 3),
        }
        self.rows.append(row)
        self._write()
        for loss in ("train/loss", "val/loss"):
            if not math.isfinite(metrics.get(loss, 0.0)):
                raise ArtclfError(
                    f"stages.{self.stage}: {loss} became {metrics[loss]}: training diverged; type a smaller "
                    f"stages.{self.stage}.optim.lr than {pl_module.stage.optim.lr:g}"
                )

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: the stage, its rows so far, and whether it is to stop."""
        return {"stage": self.stage, "rows": self.rows, "stopped": bool(self.trainer and self.trainer.should_stop)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue after the rows of a checkpoint; rows of epochs that it has not seen are removed from the file."""
        self.rows = list(state_dict["rows"])
        self.stopped = bool(state_dict["stopped"])
        self._write()

    @rank_zero_only
    def _write(self) -> None:
        write_table(self.file, pd.DataFrame([*self.before, *self.rows], columns=COLUMNS))


class TimeEstimate(Callback):
    """Logs once, after the first steps of a stage, how long it will take, if that is more than a minute."""

    def __init__(self, stage: str) -> None:
        self.stage, self.done = stage, False
        self.steps, self.epochs, self.began = 0, 0, 0.0  # epochs: that are left

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Count a step; the clock is read without waiting for a GPU."""
        if self.done:
            return
        self.steps += 1
        if self.steps == 1:
            self.epochs = (trainer.max_epochs or 0) - trainer.current_epoch
        if self.steps == _WARM_UP:
            self.began = time.perf_counter()
        measured, seconds = self.steps - _WARM_UP, time.perf_counter() - self.began
        self.done = measured >= _MEASURED[0] and seconds >= _MEASURED[1]
        if not self.done:
            return
        per_epoch = trainer.num_training_batches + sum(trainer.num_val_batches)  # a step of validation costs at most as much
        each = seconds / measured
        total = each * per_epoch * self.epochs
        if total > _WORTH_A_LINE:
            about = duration(total) if total >= 3600 else f"{round(total / 60)} min"
            log.info("stage %s: about %s for up to %d epochs at %.2g s a step", self.stage, about, self.epochs, each)


def make_trainer(config: Config, folder: Path, precision: str, stage: str | None, loggers: Sequence[RunLogger] = ()) -> Trainer:
    """Make the Trainer of a stage; for the test (None), with no callbacks but the progress bar.

    The stages of `config` are resolved (no `auto`). ArtclfError where a callback can't be made.
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
    screen = get_console()
    if not (screen.is_terminal or screen.is_jupyter):  # a bar that nobody sees takes a tenth of small epochs
        callbacks = [callback for callback in callbacks if not isinstance(callback, ProgressBar)]
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
        benchmark=not config.trainer.deterministic,  # cuDNN tries its algorithms, and takes the fastest for each size
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
