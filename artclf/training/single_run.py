"""`artclf.train`: one run, trained in the process of the caller."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from hydra import initialize_config_dir
from hydra.core.hydra_config import HydraConfig

from artclf.config import CONF
from artclf.config.check import compose_job
from artclf.config.command import command_of
from artclf.errors import ArtclfError
from artclf.run_folder import read_table
from artclf.runtime import PlainFormatter
from artclf.training.launch import checked_words, run_job
from artclf.training.limits import processes
from artclf.training.resume import read_config


@dataclass(frozen=True)
class TrainedRun:
    """A run that has been trained and tested."""

    folder: Path  # absolute; `artclf.load` takes it
    metrics: dict[str, Any]  # what metrics.json holds

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """The tested images, as in predictions.csv: path, label, generator, style, split, p_ai, calibrated, verdict."""
        table = read_table(file := self.folder / "predictions.csv", numbers=("p_ai", "calibrated"))
        if table is None:
            raise ArtclfError(f"{file}: is missing or empty; run the training again")
        return table


def train(*words: str) -> TrainedRun:
    """Train and test a model and write its run folder, as `artclf train` does with these words.

    Log lines go to train.log in that folder and, unless the caller has set up logging, to stdout. After Ctrl-C the run
    continues with train("resume=FOLDER").

    Args:
        words: settings, "KEY=VALUE" or "+GROUP=CHOICE", as on the command line; flags are for that alone.

    Raises:
        ArtclfError: a line for each mistake in the words, or what is wrong with the data, the run folder or the machine.
        OSError: the system refuses a file, or the disk is full.
    """
    command, state = command_of(words), HydraConfig.instance()
    if any(word.startswith("-") for word in words):
        raise ArtclfError(f"artclf.train makes one run, without flags; type in a terminal: {command}")
    before = state.cfg
    try:
        checked = checked_words(list(words))
        if "-m" in checked:  # +holdout
            raise ArtclfError(f"artclf.train makes one run, and these are several; type in a terminal: {command}")
        with initialize_config_dir(str(CONF), version_base="1.3", job_name="train"):
            job, _ = compose_job(checked)
        folder = Path(HydraConfig.get().runtime.output_dir).absolute()
        if processes((read_config(folder) if job.resume.folder else job).trainer) > 1:
            raise ArtclfError(f"artclf.train trains on one device; for several, type in a terminal: {command}")
        with _logging(folder):
            return TrainedRun(folder, run_job(job, folder, multirun=False))
    finally:
        state.cfg = before  # a caller may have been started by Hydra too


@contextmanager
def _logging(folder: Path) -> Iterator[None]:
    """Write log lines to train.log and, unless the caller has set up logging, to stdout."""
    root, own = logging.getLogger(), logging.getLogger("artclf")
    folder.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [logging.FileHandler(folder / "train.log", encoding="utf-8")]
    handlers[0].setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    if not root.handlers:
        handlers.append(logging.StreamHandler(sys.stdout))
        handlers[1].setFormatter(PlainFormatter())
    level = own.level
    own.setLevel(logging.INFO)
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        own.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()
