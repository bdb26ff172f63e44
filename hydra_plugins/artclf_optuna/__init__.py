"""Hydra's sweeper=artclf_optuna: a search with Optuna, trial by trial through any of Hydra's launchers.

Hydra takes plugins from hydra_plugins alone, and imports them all whenever it starts: so the search stands in artclf.sweep,
and the methods import it.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from artclf.config.space import search_space
from artclf.errors import USAGE_ERROR, ArtclfError
from artclf.sweep.options import Options

log = logging.getLogger(__name__)


@dataclass
class OptunaSweeperConf(Options):
    """What hydra.sweeper may hold: the options, and the search space."""

    _target_: str = "hydra_plugins.artclf_optuna.OptunaSweeper"
    params: dict[str, str] = field(default_factory=dict)


ConfigStore.instance().store(group="hydra/sweeper", name="artclf_optuna", node=OptunaSweeperConf, provider="artclf")


class OptunaSweeper(Sweeper):
    """Asks Optuna for settings, has the launcher run them, and reports the outcome to Optuna.

    Args:
        params: the search space: key → choice(…), range(…) or interval(…), in Hydra's override grammar.
        options: the other keys of hydra.sweeper.
    """

    def __init__(self, params: dict[str, str], **options: Any) -> None:
        self.params = params
        self.options = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over, and make the configured launcher."""
        self.loader = hydra_context.config_loader
        self.composed = config
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Search; `arguments` are the overrides of the command line, without Hydra's own.

        Raises:
            SystemExit: with code 2, where no trial finished, or the search can't be begun.
        """
        from artclf.sweep.search import Search  # noqa: PLC0415 (loads optuna and matplotlib)

        folder = Path(self.composed.hydra.sweep.dir).absolute()
        monitor = self.composed.monitor
        try:
            typed = OverridesParser.create(config_loader=self.loader).parse_overrides(arguments)
            searched, settled = search_space(self.params, typed)
            options = Options(**self.options)
            search = Search(folder, searched, settled, metric=monitor.metric, mode=monitor.mode, options=options)
            finished = search.run(
                lambda jobs, first: self.launcher.launch(jobs, initial_job_idx=first),
                lambda words: self.loader.load_sweep_config(self.composed, words),
            )
        except ArtclfError as error:
            for line in str(error).splitlines():
                log.error("%s", line)
            raise SystemExit(USAGE_ERROR) from error
        if not finished:
            log.error("no trial finished; the reasons are in %s", folder / "sweep.html")
            raise SystemExit(USAGE_ERROR)
