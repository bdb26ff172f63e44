"""Callbacks that tell from outside when training begins and how long its epochs take; any Lightning program can be given them.

To artclf on the command line: `+callbacks.first._target_=benchmarks.first_step.FirstStep +callbacks.first.file=FILE`.
"""

import json
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer


class FirstStep(Callback):
    """Writes {"start": …, "end": …}, seconds since the epoch, around the first training step of the process.

    "start" is when the first batch has come; what is computed before training (or the step's own share of it, where that is
    done when it is first needed) has been done by "end".

    Args:
        file: written once, whole, at the end of the step.
    """

    def __init__(self, file: str) -> None:
        self.file = Path(file)
        self.start = 0.0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Look at the clock."""
        self.start = self.start or now()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Write, the first time; a later stage has a callback of its own, and finds the file."""
        if trainer.is_global_zero and not self.file.exists():
            write_whole(self.file, {"start": self.start, "end": now()})


class EpochClock(Callback):
    """Writes a line of JSON for each epoch: {"start": …, "trained": …, "end": …}, seconds since the epoch.

    From "start" to "trained" is training alone: the first batch is waited for, each step is taken, validation has not begun.
    From "trained" to "end" are validation and what is written after it.

    Args:
        file: lines are appended to it.
    """

    def __init__(self, file: str) -> None:
        self.file = Path(file)
        self.start = self.trained = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Look at the clock."""
        self.start, self.trained = now(), 0.0

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Look at the clock after the last step: once on_validation_start is called, its workers have been started."""
        if trainer.is_last_batch:
            self.trained = now()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Append the line."""
        end = now()
        if trainer.is_global_zero:
            with self.file.open("a", encoding="utf-8") as lines:
                print(json.dumps({"start": self.start, "trained": self.trained, "end": end}), file=lines)


def now() -> float:
    """Seconds since the epoch, once the GPU (if one is in use) has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.time()


def write_whole(file: Path, content: dict[str, Any]) -> None:
    """Write JSON so that whoever waits for the file never sees half of it."""
    new = file.with_name(f"{file.name}.new")
    new.write_text(json.dumps(content), encoding="utf-8")
    new.replace(file)
