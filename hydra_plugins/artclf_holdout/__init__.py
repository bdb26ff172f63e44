"""Hydra's sweeper=artclf_holdout: a job for each generator or style left out, through any of Hydra's launchers."""

import logging
from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from artclf.errors import USAGE_ERROR, ArtclfError
from artclf.run_folder import MULTIRUN_FILE

log = logging.getLogger(__name__)


@dataclass
class HoldoutSweeperConf:
    """hydra.sweeper has no options here: conf/holdout says what is left out."""

    _target_: str = "hydra_plugins.artclf_holdout.HoldoutSweeper"


ConfigStore.instance().store(group="hydra/sweeper", name="artclf_holdout", node=HoldoutSweeperConf, provider="artclf")


class HoldoutSweeper(Sweeper):
    """Expands the names in the data into `holdout.leave=NAME` jobs, has the launcher run them, and writes one page."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over, and make the configured launcher."""
        self.loader = hydra_context.config_loader
        self.composed = config
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the jobs; `arguments` are the overrides of the command line, without Hydra's own.

        Raises:
            SystemExit: with code 2, where a run failed, or there is nothing to leave out.
        """
        from artclf.config.check import validate  # noqa: PLC0415 (`python train.py --help` stays quick)
        from artclf.sweep.holdout import leave_each_out, print_holdout  # noqa: PLC0415

        folder = Path(self.composed.hydra.sweep.dir).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.composed, folder / MULTIRUN_FILE)
        composed = self.loader.load_sweep_config(self.composed, arguments)
        job = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
        try:
            holdout = leave_each_out(
                validate(job), folder, arguments, lambda jobs, first: self.launcher.launch(jobs, initial_job_idx=first)
            )
        except ArtclfError as error:
            for line in str(error).splitlines():
                log.error("%s", line)
            raise SystemExit(USAGE_ERROR) from error
        print_holdout(holdout, folder)
        if holdout.failed:
            raise SystemExit(USAGE_ERROR)
