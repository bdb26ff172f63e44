"""metrics.csv: an epoch a row, over all stages."""

import csv
import io
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only

from artclf.config.schema import METRICS
from artclf.errors import ArtclfError
from artclf.run_folder import write_text

COLUMNS = ["stage", "epoch", *METRICS, "learning_rate", "seconds"]


class EpochTable(Callback):
    """Adds a row for each epoch of a stage to a CSV file.

    Its rows are part of every checkpoint: a stage that goes on from one has exactly the epochs that the checkpoint has seen.

    Args:
        file: the file, which earlier stages may have begun.
        stage: the stage's name.
        earlier: the names of the stages before it; rows of others, which an interrupted run may have left, leave the file.
    """

    def __init__(self, file: Path, stage: str, earlier: Sequence[str] = ()) -> None:
        self.file = file
        self.stage = stage
        self.earlier = list(earlier)
        self.rows: list[dict[str, Any]] = []
        self.trainer: Trainer | None = None
        self.stopped = False
        self.learning_rate = float("nan")
        self.began = time.perf_counter()

    @property
    def epochs_before(self) -> int:
        """How many epochs earlier stages took."""
        return len(self._before())

    @property
    def seconds(self) -> float:
        """How long the stage's epochs took, those before an interruption included."""
        return float(sum(row["seconds"] for row in self.rows))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Let a stage that had been stopped early stay so: going on from a checkpoint, Lightning asks nobody again."""
        self.trainer = trainer
        if self.stopped:
            trainer.should_stop = True

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Look at the clock, and at the learning rate with which the epoch begins."""
        self.began = time.perf_counter()
        self.learning_rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Take the epoch's figures, of training and of validation, and write the file.

        Raises:
            ArtclfError: where a loss is no finite number: training has diverged, whatever is monitored.
        """
        before = self._before()
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if name in COLUMNS}
        row = {
            "stage": self.stage,
            "epoch": len(before) + len(self.rows) + 1,
            **figures,
            "learning_rate": self.learning_rate,
            "seconds": round(time.perf_counter() - self.began, 3),
        }
        self.rows.append(row)
        self._write(before)
        for loss in ("train/loss", "val/loss"):
            if not math.isfinite(figures.get(loss, 0.0)):
                raise ArtclfError(
                    f"stages.{self.stage}: {loss} became {figures[loss]}: training diverged; type a smaller "
                    f"stages.{self.stage}.optim.lr than {trainer.optimizers[0].defaults['lr']:g}"
                )

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: the stage, its rows so far, whether it is to stop, and the run folder."""
        return {
            "stage": self.stage,
            "rows": self.rows,
            "stopped": bool(self.trainer and self.trainer.should_stop),
            "folder": os.path.realpath(self.file.parent),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the rows of a checkpoint; rows of epochs that it has not seen leave the file."""
        self.rows = list(state_dict["rows"])
        self.stopped = bool(state_dict["stopped"])
        self._write(self._before())

    def _before(self) -> list[dict[str, str]]:
        """The rows of the stages before this one, as text: they are written again as they stand."""
        if not self.file.exists():
            return []
        with self.file.open(encoding="utf-8", newline="") as file:
            return [row for row in csv.DictReader(file) if row["stage"] in self.earlier]

    @rank_zero_only
    def _write(self, before: Sequence[Mapping[str, Any]]) -> None:
        text = io.StringIO()
        table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        table.writeheader()
        for row in [*before, *self.rows]:
            table.writerow({name: "" if value != value else value for name, value in row.items()})  # noqa: PLR0124 (NaN)
        write_text(self.file, text.getvalue())
