"""A run is a list of stages: each a fit of its own, from the best weights of the stage before."""

import logging
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_only
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from artclf.errors import ArtclfError
from artclf.model.checkpoint import CheckpointFiles, read_checkpoint
from artclf.model.classifier import ArtClassifier
from artclf.model.features import FeatureCache
from artclf.model.optimizers import RATE_BATCH, scaled_rate
from artclf.run_folder import CHECKPOINTS, first_mismatch, replacing
from artclf.runtime import is_main_process
from artclf.training.build import Built
from artclf.training.loggers import RunLogger, run_ids
from artclf.training.resume import StageRecord
from artclf.training.trainer import EpochTable, interruptible, make_trainer

log = logging.getLogger(__name__)


def fit_stages(
    built: Built, folder: Path, features: FeatureCache, loggers: Sequence[RunLogger], started: float
) -> list[StageRecord]:
    """Fit the stages that are not finished, and leave the best weights of all in the model and in best.ckpt.

    Where the run continues, its next stage starts from last.ckpt. progress.json is written at the end of each stage, with the
    seconds since `started` (by `time.perf_counter`). ArtclfError where training diverges.
    """
    config, progress, model, mode = built.config, built.progress, built.model, built.config.monitor.mode
    checkpoints = folder / CHECKPOINTS
    depths = list(built.depths.values())
    records = list(progress.stages)
    batch = config.data.batch_size * config.trainer.accumulate_grad_batches

    def save_progress() -> None:
        if is_main_process():
            seconds = round(time.perf_counter() - started, 2)
            replace(progress, stages=records, loggers=run_ids(loggers), seconds=seconds).save(folder)

    save_progress()
    if records:
        log.info("already finished: stage %s", ", ".join(record.name for record in records))
        _load_weights(model, checkpoints / str(records[-1].checkpoint))
    for number, (name, stage) in list(enumerate(config.stages.items()))[len(records) :]:
        lightning.seed_everything(config.seed + number, workers=True, verbose=False)  # whatever the stage before has drawn
        model.begin(stage, depths[number], config.seed + number, batch)
        log.info("stage %s: %s", name, model.what_trains())
        if batch > RATE_BATCH:
            rate = scaled_rate(stage.optim, batch)
            line = "its learning rate of %g is stated for steps of %d images; for %d it is %.3g"
            log.info(line, stage.optim.lr, RATE_BATCH, batch, rate)
        for logger in loggers:
            logger.follow(records)
        trainer = make_trainer(config, folder, built.precision, name, loggers)
        features.prepare(name, depths[number], trainer, later=depths[number + 1 :])
        if config.trainer.compile:
            model.compile_what_trains()
        last = find_last_checkpoint(checkpoints, name) if progress.resumed else None
        with interruptible(trainer):
            trainer.fit(model, datamodule=built.data, ckpt_path=last, weights_only=True)
        record = _finish_stage(trainer, built, name, epochs_before=sum(earlier.epochs for earlier in records))
        records.append(record)
        if record.checkpoint and best_record(records, mode) is record:
            _link_or_copy(checkpoints / record.checkpoint, checkpoints / "best.ckpt")
        save_progress()
    winner = best_record(records, mode)
    if winner is not records[-1]:
        log.info("the best weights are those of stage %s, epoch %d", winner.name, winner.best_epoch)
        _load_weights(model, checkpoints / "best.ckpt")
    return records


def best_record(records: list[StageRecord], mode: str) -> StageRecord:
    """The stage whose weights are tested: the best by the monitored metric, or the last where no weights were kept."""
    scored = [record for record in records if record.score is not None]
    choose = min if mode == "min" else max
    return choose(scored, key=attrgetter("score"), default=records[-1])


class LastCheckpoint(TypedDict):
    """What a run continues from, besides what `read_checkpoint` looks at."""

    epoch: int
    global_step: int
    loops: dict[str, Any]
    state_dict: dict[str, Any]
    optimizer_states: list[dict[str, Any]]
    lr_schedulers: list[dict[str, Any]]
    callbacks: dict[str, dict[str, Any]]


def find_last_checkpoint(checkpoints: Path, stage: str) -> Path | None:
    """Find last.ckpt, if it is of this stage, and let all files that it names be files in this folder.

    Lightning removes a checkpoint that it names as worse than a new one, and the run folder may have been moved, or be someone
    else's.
    """
    file = checkpoints / "last.ckpt"
    content = read_checkpoint(file) if file.exists() else {}
    try:
        if content:
            TypeAdapter(LastCheckpoint).validate_python(content)
    except ValidationError as error:
        raise ArtclfError(
            f"{file}: is not what a run writes ({first_mismatch(error)}); remove it, and stage {stage} begins anew"
        ) from error
    callbacks = content.get("callbacks", {})  # pydantic's are copies, and paths are changed below
    if callbacks.get("EpochTable", {}).get("stage") != stage:
        log.info("it starts with its first epoch: there is no last.ckpt of it")
        return None
    here = os.path.realpath(checkpoints)  # as ModelCheckpoint keeps paths

    def inside(path: str) -> str:
        return path and f"{here}/{Path(path).stem}.ckpt"

    for state in (state for state in callbacks.values() if "best_k_models" in state):
        state |= {key: inside(state[key]) for key in ("best_model_path", "kth_best_model_path", "last_model_path")}
        state["dirpath"] = here
        state["best_k_models"] = {inside(path): score for path, score in state["best_k_models"].items()}
    if is_main_process():
        CheckpointFiles().save_checkpoint(content, file)
    log.info("it continues from %s", file)
    return file


def _finish_stage(trainer: Trainer, built: Built, name: str, epochs_before: int) -> StageRecord:
    """Load the best weights of a stage that has been fitted, complete its checkpoints, and return its record."""
    model = built.model
    table = next(c for c in trainer.callbacks if isinstance(c, EpochTable))  # type: ignore[attr-defined]
    keepers = [callback for callback in trainer.checkpoint_callbacks if isinstance(callback, ModelCheckpoint)]
    best = next((callback for callback in keepers if callback.filename == name and callback.best_model_path), None)
    trainable = model.trainable_parameters()
    best_epoch = len(table.rows)
    if best is not None:
        best_epoch = _load_weights(model, Path(best.best_model_path))
    _complete_checkpoints(keepers, model)
    model.end()
    return StageRecord(
        name=name,
        unfreeze=built.config.stages[name].unfreeze,
        layers=built.depths[name],
        trainable_parameters=trainable,
        epochs=len(table.rows),
        best_epoch=epochs_before + best_epoch,
        score=float(best.best_model_score) if best is not None and best.best_model_score is not None else None,
        seconds=round(table.seconds, 2),
        checkpoint=Path(best.best_model_path).name if best is not None else None,
        steps=trainer.global_step,
    )


def _load_weights(model: ArtClassifier, file: Path) -> int:
    """Load a stage's weights and return their epoch, counted from 1 in the stage."""
    checkpoint = read_checkpoint(file)
    model.on_load_checkpoint(checkpoint)
    model.load_weights(checkpoint["state_dict"])
    return int(checkpoint["epoch"]) + 1


@rank_zero_only
def _complete_checkpoints(keepers: list[ModelCheckpoint], model: ArtClassifier) -> None:
    """Add the frozen layers to the checkpoints of a finished stage, so that each can be used alone.

    last.ckpt is left as it is: it is there to continue from, and would be most of what a run writes.
    """
    files = {Path(file) for c in keepers for file in (c.best_model_path, *c.best_k_models) if file}
    for file in sorted(files):
        if file.is_file() and file.name != "last.ckpt":
            checkpoint = read_checkpoint(file)
            model.on_load_checkpoint(checkpoint)
            checkpoint["state_dict"] = model.merged(checkpoint["state_dict"])
            CheckpointFiles().save_checkpoint(checkpoint, file)


@rank_zero_only
def _link_or_copy(source: Path, target: Path) -> None:
    """Let `target` be the same file as `source` (a hard link; a copy where the file system has none)."""
    with replacing(target) as new:
        try:
            os.link(source, new)
        except OSError:
            shutil.copyfile(source, new)
