"""One experiment from first to last."""

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from omegaconf import DictConfig
from PIL import Image
from torch._dynamo.exc import TorchDynamoException

from artclf.data.canonical import Canonical
from artclf.data.manifest import columns_of
from artclf.data.module import COMPARED, ArtData
from artclf.errors import ArtclfError, reason_of
from artclf.evaluation.calibration import fit_decision_rule
from artclf.evaluation.decision import DecisionRule, as_stored, truth
from artclf.inference.assess import AssessOptions, assess, data_facts, environment, model_facts, write_results
from artclf.inference.audit import audit_text
from artclf.model.checkpoint import write_decision_rule
from artclf.model.classifier import ArtClassifier
from artclf.model.features import FeatureCache
from artclf.report.beside import write_beside
from artclf.report.findings import guessing
from artclf.report.run_page import prepare_report, write_report
from artclf.run_folder import CHECKPOINTS, PROGRESS_FILE, write_table
from artclf.runtime import beside, is_main_process
from artclf.training.build import Built, build
from artclf.training.held_out import choose_groups, held_out_scores
from artclf.training.loggers import log_results, open_loggers
from artclf.training.resume import StageRecord, open_run_folder
from artclf.training.stages import best_record, fit_stages
from artclf.training.trainer import interruptible, make_trainer

log = logging.getLogger(__name__)

COPIES = 5  # augmented copies of one image, for the report
IGNORED_WARNINGS = (  # of Lightning, about what is intended here
    ".*does not have many workers.*",  # data.num_workers says how many
    ".*smaller than the logging interval.*",  # metrics are logged by epoch
    ".*Checkpoint directory .* exists and is not empty.*",  # the stages of a run share one
    ".*module.s. in eval mode at the start of training.*",  # what is frozen is
    ".*LeafSpec.* is deprecated.*",  # Lightning 2.6 under torch 2.15
)


def run(composed: DictConfig, folder: Path, command: str, fallbacks: Sequence[str] = ()) -> dict[str, Any]:
    """Train, test and report; or continue an interrupted run.

    Args:
        composed: what Hydra composed, without its own part. With `resume.folder`, the run's config.yaml counts instead.
        folder: the run folder; without `resume`, it holds no other run.
        command: the command line, for the report.
        fallbacks: what differs from what was asked for, for metrics.json and the report.

    Returns:
        The content of metrics.json; in other processes than the first, without the figures.
    """
    started = time.perf_counter()
    for message in IGNORED_WARNINGS:
        warnings.filterwarnings("ignore", message)
    # 1. open the run folder
    config, progress = open_run_folder(folder, composed, command)
    started -= progress.seconds  # spent before an interruption
    # 2. build
    built = build(config, progress, folder)
    config, model, data = built.config, built.model, built.data
    options = _begin_beside(built, folder)
    groups = choose_groups(built)
    features = FeatureCache(model, data, config.cache)
    with open_loggers(config, folder, progress.loggers) as loggers, _compiler_errors():
        # 3. train the stages
        records = fit_stages(built, folder, features, loggers, started)
        # 4. test the best weights
        predictions, compared, device = _test(built, folder, records, features)
        best = best_record(records, config.monitor.mode)
        held_out = held_out_scores(built, groups, best) if groups is not None and is_main_process() else {}
        facts = {
            **_run_facts(built, records),
            **environment(device),
            "command": progress.command,
            "resumed": progress.resumed,
            "fallbacks": [*fallbacks, *built.fallbacks, *data.fallbacks],
        }
        if not is_main_process():
            return facts
        # 5. fit the decision rule
        is_ai, p_ai = truth(predictions[predictions["split"] == "val"])
        rule = fit_decision_rule(is_ai, p_ai, **config.calibration.model_dump(exclude={"by"}), **held_out)
        # 6. assess
        with _written_meanwhile(built, folder, records, rule):
            metrics = assess(folder, model, data.manifest, predictions, rule, facts, replace(options, compared=compared))
        for warning in guessing(metrics):
            log.warning("%s", warning)
        log_results(loggers, metrics, records)
        metrics["fallbacks"] += [line for logger in loggers for line in logger.fallbacks]
        write_results(folder, metrics, started, report=False)
        if config.report:
            write_beside(write_report, folder)
        (folder / PROGRESS_FILE).unlink()
        return metrics


def _begin_beside(built: Built, folder: Path) -> AssessOptions:
    """Let the helper begin with what needs no network: the audit, and what the page will show of the images."""
    config, manifest = built.config, built.data.manifest
    options = AssessOptions(config.audit.images, Canonical.from_config(config.data), config.data.max_pixels)
    options = replace(options, helped=config.report or options.images > 0)
    if options.images and is_main_process():
        options = replace(options, audit=beside(audit_text, *options.to_audit(built.model, manifest)).result)
    if config.report and is_main_process():
        beside(prepare_report, folder, manifest.root)
    return options


@contextmanager
def _written_meanwhile(built: Built, folder: Path, records: list[StageRecord], rule: DecisionRule) -> Iterator[None]:
    """Let a thread write what needs no figures: the checkpoint with its rule, augmented copies, and layers.csv."""
    with ThreadPoolExecutor(1) as writer:
        files = [writer.submit(_write_layers, folder / "layers.csv", built.model, records)]
        if (checkpoint := folder / CHECKPOINTS / "best.ckpt").is_file():
            files.append(writer.submit(partial(write_decision_rule, verify=False), checkpoint, rule))
        if built.config.report:
            files.append(writer.submit(draw_copies, folder / "figures" / "copies.png", built.data))
        yield
        for file in files:
            file.result()


def _test(
    built: Built, folder: Path, records: list[StageRecord], features: FeatureCache
) -> "tuple[pd.DataFrame, pd.Series[float] | None, torch.device]":
    """Test the best weights. Leaves the model in eval mode, on the device that computed.

    Returns:
        The scored rows of the manifest, with p_ai; p(AI) of the images of the canonical comparison, where their features are
        kept; and the device.
    """
    trainer = make_trainer(built.config, folder, built.precision, stage=None)
    best = records.index(best_record(records, built.config.monitor.mode))
    depth = max(record.layers for record in records[: best + 1])
    as_begun = best == len(records) - 1 and depth == built.model.depth  # no weights of an earlier stage have been loaded since
    features.offer(depth, trainer, built.model.frozen_digest if as_begun else None)
    with interruptible(trainer):
        trainer.test(built.model, datamodule=built.data, verbose=False)
    rows, p_ai = built.model.tested()
    table = built.data.manifest.table
    predictions = table.loc[rows.numpy(), columns_of(table)].assign(p_ai=as_stored(p_ai.double().numpy()))
    device = trainer.strategy.root_device
    built.model.to(device).eval()
    return predictions, features.scores(COMPARED, trainer), device


@contextmanager
def _compiler_errors() -> Iterator[None]:
    try:
        yield
    except TorchDynamoException as error:
        advice = f"can't compile here ({reason_of(error)}); type trainer.compile=false"
        raise ArtclfError(f"trainer.compile=true: {advice}") from error


def _run_facts(built: Built, records: list[StageRecord]) -> dict[str, Any]:
    """What metrics.json says of how the model was trained, and on what."""
    config, data = built.config, built.data
    best = best_record(records, config.monitor.mode)
    facts = data_facts(data.config.source, data.manifest, built.model, data.rejected_by, data.duplicates)
    return {
        "stages": [asdict(record) for record in records],
        "best": {"stage": best.name, "epoch": best.best_epoch, config.monitor.metric: best.score},
        "model": model_facts(built.model),
        "data": {**facts, "left_out": asdict(data.left_out) if data.left_out else None},
        "balance": {
            "name": data.balance,
            "augment": data.augment.name,
            "train_counts_before": {label: sum(parts.values()) for label, parts in facts["counts"]["train"].items()},
            "train_counts_after": data.counts_after(),
        },
        "seed": config.seed,
        "precision": built.precision,
    }


def _write_layers(file: Path, model: ArtClassifier, records: list[StageRecord]) -> None:
    """Write layers.csv: name, kind, parameters, and the first stage that trains the layer ("": none); the head comes last."""
    sizes = {name: parameter.numel() for name, parameter in model.body.named_parameters()}
    total = len(model.layers)
    rows = []
    for number, layer in enumerate(model.layers.layers):
        stage = next((record.name for record in records if number >= total - record.layers), "")
        rows.append((layer.name, layer.kind, sum(sizes[name] for name in layer.parameters), stage))
    head = sum(parameter.numel() for parameter in model.head.parameters())
    rows.append(("head", type(model.head).__name__, head, records[0].name))
    write_table(file, pd.DataFrame(rows, columns=["name", "kind", "parameters", "stage"]))


def draw_copies(file: Path, data: ArtData) -> None:
    """Draw a training image beside augmented copies of it, if training augments any."""
    dataset = data.dataset("train")
    if dataset.is_augmented(np.arange(len(dataset))).any():
        row = int(dataset.rows[dataset.copies.argmax()])
        strip = torch.cat([dataset.image_at(row, copy) for copy in range(COPIES + 1)], dim=2)
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(strip.permute(1, 2, 0).numpy()).save(file)
