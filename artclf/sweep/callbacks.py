"""The end of a run that a search stopped, and the end of a multirun, whose runs are compared."""

import logging
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from artclf.errors import USAGE_ERROR, ArtclfError
from artclf.run_folder import JOURNAL_FILE, MULTIRUN_FILE, PRUNED_FILE, as_json, runs_of

log = logging.getLogger(__name__)


class Pruned(Exception):  # noqa: N818 (no error: the run did what it was asked to)
    """Ends a run that a search stopped after an epoch (counted from 1 over all stages), with the monitored metric's value."""

    def __init__(self, epoch: int, metric: str, value: float) -> None:
        super().__init__(
            f"stopped after epoch {epoch} with {metric} {value:.4g}: "
            "its best was worse than the median of the finished trials at that epoch"
        )
        self.epoch = epoch
        self.metric = metric
        self.value = value

    def write(self, folder: Path, seconds: float) -> None:
        """Leave pruned.json in the run's folder."""
        content = {"reason": str(self), **vars(self), "seconds": round(seconds, 2)}
        (folder / PRUNED_FILE).write_text(as_json(content), encoding="utf-8")


class Comparison(Callback):
    """A Hydra callback that writes comparison.html, its figures and its tables beside the runs of a multirun."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002
        """Refuse a folder that holds runs of another command; the same command continues its own.

        Raises:
            SystemExit: with code 2, where it does.
        """
        folder = Path(config.hydra.sweep.dir)
        if _sweeper(config) == "artclf_optuna" and (folder / JOURNAL_FILE).is_file():
            return  # the search itself compares what was typed
        if not (folder / "config.yaml").is_file() and not any(folder.glob("*/config.yaml")):
            return
        if _typed_before(folder) != OmegaConf.to_container(config.hydra.overrides.task):
            log.error(
                "hydra.sweep.dir=%s: holds runs already, of another command; type that one again to continue them, compare "
                "them (artclf compare), or type another folder",
                folder,
            )
            raise SystemExit(USAGE_ERROR)
        log.info("continuing the multirun in %s: finished runs are not run again", folder)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002
        """Compare the finished runs and list those that failed.

        Raises:
            SystemExit: with code 2, where a run failed, left nothing here, or the runs can't be compared.
        """
        if _sweeper(config).startswith("artclf_"):
            return  # these have a page of their own
        from artclf.report.comparison_page import write_comparison  # noqa: PLC0415 (loads pandas and matplotlib)

        folder = Path(config.hydra.sweep.dir)
        runs, failures = runs_of(folder)
        try:
            if runs:
                write_comparison(folder, runs, failures)
                log.info("comparison of %d runs: %s", len(runs), folder / "comparison.html")
            elif not failures:
                raise ArtclfError(
                    f"{folder}: no run left anything in this folder; where runs are on other machines, hydra.sweep.dir has to "
                    "be an absolute path that all of them see"
                )
        except ArtclfError as error:
            log.error("%s", error)
            raise SystemExit(USAGE_ERROR) from error
        if failures:
            log.error("%d of %d runs failed: %s", len(failures), len(failures) + len(runs), ", ".join(sorted(failures)))
            raise SystemExit(USAGE_ERROR)


def _sweeper(config: DictConfig) -> str:
    """The package of the sweeper that was chosen ("artclf_optuna")."""
    return str(config.hydra.sweeper._target_).removeprefix("hydra_plugins.").partition(".")[0]


def _typed_before(folder: Path) -> Any:
    """The overrides of the multirun in a folder, as Hydra wrote them down; None where it did not."""
    try:
        return OmegaConf.to_container(OmegaConf.load(folder / MULTIRUN_FILE).hydra.overrides.task)
    except (OSError, YAMLError, OmegaConfBaseException):
        return None
