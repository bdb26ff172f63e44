"""One experiment from first to last."""

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch._dynamo.exc import TorchDynamoException

from artclf.config.mistakes import part_mistakes, schema_mistakes, validate
from artclf.config.schema import Config
from artclf.data.canonical import Canonical
from artclf.data.module import ArtData
from artclf.errors import ArtclfError
from artclf.evaluation.conformal import decision_metrics, fit_to_validation
from artclf.evaluation.decision import with_verdicts
from artclf.evaluation.metrics import split_metrics
from artclf.inference.forms import judge_both_forms
from artclf.model.features import PrefixCache
from artclf.model.heads import HEADS
from artclf.model.losses import LOSSES
from artclf.model.precision import resolve_precision
from artclf.report.summary import guessing
from artclf.run_folder import PROGRESS_FILE, write_text
from artclf.training.build import build_model, load_backbone, told_fallbacks
from artclf.training.limits import require_memory, size_mistakes
from artclf.training.record import (
    balance_facts,
    data_facts,
    device_name,
    git_commit,
    model_facts,
    save_judge,
    tested_predictions,
    versions,
    write_run,
)
from artclf.training.resume import begin
from artclf.training.stages import StageRecord, best_record, fit_stages, is_main_process
from artclf.training.trainer import lies_outside, make_trainer, target_mistakes, trust_hint

log = logging.getLogger(__name__)

QUIET = (  # what Lightning warns of, and a run of artclf means so
    ".*does not have many workers.*",  # data.num_workers says how many
    ".*smaller than the logging interval.*",  # figures are logged by epoch
    ".*Checkpoint directory .* exists and is not empty.*",  # the stages of a run share one
    ".*module.s. in eval mode at the start of training.*",  # what is frozen is
    ".*LeafSpec.* is deprecated.*",  # Lightning 2.6 under torch 2.15
)


def mistakes(composed: DictConfig, run: Path | None = None, *, here: bool = True) -> list[str]:
    """Return a line for every mistake in a configuration: in the schema, and in the options of its parts.

    Args:
        composed: what Hydra composed, or config.yaml of a run folder.
        run: that folder, where the user has not said that they trust it.
        here: whether it is to run on this machine, which then needs room for it.
    """
    lines = schema_mistakes(composed)
    try:
        values: Any = OmegaConf.to_container(composed, resolve=True)
    except OmegaConfBaseException:
        return lines  # which tell of it
    parts: Any = (("head", HEADS, {"features"}), ("loss", LOSSES, {"pos_weight"}))
    for group, classes, given in parts:
        if isinstance(values.get(group), dict) and "name" in values[group]:
            lines += part_mistakes(group, values[group], classes, given)
    data = values.get("data") or {}
    if run is not None and data.get("source") == "demo" and data.get("root") and lies_outside("root", data["root"], run):
        lines.append(f"data.root: got {data['root']}, where demo pictures would be drawn; {trust_hint(run)}")
    if here and not lines:
        lines += size_mistakes(validate(composed))
    return lines + target_mistakes(values, run)


def run(composed: DictConfig, folder: Path, command: str, fallbacks: Sequence[str] = ()) -> dict[str, Any]:
    """Train, test and report; or go on with a run that was interrupted.

    Args:
        composed: what Hydra composed, without its own part. With `resume.folder`, all else in it is left aside: the run
            goes on as its config.yaml says.
        folder: the run folder; without `resume`, it holds no other run.
        command: the command line, for the report.
        fallbacks: what its surroundings do otherwise than they should, for metrics.json and the report.

    Returns:
        What metrics.json holds.

    Raises:
        ArtclfError: where something is wrong that the user can mend; KeyboardInterrupt where the user stopped it.
    """
    began = time.perf_counter()
    config, progress = begin(folder, composed, command, mistakes)
    for message in QUIET:
        warnings.filterwarnings("ignore", message)
    _require_accelerator(config.trainer.accelerator)
    lightning.seed_everything(config.seed, workers=True, verbose=False)

    backbone = load_backbone(config, progress)
    precision = progress.precision or resolve_precision(config.trainer.precision, config.trainer.accelerator)
    require_memory(config, backbone, precision)
    data = ArtData(
        config.data,
        config.augment,
        config.balance.name,
        config.seed,
        backbone.interpolation,
        config.cache,
        config.holdout,
    )
    data.read(folder if is_main_process() else None)
    data.tell()
    _require_both_classes(config, data)
    model = build_model(config, backbone, data.plan.pos_weight, data.canonical)
    depths = {
        name: model.layers.resolve(
            stage.unfreeze,
            key=f"stages.{name}.unfreeze",
            pretrained=backbone.weights != "random",
            last_block=backbone.last_block,
        )
        for name, stage in config.stages.items()
    }
    config = _resolve_stages(config, depths, pretrained=backbone.weights != "random")
    now = versions()
    fallbacks = [*fallbacks, *told_fallbacks(config, backbone, depths), *progress.changes(data.manifest.sha256, now, folder)]
    if is_main_process():
        layout = "channels-last" if config.trainer.channels_last else "channels-first"
        log.info("computing with %s precision and %s maps, %d threads on a CPU", precision, layout, torch.get_num_threads())
    # in mixed precision Lightning can't clip what a fused optimiser may unscale itself
    model.fused = precision == "32-true" or config.trainer.gradient_clip_val is None
    # deterministic algorithms would also fill all memory before it is written to, which costs a fifth of a step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if is_main_process():
        write_text(folder / "manifest.csv", data.manifest.to_csv())
    began -= progress.seconds
    progress = replace(
        progress,
        weights=backbone.weights,
        fallback=backbone.fallback,
        precision=precision,
        manifest_sha256=data.manifest.sha256,
        versions=progress.versions or now,
    )

    def keep(records: list[StageRecord]) -> None:
        if is_main_process():
            replace(progress, stages=records, seconds=round(time.perf_counter() - began, 2)).save(folder)

    trainer_of = partial(make_trainer, config, folder, precision=precision)
    keep(progress.stages)
    with closing(PrefixCache(model, data, config.cache)) as frozen, _compiler_told():
        records = fit_stages(
            model,
            data,
            config.stages,
            depths,
            mode=config.monitor.mode,
            seed=config.seed,
            make_trainer=trainer_of,
            checkpoints=folder / "checkpoints",
            finished=progress.stages,
            resume=progress.resumed > 0,
            frozen=frozen,
            compiled=config.trainer.compile,
            on_finished=keep,
        )
        trainer = trainer_of("test", None)
        winner = best_record(records, config.monitor.mode)
        frozen.offer(max(record.layers for record in records[: records.index(winner) + 1]), trainer)
        trainer.test(model, datamodule=data, verbose=False)
    predictions = tested_predictions(model, data)
    judge = fit_to_validation(predictions, **config.calibration.model_dump())
    predictions = with_verdicts(predictions, judge)
    metrics = {
        **{split: split_metrics(predictions[predictions["split"] == split]) for split in data.manifest.evaluated},
        **decision_metrics(predictions, judge),
        "stages": [record.to_json() for record in records],
        "best": {"stage": winner.name, "epoch": winner.best_epoch, config.monitor.metric: winner.score},
        "model": model_facts(model),
        "data": data_facts(data),
        "balance": balance_facts(data),
        "seed": config.seed,
        "precision": precision,
        "device": device_name(trainer.strategy.root_device),
        "command": progress.command,
        "resumed": progress.resumed,
        "versions": now,
        "git": git_commit(),
        "fallbacks": [*fallbacks, *data.fallbacks, *judge.shortfalls()],
    }
    if (line := guessing(metrics)) is not None:
        log.warning("%s", line)
    if is_main_process():
        if config.audit.pictures:
            metrics["forms"] = judge_both_forms(
                model.to(trainer.strategy.root_device).eval(),
                data.manifest.root,
                predictions,
                Canonical.described(config.data),
                precision,
                pictures=config.audit.pictures,
                seed=config.seed,
            )
        save_judge(folder, judge)
        write_run(folder, metrics, data, model, records, predictions, began, config.audit.pictures, report=config.report)
        (folder / PROGRESS_FILE).unlink()
    return metrics


@contextmanager
def _compiler_told() -> Iterator[None]:
    try:
        yield
    except TorchDynamoException as error:
        reason = str(error).strip().splitlines()[0]
        raise ArtclfError(f"trainer.compile=true: can't compile here ({reason}); type trainer.compile=false") from error


def _resolve_stages(config: Config, depths: dict[str, int], *, pretrained: bool) -> Config:
    """The configuration with each stage's `auto` replaced: by another recipe where it is the first to train random weights."""
    stages, deepest = {}, 0
    for name, stage in config.stages.items():
        from_scratch = not pretrained and depths[name] > deepest
        deepest = max(deepest, depths[name])
        stages[name] = stage.resolved(from_scratch=from_scratch)
        if from_scratch and stages[name] != stage:
            settings = (name, stages[name].schedule, stages[name].max_epochs, stages[name].patience)
            log.info("stage %s trains random weights, by a recipe of its own: schedule=%s max_epochs=%s patience=%s", *settings)
    return config.model_copy(update={"stages": stages})


def _require_both_classes(config: Config, data: ArtData) -> None:
    labels = data.manifest.split("val")["label"].unique()
    monitors = {f"callbacks.{name}.monitor": c.options.get("monitor") for name, c in config.callbacks.items() if c}
    asking = [key for key, metric in {"monitor.metric": config.monitor.metric, **monitors}.items() if metric == "val/auroc"]
    if asking and len(labels) < 2:
        raise ArtclfError(
            f"{', '.join(asking)}: got val/auroc, but the val split holds {' and '.join(labels)} images alone, for which there "
            "is no AUROC; choose val/loss, or give val images of both classes"
        )


def _require_accelerator(accelerator: str) -> None:
    if accelerator == "gpu" and not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        raise ArtclfError("trainer.accelerator=gpu: there is no GPU that torch can use here; type trainer=cpu or trainer=auto")
