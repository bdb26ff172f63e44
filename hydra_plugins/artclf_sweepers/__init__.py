"""artclf's sweepers for Hydra: a search with Optuna, and a job for each generator, style, source or period left out.

Hydra takes plugins from hydra_plugins alone, and imports all of them whenever it starts: so the work is done in artclf.sweep,
and the methods import it.
"""

import logging
from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from artclf.config.space import search_space
from artclf.errors import USAGE_ERROR, ArtclfError
from artclf.run_folder import MULTIRUN_FILE
from artclf.sweep.options import Options

log = logging.getLogger(__name__)


class LaunchingSweeper(Sweeper):
    """Has the chosen launcher run jobs. Exit code 2 where a user's mistake prevents that, or `run` reports a failure."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the configuration, and make the launcher."""
        self.loader, self.composed = hydra_context.config_loader, config
        make = Plugins.instance().instantiate_launcher
        self.launcher: Launcher = make(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> None:
        """Run the jobs; `arguments` are the overrides of the command line, without Hydra's own."""
        folder = Path(self.composed.hydra.sweep.dir).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.composed, folder / MULTIRUN_FILE)
        try:
            if self.run(folder, arguments):
                return
        except ArtclfError as error:
            for line in str(error).splitlines():
                log.error("%s", line)
        raise SystemExit(USAGE_ERROR)

    @abstractmethod
    def run(self, folder: Path, arguments: list[str]) -> bool:
        """Run the jobs, each in a subfolder of `folder`; return whether that succeeded."""


class OptunaSweeper(LaunchingSweeper):
    """Searches with Optuna. The options and the search space (`params`) are described in conf/sweep/optuna.yaml."""

    def __init__(self, params: dict[str, str], **options: Any) -> None:
        self.params, self.options = params, options

    def run(self, folder: Path, arguments: list[str]) -> bool:
        """Return whether any trial finished."""
        from artclf.sweep.search import Search  # noqa: PLC0415 (loads optuna and matplotlib)

        typed = OverridesParser.create(config_loader=self.loader).parse_overrides(arguments)
        searched, fixed = search_space(self.params, typed)
        monitor = self.composed.monitor
        search = Search(folder, searched, fixed, metric=monitor.metric, mode=monitor.mode, options=Options(**self.options))
        finished = search.run(self.launcher.launch, lambda words: self.loader.load_sweep_config(self.composed, words))
        if not finished:
            log.error("no trial finished; the reasons are in %s", folder / "sweep.html")
        return finished


class HoldoutSweeper(LaunchingSweeper):
    """Trains a run for each generator (style, source, period) left out, as conf/holdout says, and writes one page."""

    def run(self, folder: Path, arguments: list[str]) -> bool:
        """Return whether all runs finished."""
        from artclf.config.validate import validate  # noqa: PLC0415 (`python train.py --help` stays quick)
        from artclf.sweep.holdout import leave_each_out, print_holdout  # noqa: PLC0415

        composed = self.loader.load_sweep_config(self.composed, arguments)
        config = validate(OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"]))
        holdout = leave_each_out(config, folder, arguments, self.launcher.launch)
        print_holdout(holdout, folder)
        return not holdout.failed


@dataclass
class OptunaSweeperConf(Options):
    """What hydra.sweeper may hold in a search."""

    _target_: str = "hydra_plugins.artclf_sweepers.OptunaSweeper"
    params: dict[str, str] = field(default_factory=dict)


for name, node in (
    ("artclf_optuna", OptunaSweeperConf),
    ("artclf_holdout", {"_target_": "hydra_plugins.artclf_sweepers.HoldoutSweeper"}),
):
    ConfigStore.instance().store(group="hydra/sweeper", name=name, node=node, provider="artclf")
