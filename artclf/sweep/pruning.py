"""Stopping a trial that is not worth going on with, and the journal in which trials and the search tell each other.

The journal is one file in the sweep's folder, which trials in other processes write to as well.
"""

import math
import warnings
from pathlib import Path
from typing import Any

import optuna
from lightning.pytorch import Callback, LightningModule, Trainer
from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from artclf.config.schema import PruningConfig
from artclf.errors import ArtclfError
from artclf.sweep.callbacks import Pruned

STUDY = "artclf"


def storage(file: Path) -> JournalStorage:
    """Open the journal, or begin it.

    Its lock is a file that is made exclusively, which holds on network file systems too, and needs no right to make links.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # optuna 4.0 to 4.x call journals experimental
        return JournalStorage(JournalFileBackend(str(file), lock_obj=JournalFileOpenLock(str(file))))


def make_pruner(options: dict[str, Any]) -> optuna.pruners.BasePruner:
    """Return the pruner by what `study.user_attrs["pruner"]` holds."""
    if options["name"] == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(
        n_startup_trials=options["startup_trials"],
        n_warmup_steps=options["warmup_epochs"] + 1,  # optuna prunes from this step on, and epochs count from 1
    )


def open_trial(file: Path, trial: int) -> optuna.Trial:
    """Open a running trial from whichever process trains it.

    Args:
        file: the journal.
        trial: Optuna's id of the trial.

    Raises:
        ArtclfError: where there is no such journal, or no such trial in it.
    """
    if not file.is_file():
        raise ArtclfError(
            f"pruning.storage={file}: there is no such file here; a sweep's folder must be seen by all its machines"
        )
    try:
        study = optuna.load_study(study_name=STUDY, storage=storage(file), sampler=optuna.samplers.RandomSampler())
        study.pruner = make_pruner(study.user_attrs["pruner"])
        return optuna.Trial(study, trial)
    except KeyError as error:
        raise ArtclfError(f"pruning.trial={trial}: {file} holds no such trial") from error


class Pruning(Callback):
    """Tells the search each epoch's figure, and stops where the search thinks it hopeless.

    The epoch is finished and written down before; `Pruned` is raised when the fit has ended.

    Args:
        trial: the trial that this run is.
        metric: the monitored figure ("val/loss").
        epochs_before: how many epochs earlier stages took.
    """

    def __init__(self, trial: optuna.Trial, metric: str, epochs_before: int) -> None:
        self.trial = trial
        self.metric = metric
        self.epochs_before = epochs_before
        self.stopped: Pruned | None = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Report the figure; ask whether to stop. Only the main process asks, and all stop together."""
        value = float(trainer.callback_metrics[self.metric])
        epoch = self.epochs_before + trainer.current_epoch + 1
        hopeless = False
        if trainer.is_global_zero and math.isfinite(value):  # what diverges fails by itself, and says so
            self.trial.report(value, epoch)
            hopeless = self.trial.should_prune()
        if trainer.strategy.reduce_boolean_decision(hopeless, all=False):
            self.stopped = Pruned(epoch, self.metric, value)
            trainer.should_stop = True

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Raise what was decided.

        Raises:
            Pruned: where the trial was stopped.
        """
        if self.stopped is not None:
            raise self.stopped


def pruning_callback(config: PruningConfig, metric: str, epochs_before: int) -> Pruning:
    """The callback of one stage's fit.

    Raises:
        ArtclfError: where the journal is not there.
    """
    return Pruning(open_trial(Path(config.storage), config.trial), metric, epochs_before)
