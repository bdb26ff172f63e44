"""A run is a list of stages: each a fit of its own, from the best weights of the stage before."""

import logging
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerStatus
from lightning.pytorch.utilities import rank_zero_only

from artclf.config import MonitorConfig, StageConfig
from artclf.data.module import ArtData
from artclf.errors import ArtclfError
from artclf.model.classifier import ArtClassifier

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageRecord:
    """What became of a stage.

    Attributes:
        name: the stage's.
        unfreeze: as the configuration said.
        layers: how many layers of the body trained.
        trainable_parameters: how many numbers trained, the head's included.
        epochs: how many it took.
        best_epoch: of its best weights, counted from 1 over all stages.
        score: the monitored figure at that epoch; None where no checkpoint was kept.
        seconds: how long it took.
    """

    name: str
    unfreeze: int | str
    layers: int
    trainable_parameters: int
    epochs: int
    best_epoch: int
    score: float | None
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for metrics.json."""
        return asdict(self)


def fit_stages(
    model: ArtClassifier,
    data: ArtData,
    stages: dict[str, StageConfig],
    depths: dict[str, int],
    *,
    monitor: MonitorConfig,
    seed: int,
    make_trainer: Callable[[str, StageConfig], Trainer],
    checkpoints: Path,
) -> list[StageRecord]:
    """Fit one stage after the other, and leave the best weights of all in the model and in best.ckpt.

    Args:
        model: the classifier.
        data: its data.
        stages: the stages, in order.
        depths: how many layers each unfreezes.
        monitor: by what the best weights are chosen.
        seed: each stage begins from it, whatever the stage before has drawn.
        make_trainer: gives a stage's Trainer; a ModelCheckpoint with a monitor among its callbacks keeps the best weights.
        checkpoints: the folder of best.ckpt.

    Raises:
        ArtclfError: where training diverges.
        KeyboardInterrupt: where a user stopped it; last.ckpt is written before.
    """
    records: list[StageRecord] = []
    winner: StageRecord | None = None
    epochs_before = 0
    for number, (name, stage) in enumerate(stages.items()):
        lightning.seed_everything(seed + number, workers=True, verbose=False)
        model.begin(stage, depths[name])
        log.info("stage %s: %s", name, model.what_trains())
        trainer = make_trainer(name, stage)
        began = time.perf_counter()
        _fit(trainer, model, data)
        best = next((c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint) and c.monitor), None)
        record = StageRecord(
            name,
            stage.unfreeze,
            depths[name],
            model.trainable_parameters(),
            trainer.current_epoch,
            epochs_before + _load_best(model, best, trainer.current_epoch),
            _score(best, name, stage, monitor),
            round(time.perf_counter() - began, 2),
        )
        epochs_before += record.epochs
        records.append(record)
        if best is None or winner is None or _better(record, winner, monitor.mode):
            winner = record
            if best is not None:
                _publish(Path(best.best_model_path), checkpoints / "best.ckpt")
    if winner is not records[-1] and winner is not None:
        log.info("the best weights are those of stage %s, epoch %d", winner.name, winner.best_epoch)
        model.load_state_dict(_weights(checkpoints / "best.ckpt"))
    return records


def best_record(records: list[StageRecord], mode: str) -> StageRecord:
    """The stage whose weights are tested: the best by the monitored figure, or the last where none was kept."""
    best = records[0]
    for record in records[1:]:
        best = record if _better(record, best, mode) else best
    return best


def _better(one: StageRecord, other: StageRecord, mode: str) -> bool:
    if one.score is None or other.score is None:
        return True
    return one.score < other.score if mode == "min" else one.score > other.score


def _fit(trainer: Trainer, model: ArtClassifier, data: ArtData) -> None:
    try:
        trainer.fit(model, datamodule=data)
    except SystemExit as stop:  # what Lightning makes of Ctrl-C, after its clean-up
        if trainer.state.status == TrainerStatus.INTERRUPTED:
            raise KeyboardInterrupt from stop
        raise


def _load_best(model: ArtClassifier, best: ModelCheckpoint | None, epochs: int) -> int:
    """Load the stage's best weights and return their epoch, counted from 1 in the stage."""
    if best is None or not best.best_model_path:
        return epochs
    checkpoint = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
    model.load_state_dict(checkpoint["state_dict"])
    return int(checkpoint["epoch"]) + 1


def _weights(file: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = torch.load(file, map_location="cpu", weights_only=True)["state_dict"]
    return weights


def _score(best: ModelCheckpoint | None, name: str, stage: StageConfig, monitor: MonitorConfig) -> float | None:
    if best is None:
        return None
    score = None if best.best_model_score is None else float(best.best_model_score)
    if score is None or not torch.isfinite(torch.tensor(score)):
        raise ArtclfError(
            f"stages.{name}: {monitor.metric} became {score}: training diverged; "
            f"type a smaller stages.{name}.optim.lr than {stage.optim.lr:g}"
        )
    return score


def is_main_process() -> bool:
    """Whether this is the process that writes: the only one, or the first of several."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0


@rank_zero_only
def _publish(source: Path, target: Path) -> None:
    """Let `target` be the same file as `source` (a hard link; a copy where the file system has none)."""
    beside = target.with_suffix(".new")
    try:
        os.link(source, beside)
    except OSError:
        shutil.copyfile(source, beside)
    beside.replace(target)
