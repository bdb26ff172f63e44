"""Stopping a trial that is not worth going on with."""

import math
from pathlib import Path

import optuna
from lightning.pytorch import Callback, LightningModule, Trainer

from artclf.config.schema import PruningConfig
from artclf.sweep.callbacks import Pruned
from artclf.sweep.journal import open_trial


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
