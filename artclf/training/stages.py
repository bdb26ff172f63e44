"""A run is a list of stages: each a fit of its own, from the best weights of the stage before."""

import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerStatus
from lightning.pytorch.utilities import rank_zero_only

from artclf.config.schema import StageConfig
from artclf.data.module import ArtData
from artclf.errors import ArtclfError
from artclf.model.checkpoint import CheckpointFiles, read_checkpoint
from artclf.model.classifier import ArtClassifier
from artclf.model.features import FeatureCache
from artclf.training.epochs import EpochTable

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
        seconds: how long its epochs took.
        checkpoint: the file of its best weights, relative to checkpoints/; None where none was kept.
    """

    name: str
    unfreeze: int | str
    layers: int
    trainable_parameters: int
    epochs: int
    best_epoch: int
    score: float | None
    seconds: float
    checkpoint: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for metrics.json."""
        return asdict(self)


def fit_stages(
    model: ArtClassifier,
    data: ArtData,
    stages: dict[str, StageConfig],
    depths: dict[str, int],
    *,
    mode: str,
    seed: int,
    make_trainer: Callable[[str, StageConfig], Trainer],
    checkpoints: Path,
    finished: Sequence[StageRecord] = (),
    resume: bool = False,
    features: FeatureCache,
    compiled: bool = False,
    on_finished: Callable[[list[StageRecord]], None],
) -> list[StageRecord]:
    """Fit one stage after the other, and leave the best weights of all in the model and in best.ckpt.

    Args:
        model: the classifier.
        data: its data.
        stages: the stages, in order.
        depths: how many layers each unfreezes.
        mode: whether the monitored figure is better when it is smaller (min) or larger (max).
        seed: each stage begins from it, whatever the stage before has drawn.
        make_trainer: gives a stage's Trainer, with an EpochTable; a ModelCheckpoint whose file is named after the stage keeps
            the best weights.
        checkpoints: the folder of best.ckpt, and of last.ckpt from which an interrupted stage goes on.
        finished: records of the first stages, where an earlier process has finished them; each with its checkpoint.
        resume: whether the stage that an earlier process did not finish goes on from last.ckpt.
        features: computes what a stage's frozen layers give once, where that can be.
        compiled: whether what trains is compiled.
        on_finished: called with all records at the end of each stage.

    Raises:
        ArtclfError: where training diverges, or last.ckpt is not what a run writes.
        KeyboardInterrupt: where a user stopped it.
    """
    records = list(finished)
    if records:
        log.info("already finished: stage %s", ", ".join(record.name for record in records))
        model.load_state_dict(_weights(checkpoints / str(records[-1].checkpoint)))
    for number, (name, stage) in list(enumerate(stages.items()))[len(records) :]:
        lightning.seed_everything(seed + number, workers=True, verbose=False)
        model.begin(stage, depths[name], seed + number)
        log.info("stage %s: %s", name, model.what_trains())
        trainer = make_trainer(name, stage)
        features.prepare(
            name,
            depths[name],
            trainer,
            later=[depths[later] for later in list(stages)[number + 1 :]],
            trained=max((record.layers for record in records), default=0),
        )
        if compiled:
            model.compile_what_trains()
        _fit(trainer, model, data, _where_it_stood(checkpoints, name) if resume else None)
        table = next(c for c in trainer.callbacks if isinstance(c, EpochTable))  # type: ignore[attr-defined]
        best = next((c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint) and c.filename == name), None)
        file = Path(best.best_model_path) if best is not None and best.best_model_path else None
        best_epoch = _load_best(model, file) if file else len(table.rows)
        _complete_checkpoints(trainer, model)
        record = StageRecord(
            name=name,
            unfreeze=stage.unfreeze,
            layers=depths[name],
            trainable_parameters=model.trainable_parameters(),
            epochs=len(table.rows),
            best_epoch=sum(r.epochs for r in records) + best_epoch,
            score=float(best.best_model_score) if best is not None and best.best_model_score is not None else None,
            seconds=round(table.seconds, 2),
            checkpoint=file.name if file else None,
        )
        records.append(record)
        if file and best_record(records, mode) is record:
            _publish(file, checkpoints / "best.ckpt")
        on_finished(records)
    winner = best_record(records, mode)
    if winner is not records[-1]:
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


def _fit(trainer: Trainer, model: ArtClassifier, data: ArtData, checkpoint: Path | None) -> None:
    if checkpoint is not None:
        log.info("it goes on from %s", checkpoint)
    try:
        trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as stop:  # what Lightning makes of Ctrl-C, after its clean-up
        if trainer.state.status == TrainerStatus.INTERRUPTED:
            raise KeyboardInterrupt from stop
        raise


def _where_it_stood(checkpoints: Path, stage: str) -> Path | None:
    """last.ckpt, where it is of this stage; its paths are mended where the run folder has been moved."""
    file = checkpoints / "last.ckpt"
    content = torch.load(file, map_location="cpu", weights_only=True) if file.exists() else {"callbacks": {}}
    callbacks: dict[str, dict[str, Any]] = content["callbacks"]
    table = callbacks.get("EpochTable", {})
    if table.get("stage") != stage:
        log.info("it begins with its first epoch: there is no last.ckpt of it")
        return None
    # ModelCheckpoint keeps real paths, of files that it removes when better ones come
    here, there = os.path.realpath(checkpoints), str(Path(table["folder"], checkpoints.name))
    for state in (state for state in callbacks.values() if "best_k_models" in state):
        state["dirpath"] = here if state["dirpath"] == there else state["dirpath"]
        for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
            state[key] = state[key].replace(there, here, 1)
        state["best_k_models"] = {path.replace(there, here, 1): score for path, score in state["best_k_models"].items()}
        paths = [state["best_model_path"], state["kth_best_model_path"], state["last_model_path"], *state["best_k_models"]]
        if state["dirpath"] != here or any(p and os.path.realpath(p) != f"{here}/{Path(p).name}" for p in paths):
            raise ArtclfError(f"{file}: names files outside of {checkpoints}; begin the run anew")
    if here != there and is_main_process():
        CheckpointFiles().save_checkpoint(content, file)
    return file


def _load_best(model: ArtClassifier, file: Path) -> int:
    """Load a stage's best weights and return their epoch, counted from 1 in the stage."""
    checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    model.on_load_checkpoint(checkpoint)
    model.load_state_dict(checkpoint["state_dict"])
    return int(checkpoint["epoch"]) + 1


def _complete_checkpoints(trainer: Trainer, model: ArtClassifier) -> None:
    """Put into the checkpoints of a stage that has ended what they lack, so that each stands for itself.

    But for last.ckpt, which is there to go on from: with each stage's frozen layers, of each run of a sweep, it would be most
    of what a run writes.
    """
    if not is_main_process():
        return
    files: set[str] = set()
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint):
            files |= {callback.best_model_path, callback.last_model_path, *callback.best_k_models}
    for file in sorted(files - {""}):
        if Path(file).is_file() and Path(file).name != "last.ckpt":
            checkpoint = torch.load(file, map_location="cpu", weights_only=True)
            model.on_load_checkpoint(checkpoint)
            CheckpointFiles().save_checkpoint(checkpoint, file)


def _weights(file: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = read_checkpoint(file)["state_dict"]
    return weights


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
