"""metrics.csv: an epoch a row, over all stages."""

import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import pandas as pd
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

COLUMNS = [
    "stage",
    "epoch",
    "train/loss",
    "train/accuracy",
    "val/loss",
    "val/accuracy",
    "val/auroc",
    "learning_rate",
    "seconds",
]


class EpochTable(Logger):
    """Collects what a stage logs and adds a row for each of its epochs to a CSV file.

    Args:
        file: the file, which earlier stages may have begun.
        stage: the stage's name.
    """

    def __init__(self, file: Path, stage: str) -> None:
        super().__init__()
        self.file = file
        self.stage = stage
        self.before = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=COLUMNS)
        self.rows: dict[int, dict[str, Any]] = {}
        self.pending: dict[str, Any] = {}
        self.began = time.perf_counter()

    @property
    def name(self) -> str:
        """What Lightning calls this logger."""
        return "epochs"

    @property
    def version(self) -> None:
        """None: Lightning would show it in the progress bar."""

    @property
    def epochs_before(self) -> int:
        """How many epochs earlier stages took."""
        return len(self.before)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: config.yaml has them."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:  # noqa: ARG002
        """Take what Lightning logs; what comes without an epoch (the learning rate) belongs to the next that comes with one."""
        rates = [value for key, value in metrics.items() if key.startswith("lr-")]
        if rates:
            self.pending["learning_rate"] = rates[0]
        if "epoch" not in metrics:
            return
        epoch = int(metrics["epoch"])
        row = self.rows.setdefault(epoch, {"stage": self.stage, "epoch": self.epochs_before + epoch + 1})
        row.update({key: value for key, value in metrics.items() if key in COLUMNS and key != "epoch"})
        row.update(self.pending)
        if "train/loss" in metrics:  # Lightning logs the training figures last
            row["seconds"] = round(time.perf_counter() - self.began, 3)
            self.began = time.perf_counter()

    @rank_zero_only
    def save(self) -> None:
        """Write the file."""
        if self.rows:
            table = pd.DataFrame([self.rows[epoch] for epoch in sorted(self.rows)], columns=COLUMNS)
            pd.concat([self.before, table] if len(self.before) else [table]).to_csv(self.file, index=False)
