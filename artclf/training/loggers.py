"""The loggers of the configuration: each opens one run of its own for a run of artclf, over all stages, and closes it."""

import inspect
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from hydra.utils import get_class
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from artclf.config.schema import Config, Target
from artclf.errors import ArtclfError, reason_of
from artclf.run_folder import MULTIRUN_FILE
from artclf.sweep.callbacks import Pruned
from artclf.training.resume import StageRecord

log = logging.getLogger(__name__)

RUN_ID: dict[type, str] = {WandbLogger: "id", MLFlowLogger: "run_id"}  # the option by which a logger continues a run of its own
EXIT_CODES = {"success": 0, "failed": 1, "KILLED": 255}  # of W&B; 255 is its own for Ctrl-C
NOT_LOGGED = {"resume", "pruning"}  # an attempt's own settings: MLflow lets no parameter change


class RunLogger(Logger):
    """What `open_loggers` puts before a class of loggers: Lightning's fits end no run, and steps count on over the stages.

    A logger that fails while the run goes on gets no more figures.
    """

    key = ""  # in the configuration
    steps = epochs = 0  # of the stages that are finished
    broken = False
    fallbacks: tuple[str, ...] = ()  # lines for metrics.json

    def follow(self, records: list[StageRecord]) -> None:
        """Count on after these stages."""
        self.steps = sum(record.steps for record in records)
        self.epochs = sum(record.epochs for record in records)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log figures; a stage's step and epoch as those of the run: epochs count from 1, as in metrics.csv."""
        if self.broken:
            return
        own = {"epoch": metrics["epoch"] + self.epochs + 1} if "epoch" in metrics else {}
        try:
            super().log_metrics({**metrics, **own}, None if step is None else step + self.steps)  # type: ignore[safe-super]
        except Exception as error:  # noqa: BLE001 (whatever its client raises where a server or a disk fails)
            self.broken = True
            self.fall_back(f"logger.{self.key}: gets no more figures, because it failed: {reason_of(error)}")

    def fall_back(self, line: str) -> None:
        """Warn, and keep the line for metrics.json."""
        log.warning("%s", line)
        self.fallbacks += (line,)

    def finalize(self, status: str) -> None:
        """Do nothing: Lightning calls this at the end of every stage."""

    def close(self, status: str) -> None:
        """End the logger's run: "success", "failed", or (in MLflow's word) "KILLED" by the user or a search."""
        try:
            super().finalize(status)
            if isinstance(self, WandbLogger):
                import wandb  # noqa: PLC0415 (an extra)

                wandb.finish(exit_code=EXIT_CODES[status])
        except Exception as error:  # noqa: BLE001 (as above; the run itself is not affected)
            log.warning("logger.%s: could not be closed: %s", self.key, reason_of(error))


@contextmanager
def open_loggers(config: Config, folder: Path, ids: Mapping[str, str]) -> Iterator[list[RunLogger]]:
    """Open the configuration's loggers, and close them however the run ends.

    They get the configuration as a flat dict, and the run folder's name. `ids`: key → the id of the logger's own run, which
    it continues. ArtclfError where a logger can't be opened.
    """
    opened: list[RunLogger] = []
    values = pd.json_normalize(config.model_dump(by_alias=True, exclude=NOT_LOGGED), sep=".").to_dict("records")[0]
    status = "failed"
    try:
        for key, target in config.logger.items():
            if target:
                opened.append(_open(key, target, folder, values, ids.get(key)))
        yield opened
        status = "success"
    except (KeyboardInterrupt, SystemExit, Pruned):
        status = "KILLED"
        raise
    finally:
        for logger in opened:
            logger.close(status)


def run_ids(loggers: Sequence[RunLogger]) -> dict[str, str]:
    """The id of each logger's own run, where it can continue one."""
    return {logger.key: str(logger.version) for logger in loggers if isinstance(logger, tuple(RUN_ID))}


def log_results(loggers: list[RunLogger], metrics: Mapping[str, Any], records: list[StageRecord]) -> None:
    """Log the figures of each split but val, whose are logged by epoch (test/accuracy, test/auroc …)."""
    figures = {
        f"{split}/{name}": value
        for split, content in metrics["splits"].items()
        for name, value in content.items()
        if split != "val" and isinstance(value, int | float)
    }
    best = next(record for record in records if record.name == metrics["best"]["stage"])
    for logger in loggers:
        logger.follow(records)
        is_board = isinstance(logger, TensorBoardLogger) and best.score is not None
        logger.log_metrics(figures | {"hp_metric": best.score} if is_board else figures, 0)


def _open(key: str, target: Target, folder: Path, values: Mapping[Any, Any], run_id: str | None) -> RunLogger:
    """Open a logger; one whose own run can't be continued gets a new one."""
    kind = get_class(target.target)
    option = next((option for base, option in RUN_ID.items() if issubclass(kind, base)), None)
    given = {option: run_id} if run_id and option else {}
    try:
        return _make(key, kind, target.options | given, folder, values)
    except ArtclfError as error:
        if not given:
            raise
        logger = _make(key, kind, target.options, folder, values)
        logger.fall_back(f"{error}; the figures from here on are in a new run of the logger")
        return logger


def _make(key: str, kind: type, options: Mapping[str, Any], folder: Path, values: Mapping[Any, Any]) -> RunLogger:
    logger: RunLogger | None = None
    try:
        chosen = {option: value for option, value in options.items() if value is not None}
        logger = type(kind.__name__, (RunLogger, kind), {})(**_defaults(kind, options, folder) | chosen)
        logger.key = key
        logger.log_hyperparams(dict(values))  # the first that is logged: only now it opens what it writes to
    except Exception as error:  # whatever a class of Lightning's, or of the user's own, raises
        if logger is not None:
            logger.close("failed")
        raise ArtclfError(f"logger.{key}: {kind.__name__} can't be opened: {reason_of(error)}") from error
    return logger


def _defaults(kind: type, options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Where a logger writes, and how its run is called, unless an option or one of its environment variables says so."""
    group = folder.parent.name if (folder.parent / MULTIRUN_FILE).is_file() else None
    if issubclass(kind, MLFlowLogger):
        import mlflow  # noqa: PLC0415 (an extra)

        return {"tracking_uri": mlflow.get_tracking_uri(), "run_name": f"{group}/{folder.name}" if group else folder.name}
    if issubclass(kind, WandbLogger):
        values = {"name": os.environ.get("WANDB_NAME", folder.name), "group": os.environ.get("WANDB_RUN_GROUP", group)}
        return values if options.get("dir") else values | {"save_dir": os.environ.get("WANDB_DIR", str(folder))}
    if issubclass(kind, TensorBoardLogger):
        return {"save_dir": str(folder), "version": ""}  # in the folder tensorboard itself
    return {"save_dir": str(folder)} if "save_dir" in inspect.signature(kind).parameters else {}
