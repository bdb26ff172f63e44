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
from artclf.sweep.pruning import STUDY, pruning_callback, storage

pytestmark = pytest.mark.filterwarnings("default")  # Lightning on how few batches and workers these fits have


class Told(lightning.LightningModule):
    """Logs the figures that it was given, an epoch each."""

    def __init__(self, figures: list[float]) -> None:
        super().__init__()
        self.figures = figures
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: object, batch_idx: int) -> torch.Tensor:
        return self.weight.sum()

    def validation_step(self, batch: object, batch_idx: int) -> None:
        self.log("val/loss", self.figures[self.current_epoch])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    """Two finished trials: 0.5, 0.4, 0.3 and 0.6, 0.5, 0.4."""
    study = optuna.create_study(study_name=STUDY, storage=storage(tmp_path / JOURNAL_FILE))
    study.set_user_attr("pruner", {"name": "median", "startup_trials": 2, "warmup_epochs": 1})
    for first in (0.5, 0.6):
        trial = study.ask()
        for epoch in range(3):
            trial.report(first - 0.1 * epoch, epoch + 1)
        study.tell(trial, first - 0.2)
    return study


def fit(study: optuna.Study, tmp_path: Path, figures: list[float], before: int = 0) -> tuple[optuna.Trial, Trainer]:
    trial = study.ask()
    callback = pruning_callback(PruningConfig(storage=str(tmp_path / JOURNAL_FILE), trial=trial._trial_id), "val/loss", before)
    loader = DataLoader(TensorDataset(torch.zeros(1)))
    trainer = Trainer(
        max_epochs=len(figures),
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        num_sanity_val_steps=0,
    )
    trainer.fit(Told(figures), loader, loader)
    return trial, trainer


def reported(study: optuna.Study, number: int) -> dict[int, float]:
    return study.trials[number].intermediate_values


def test_a_good_trial_goes_on_to_its_end(study: optuna.Study, tmp_path: Path) -> None:
    trial, trainer = fit(study, tmp_path, [0.5, 0.4, 0.2])
    assert trainer.current_epoch == 3
    assert reported(study, trial.number) == pytest.approx({1: 0.5, 2: 0.4, 3: 0.2})


def test_a_hopeless_trial_is_stopped_after_its_epoch_but_not_its_first(study: optuna.Study, tmp_path: Path) -> None:
    with pytest.raises(Pruned) as stop:
        fit(study, tmp_path, [0.9, 0.8, 0.1])
    assert (stop.value.epoch, stop.value.metric, stop.value.value) == (2, "val/loss", pytest.approx(0.8))
    assert reported(study, 2) == pytest.approx({1: 0.9, 2: 0.8})
    stop.value.write(tmp_path, 1.234)
    assert '"seconds": 1.23' in (tmp_path / "pruned.json").read_text()


def test_epochs_count_over_all_stages(study: optuna.Study, tmp_path: Path) -> None:
    with pytest.raises(Pruned) as stop:
        fit(study, tmp_path, [0.9], before=2)
    assert stop.value.epoch == 3


def test_nothing_is_stopped_before_enough_trials_have_finished(study: optuna.Study, tmp_path: Path) -> None:
    study.set_user_attr("pruner", {"name": "median", "startup_trials": 3, "warmup_epochs": 1})
    _, trainer = fit(study, tmp_path, [0.9, 0.8, 0.7])
    assert trainer.current_epoch == 3


def test_what_diverges_is_left_to_fail_by_itself(study: optuna.Study, tmp_path: Path) -> None:
    trial, trainer = fit(study, tmp_path, [0.5, float("nan"), float("nan")])
    assert trainer.current_epoch == 3
    assert reported(study, trial.number) == pytest.approx({1: 0.5})


def test_a_journal_that_is_not_there_is_named(study: optuna.Study, tmp_path: Path) -> None:
    with pytest.raises(ArtclfError, match="there is no such file here"):
        pruning_callback(PruningConfig(storage=str(tmp_path / "nowhere"), trial=0), "val/loss", 0)
    with pytest.raises(ArtclfError, match=r"pruning\.trial=77: .* holds no such trial"):
        pruning_callback(PruningConfig(storage=str(tmp_path / JOURNAL_FILE), trial=77), "val/loss", 0)
