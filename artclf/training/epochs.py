"""metrics.csv: a row for each epoch, over all stages."""

import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only

from artclf.config.schema import METRICS
from artclf.errors import ArtclfError, raise_if_terminated
from artclf.report.format import duration
from artclf.run_folder import read_table, write_table

log = logging.getLogger(__name__)

_WARM_UP = 2  # steps: the first ones fill caches
_MEASURED = (3, 5.0)  # steps and seconds at least: a GPU's first steps only queue, and are not waited for
_WORTH_A_LINE = 60.0  # seconds

COLUMNS = ["stage", "epoch", *METRICS, "learning_rate", "seconds"]


class EpochTable(Callback):
    """Adds a row for each epoch of a stage to a CSV file.

    Its rows are part of every checkpoint: a stage that continues from one has exactly the epochs that the checkpoint has seen.

    Args:
        file: the file, which earlier stages may have begun.
        stage: the stage's name.
        earlier: the names of the stages before it; rows of others, which an interrupted run may have left, are removed.
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

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
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
                    f"stages.{self.stage}.optim.lr than {trainer.optimizers[0].defaults['lr']:g}"
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
        self.stage = stage
        self.steps = 0
        self.epochs = 0  # that are left
        self.began = 0.0
        self.done = False

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
        if measured < _MEASURED[0] or seconds < _MEASURED[1]:
            return
        self.done = True
        each = seconds / measured
        per_epoch = trainer.num_training_batches + sum(trainer.num_val_batches)  # a step of validation costs at most as much
        total = each * per_epoch * self.epochs
        if total > _WORTH_A_LINE:
            about = duration(total) if total >= 3600 else f"{round(total / 60)} min"
            log.info("stage %s: about %s for up to %d epochs at %.2g s a step", self.stage, about, self.epochs, each)
