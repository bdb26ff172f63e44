"""Callbacks that record when training begins and how long its epochs take; any Lightning program can be given them."""

import json
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer

from benchmarks.peers.images import now


class FirstStep(Callback):
    """Writes the time at the end of the process's first training step to `file`."""

    def __init__(self, file: str) -> None:
        self.file = Path(file)

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Write, the first time; a later stage finds the file."""
        if trainer.is_global_zero and not self.file.exists():
            new = self.file.with_suffix(".new")  # whoever waits for the file never sees half of it
            new.write_text(str(now()), encoding="utf-8")
            new.replace(self.file)


class EpochClock(Callback):
    """Appends a line of JSON for each epoch to `file`: {"start", "trained", "end"} in seconds since the epoch.

    From "start" to "trained" is training alone: the first batch is waited for and each step is taken. From "trained" to "end"
    are validation and what is written after it.
    """

    def __init__(self, file: str) -> None:
        self.file = Path(file)
        self.times: dict[str, float] = {}

    def on_train_epoch_start(self, *_: Any) -> None:
        """Read the clock."""
        self.times = {"start": now()}

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Read the clock after the last step, before validation starts its workers."""
        if trainer.is_last_batch:
            self.times["trained"] = now()

    def on_train_epoch_end(self, trainer: Trainer, *_: Any) -> None:
        """Append the line."""
        self.times["end"] = now()
        if trainer.is_global_zero:
            with self.file.open("a", encoding="utf-8") as lines:
                print(json.dumps(self.times), file=lines)
