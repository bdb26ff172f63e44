"""The end of a run that a search stopped, and Hydra's callback that compares the runs of a multirun."""

import logging
from itertools import product
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from artclf.errors import USAGE_ERROR, ArtclfError
from artclf.run_folder import (
    CONFIG_FILE,
    ERROR_FILE,
    JOURNAL_FILE,
    MULTIRUN_FILE,
    PRUNED_FILE,
    holds_run,
    read_yaml,
    runs_of,
    write_json,
    write_text,
)

log = logging.getLogger(__name__)


class Pruned(Exception):  # noqa: N818 (no error: the run did what it was asked to)
    """Ends a run that a search stopped after an epoch (counted from 1 over all stages), with the monitored metric's value."""

    def __init__(self, epoch: int, metric: str, value: float) -> None:
        super().__init__(
            f"stopped after epoch {epoch} with {metric} {value:.4g}: "
            "its best was worse than the median of the finished trials at that epoch"
        )
        self.epoch, self.metric, self.value = epoch, metric, value

    def write(self, folder: Path, seconds: float) -> None:
        """Leave pruned.json in the run's folder."""
        content = {"reason": str(self), **vars(self), "seconds": round(seconds, 2)}
        write_json(folder / PRUNED_FILE, content)


class Comparison(Callback):
    """Keeps the runs of two commands apart, and writes comparison.html, its figures and its tables beside a multirun's runs."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002
        """Exit with code 2 where the folder holds runs of another command; the same command continues its own.

        Runs that ended before training, for a mistake in that command, are forgotten.
        """
        folder = Path(config.hydra.sweep.dir)
        if not [*folder.glob(CONFIG_FILE), *folder.glob(JOURNAL_FILE), *folder.glob(f"*/{CONFIG_FILE}")]:
            return
        try:
            typed = OmegaConf.select(read_yaml(folder / MULTIRUN_FILE, "") or OmegaConf.create(), "hydra.overrides.task")
        except ArtclfError:
            typed = None  # refused below
        if typed != config.hydra.overrides.task:
            runs = [folder, *(file.parent for name in (CONFIG_FILE, ERROR_FILE) for file in folder.glob(f"*/{name}"))]
            if typed is None or any(holds_run(run) or (run / ".lock").exists() for run in runs):
                log.error(
                    "hydra.sweep.dir=%s: holds runs already, of another command; type that one again to continue them, "
                    "compare them (artclf compare), or type another folder",
                    folder,
                )
                raise SystemExit(USAGE_ERROR)
            for run, name in product(runs, (CONFIG_FILE, ERROR_FILE, JOURNAL_FILE)):
                (run / name).unlink(missing_ok=True)
            return
        log.info("continuing the multirun in %s: finished runs are not run again", folder)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002
        """Compare the finished runs. Exit with code 2 where a run failed, or there is nothing that can be compared."""
        from artclf.report.beside import join_pages  # noqa: PLC0415 (a multirun's end alone needs these)
        from artclf.report.comparison_page import write_comparison  # noqa: PLC0415

        folder = Path(config.hydra.sweep.dir)
        for run, error in join_pages().items():
            log.error("%s: its page can't be written: %s", run, error)
            write_text(run / ERROR_FILE, f"its page can't be written: {error}")
        runs, failures = runs_of(folder)
        try:
            if config.hydra.runtime.choices["hydra/sweeper"].startswith("artclf_"):
                return  # these have a page of their own
            if runs:
                write_comparison(folder, runs, failures)
                log.info("comparison of %d runs: %s", len(runs), folder / "comparison.html")
            elif not failures:
                raise ArtclfError(
                    f"{folder}: no run left anything in this folder; where runs are on other machines, hydra.sweep.dir has to "
                    "be an absolute path that all of them see"
                )
            if failures:
                raise ArtclfError(f"{len(failures)} of {len(failures) + len(runs)} runs failed: {', '.join(failures)}")
        except ArtclfError as error:
            log.error("%s", error)
            raise SystemExit(USAGE_ERROR) from error
