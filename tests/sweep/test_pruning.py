"""The callback in real fits of a one-number network, against a study that is made for it."""

from pathlib import Path

import lightning
import optuna
import pytest
import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader, TensorDataset

from artclf.config.schema import PruningConfig
from artclf.errors import ArtclfError
from artclf.run_folder import JOURNAL_FILE
from artclf.sweep.callbacks import Pruned
from artclf.sweep.pruning import OPTIONS, STUDY, Pruning, open_trial, storage

pytestmark = pytest.mark.filterwarnings("default")  # Lightning on how few batches and workers these fits have


class Scripted(lightning.LightningModule):
    """Logs the given losses, one in each epoch."""

    def __init__(self, losses: list[float]) -> None:
        super().__init__()
        self.losses = losses
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: object, batch_idx: int) -> torch.Tensor:
        return self.weight.sum()

    def validation_step(self, batch: object, batch_idx: int) -> None:
        self.log("val/loss", self.losses[self.current_epoch])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    """Two finished trials: 0.5, 0.4, 0.3 and 0.6, 0.5, 0.4."""
    study = optuna.create_study(study_name=STUDY, storage=storage(tmp_path / JOURNAL_FILE))
    study.set_user_attr(OPTIONS, {"pruner_startup_trials": 2, "pruner_warmup_epochs": 1})
    for first in (0.5, 0.6):
        trial = study.ask()
        for epoch in range(3):
            trial.report(first - 0.1 * epoch, epoch + 1)
        study.tell(trial, first - 0.2)
    return study


def fit(study: optuna.Study, tmp_path: Path, losses: list[float], before: int = 0) -> dict[int, float]:
    """Fit a new trial; returns what it reported."""
    trial = study.ask()
    callback = Pruning(PruningConfig(storage=str(tmp_path / JOURNAL_FILE), trial=trial._trial_id), "val/loss", before)
    loader = DataLoader(TensorDataset(torch.zeros(1)))
    trainer = Trainer(
        max_epochs=len(losses),
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        num_sanity_val_steps=0,
    )
    trainer.fit(Scripted(losses), loader, loader)
    assert trainer.current_epoch == len(losses)
    return study.trials[trial.number].intermediate_values


@pytest.mark.parametrize(
    ("losses", "startup_trials", "reported"),
    [
        ([0.5, 0.4, 0.2], 2, {1: 0.5, 2: 0.4, 3: 0.2}),  # good
        ([0.9, 0.8, 0.7], 3, {1: 0.9, 2: 0.8, 3: 0.7}),  # bad, before enough trials have finished
        ([0.5, float("nan"), float("nan")], 2, {1: 0.5}),  # diverges, and fails by itself
    ],
)
def test_these_trials_are_fitted_to_their_end(
    study: optuna.Study, tmp_path: Path, losses: list[float], startup_trials: int, reported: dict[int, float]
) -> None:
    study.set_user_attr(OPTIONS, {"pruner_startup_trials": startup_trials, "pruner_warmup_epochs": 1})
    assert fit(study, tmp_path, losses) == pytest.approx(reported)


def test_a_bad_trial_is_stopped_after_its_epoch_but_not_its_first(study: optuna.Study, tmp_path: Path) -> None:
    with pytest.raises(Pruned) as stop:
        fit(study, tmp_path, [0.9, 0.8, 0.1])
    assert (stop.value.epoch, stop.value.metric, stop.value.value) == (2, "val/loss", pytest.approx(0.8))
    assert study.trials[2].intermediate_values == pytest.approx({1: 0.9, 2: 0.8})
    stop.value.write(tmp_path, 1.234)
    assert '"seconds": 1.23' in (tmp_path / "pruned.json").read_text()
    with pytest.raises(Pruned) as stop:
        fit(study, tmp_path, [0.9], before=2)  # epochs count over all stages
    assert stop.value.epoch == 3


def test_a_missing_journal_or_trial_is_named(study: optuna.Study, tmp_path: Path) -> None:
    with pytest.raises(ArtclfError, match="there is no such file here"):
        open_trial(PruningConfig(storage=str(tmp_path / "nowhere"), trial=0))
    with pytest.raises(ArtclfError, match=r"pruning\.trial=77: .* holds no such trial"):
        open_trial(PruningConfig(storage=str(tmp_path / JOURNAL_FILE), trial=77))
