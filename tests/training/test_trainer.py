from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch

from artclf.errors import ArtclfError
from artclf.training.trainer import EpochTable, TimeEstimate


def train_epoch(table: EpochTable, epoch: int, loss: float) -> None:
    """As Lightning does."""
    figures = {"val/loss": loss, "val/accuracy": 0.5, "val/auroc": 0.6, "train/loss": loss / 2, "train/accuracy": 0.7, "x": 1.0}
    trainer: Any = SimpleNamespace(
        optimizers=[SimpleNamespace(param_groups=[{"lr": 0.1 / (epoch + 1)}])],
        callback_metrics={name: torch.tensor(value, dtype=torch.float64) for name, value in figures.items()},
    )
    table.on_train_epoch_start(trainer, None)  # type: ignore[arg-type]
    table.on_train_epoch_end(trainer, SimpleNamespace(stage=SimpleNamespace(optim=SimpleNamespace(lr=0.1))))


def test_a_stage_that_continues_has_the_epochs_of_its_checkpoint_and_no_others(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    train_epoch(EpochTable(file, "head"), 0, 1 / 3)
    killed = EpochTable(file, "last10", ["head"])
    train_epoch(killed, 0, 0.5)
    kept = {**killed.state_dict(), "rows": list(killed.rows)}
    whole = file.read_text()
    train_epoch(killed, 1, 0.4)  # an epoch after the checkpoint
    again = EpochTable(file, "last10", ["head"])
    again.load_state_dict(kept)
    assert file.read_text() == whole
    train_epoch(again, 1, 0.3)
    table = pd.read_csv(file, dtype=str)
    assert table["epoch"].tolist() == ["1", "2", "3"]
    assert table["val/loss"].tolist() == [repr(1 / 3), "0.5", "0.3"]
    train_epoch(EpochTable(file, "head"), 0, 0.8)  # again: with callbacks=none nothing of it was kept
    assert pd.read_csv(file)[["stage", "epoch"]].to_numpy().tolist() == [["head", 1]]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path, loss: float) -> None:
    file = tmp_path / "metrics.csv"
    said = r"stages.head: train/loss became (nan|inf): training diverged; type a smaller .* 0\.1$"
    with pytest.raises(ArtclfError, match=said):
        train_epoch(EpochTable(file, "head"), 0, loss)
    train_epoch(EpochTable(file, "last10", ["head"]), 0, 0.5)
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    assert table["val/loss"].tolist() == ["" if loss != loss else "inf", "0.5"]  # noqa: PLR0124 (NaN)


@pytest.mark.parametrize(
    ("seconds", "resumed", "said"),
    [
        (2.1, 0, ["stage all: about 17 min for up to 10 epochs at 2.1 s a step"]),  # 48 steps an epoch, 10 of them
        (12.0, 4, ["stage all: about 58 min for up to 6 epochs at 12 s a step"]),
        (0.1, 0, []),  # 48 s in all
        (20.0, 0, ["stage all: about 2 h 40 min for up to 10 epochs at 20 s a step"]),
    ],
)
def test_a_long_stage_says_once_how_long_it_will_take(
    seconds: float, resumed: int, said: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [100.0]
    monkeypatch.setattr("artclf.training.trainer.time.perf_counter", lambda: clock[0])
    caplog.set_level("INFO")
    estimate = TimeEstimate("all")
    for step in range(200):
        clock[0] += 60.0 if step == 0 else seconds  # the first step is a slow one
        epoch = resumed + step // 40
        trainer: Any = SimpleNamespace(max_epochs=10, current_epoch=epoch, num_training_batches=40, num_val_batches=[8])
        estimate.on_train_batch_end(trainer, None, None, None, step)
    assert [record.message for record in caplog.records] == said
