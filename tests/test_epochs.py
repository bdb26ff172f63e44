from pathlib import Path

import pandas as pd

from artclf.epochs import COLUMNS, EpochTable


def log_epoch(table: EpochTable, epoch: int, loss: float) -> None:
    """As Lightning does: the learning rate without an epoch, then validation, then training."""
    table.log_metrics({"lr-Adam": 0.1 / (epoch + 1)}, step=epoch)
    table.log_metrics({"val/loss": loss, "val/accuracy": 0.5, "val/auroc": 0.6, "epoch": epoch}, step=epoch)
    table.log_metrics({"train/loss": loss / 2, "train/accuracy": 0.7, "epoch": epoch}, step=epoch)
    table.save()


def test_an_epoch_is_a_row_and_stages_follow_each_other(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    head = EpochTable(file, "head")
    log_epoch(head, 0, 0.8)
    log_epoch(head, 1, 0.6)
    log_epoch(EpochTable(file, "last10"), 0, 0.4)
    table = pd.read_csv(file)
    assert table.columns.tolist() == COLUMNS
    assert table["stage"].tolist() == ["head", "head", "last10"]
    assert table["epoch"].tolist() == [1, 2, 3]
    assert table["val/loss"].tolist() == [0.8, 0.6, 0.4]
    assert table["train/loss"].tolist() == [0.4, 0.3, 0.2]
    assert table["learning_rate"].tolist() == [0.1, 0.05, 0.1]
    assert (table["seconds"] >= 0).all()


def test_an_interrupted_epoch_is_kept_with_what_is_known(tmp_path: Path) -> None:
    table = EpochTable(tmp_path / "metrics.csv", "head")
    table.log_metrics({"val/loss": 0.5, "epoch": 0})
    table.save()
    row = pd.read_csv(tmp_path / "metrics.csv").iloc[0]
    assert row["val/loss"] == 0.5
    assert pd.isna(row["train/loss"])
