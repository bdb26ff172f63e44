"""One experiment from first to last."""

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from omegaconf import DictConfig
from torch._dynamo.exc import TorchDynamoException

from artclf.data.canonical import Canonical
from artclf.data.manifest import COLUMNS
from artclf.errors import ArtclfError
from artclf.evaluation.conformal import fit_to_validation
from artclf.evaluation.decision import as_stored
from artclf.inference.assess import AssessOptions, assess, environment, write_results
from artclf.model.checkpoint import write_decision_rule
from artclf.model.features import FeatureCache
from artclf.report.text import guessing
from artclf.run_folder import CHECKPOINTS, PROGRESS_FILE
from artclf.runtime import is_main_process
from artclf.training.build import Built, build
from artclf.training.record import draw_copies, run_facts, write_layers
from artclf.training.resume import StageRecord, open_run_folder
from artclf.training.stages import best_record, fit_stages
from artclf.training.trainer import make_trainer

log = logging.getLogger(__name__)

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
        composed: what Hydra composed, without its own part. With `resume.folder` everything else in it is ignored: the run
            continues as its config.yaml says.
        folder: the run folder; without `resume`, it holds no other run.
        command: the command line, for the report.
        fallbacks: what differs from what was asked for, for metrics.json and the report.

    Returns:
        The content of metrics.json; in other processes than the first, without the figures.

    Raises:
        ArtclfError: where something is wrong that the user can fix.
        KeyboardInterrupt: where the user stopped it.
    """
    started = time.perf_counter()
    for message in IGNORED_WARNINGS:
        warnings.filterwarnings("ignore", message)
    # 1. open the run folder
    config, progress = open_run_folder(folder, composed, command)
    started -= progress.seconds  # spent before an interruption
    # 2. build
    built = build(config, progress, folder)
    model, data = built.model, built.data
    with closing(FeatureCache(model, data, config.cache)) as features, _compiler_errors():
        # 3. train the stages
        records = fit_stages(built, folder, features, started)
        # 4. test the best weights
        trainer = _test(built, folder, records, features)
    rows, p_ai = model.tested()
    predictions = data.manifest.table.loc[rows.numpy(), list(COLUMNS)].assign(p_ai=as_stored(p_ai.double().numpy()))
    device = trainer.strategy.root_device
    facts = {
        **run_facts(built, records),
        **environment(device),
        "command": progress.command,
        "resumed": progress.resumed,
        "fallbacks": [*fallbacks, *built.fallbacks, *data.fallbacks],
    }
    if not is_main_process():
        return facts
    # 5. fit the decision rule
    rule = fit_to_validation(predictions, **config.calibration.model_dump())
    for line in rule.shortfalls():
        log.warning("%s", line)
    # 6. assess
    options = AssessOptions(
        images=config.audit.pictures,
        canonical=Canonical.described(config.data),
        threads=max(2, config.data.num_workers),
        max_pixels=config.data.max_pixels,
    )
    metrics = assess(folder, model.to(device).eval(), data.manifest, predictions, rule, facts, options)
    if (best := folder / CHECKPOINTS / "best.ckpt").is_file():
        write_decision_rule(best, rule)
    write_layers(folder / "layers.csv", model, records)
    if config.report:
        draw_copies(folder / "figures" / "copies.png", data)
    if (line := guessing(metrics)) is not None:
        log.warning("%s", line)
    write_results(folder, metrics, started, report=config.report)
    (folder / PROGRESS_FILE).unlink()
    return metrics


def _test(built: Built, folder: Path, records: list[StageRecord], features: FeatureCache) -> Trainer:
    """Test the best weights; the model then holds the scores."""
    trainer = make_trainer(built.config, folder, built.precision, stage=None)
    best = records.index(best_record(records, built.config.monitor.mode))
    features.offer(max(record.layers for record in records[: best + 1]), trainer)
    trainer.test(built.model, datamodule=built.data, verbose=False)
    return trainer


@contextmanager
def _compiler_errors() -> Iterator[None]:
    try:
        yield
    except TorchDynamoException as error:
        reason = str(error).strip().splitlines()[0]
        raise ArtclfError(f"trainer.compile=true: can't compile here ({reason}); type trainer.compile=false") from error
