"""Pruning of trials, and the journal: the file in the sweep's folder by which trials and the search communicate."""

import math
import warnings
from pathlib import Path

import optuna
from lightning.pytorch import Callback, LightningModule, Trainer
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import MedianPruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from artclf.config.schema import PruningConfig
from artclf.errors import ArtclfError
from artclf.sweep.callbacks import Pruned

STUDY = "artclf"
OPTIONS = "options"  # the study's attribute that holds the options of the search


def storage(file: Path) -> JournalStorage:
    """Open the journal, which is made where it is missing.

    Its lock is a file that is made exclusively: this works on network file systems too, and needs no right to make links.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # optuna 4.0 to 4.x call journals experimental
        return JournalStorage(JournalFileBackend(str(file), lock_obj=JournalFileOpenLock(str(file))))


def open_trial(config: PruningConfig) -> optuna.Trial:
    """Open a running trial from the process that trains it. ArtclfError where there is no such journal or trial."""
    file = Path(config.storage)
    if not file.is_file():
        raise ArtclfError(
            f"pruning.storage={file}: there is no such file here; a sweep's folder must be seen by all its machines"
        )
    try:
        study = optuna.load_study(study_name=STUDY, storage=storage(file), sampler=optuna.samplers.RandomSampler())
        options = study.user_attrs[OPTIONS]
        # Optuna prunes from the step n_warmup_steps on, and epochs count from 1
        study.pruner = MedianPruner(options["pruner_startup_trials"], n_warmup_steps=options["pruner_warmup_epochs"] + 1)
        return optuna.Trial(study, config.trial)
    except KeyError as error:
        raise ArtclfError(f"pruning.trial={config.trial}: {file} holds no such trial") from error


class Pruning(Callback):
    """Reports the monitored metric to the search after each epoch, and stops the fit where the pruner says so.

    `Pruned` is raised only when the fit has ended, so that its last epoch is written down.
    """

    def __init__(self, config: PruningConfig, metric: str, epochs_before: int) -> None:
        self.trial, self.metric = open_trial(config), metric
        self.epochs_before = epochs_before  # of earlier stages
        self.stopped: Pruned | None = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Report, and ask whether to stop: the main process asks, and all stop together."""
        value = float(trainer.callback_metrics[self.metric])
        epoch = self.epochs_before + trainer.current_epoch + 1
        stop = False
        if trainer.is_global_zero and math.isfinite(value):  # what diverges fails by itself, with its own message
            self.trial.report(value, epoch)
            stop = self.trial.should_prune()
        if trainer.strategy.reduce_boolean_decision(stop, all=False):
            self.stopped = Pruned(epoch, self.metric, value)
            trainer.should_stop = True

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Raise `Pruned` where the trial was stopped."""
        if self.stopped is not None:
            raise self.stopped
