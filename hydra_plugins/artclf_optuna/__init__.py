"""Hydra's sweeper=artclf_optuna: a search with Optuna, trial by trial through any of Hydra's launchers.

Hydra takes plugins from hydra_plugins alone, and imports them all whenever it starts: so what searches stands in
artclf.sweep, and is imported by the methods.
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
from omegaconf import MISSING, DictConfig

from artclf.config.space import search_space
from artclf.errors import ArtclfError

log = logging.getLogger(__name__)


@dataclass
class OptunaSweeperConf:
    """What hydra.sweeper may hold; conf/sweep/optuna.yaml gives the values, and tells what they mean."""

    _target_: str = "hydra_plugins.artclf_optuna.OptunaSweeper"
    n_trials: int = MISSING
    n_jobs: int = MISSING
    seed: int = MISSING
    sampler: str = MISSING
    startup_trials: int = MISSING
    pruner: str = MISSING
    pruner_startup_trials: int = MISSING
    pruner_warmup_epochs: int = MISSING
    params: dict[str, str] = field(default_factory=dict)


ConfigStore.instance().store(group="hydra/sweeper", name="artclf_optuna", node=OptunaSweeperConf, provider="artclf")


class OptunaSweeper(Sweeper):
    """Asks Optuna for settings, has the launcher run them, and tells Optuna what came out.

    Args:
        params: the search space: key → choice(…), range(…) or interval(…), in Hydra's override grammar.
        options: the other keys of hydra.sweeper.
    """

    def __init__(self, params: dict[str, str], **options: Any) -> None:
        self.params = params
        self.options = options
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over, and make the launcher that it is configured with."""
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Search.

        Args:
            arguments: the overrides of the command line, without Hydra's own.

        Raises:
            SystemExit: with code 2, where no trial finished, or the search can't be begun.
        """
        from artclf.sweep.search import Options, Search  # noqa: PLC0415 (loads optuna and matplotlib)

        assert self.config is not None
        assert self.launcher is not None
        assert self.hydra_context is not None
        config, loader, launcher = self.config, self.hydra_context.config_loader, self.launcher
        try:
            typed = OverridesParser.create(config_loader=loader).parse_overrides(arguments)
            searched, settled = search_space(self.params, typed)
            search = Search(
                Path(config.hydra.sweep.dir).absolute(),
                searched,
                settled,
                metric=config.monitor.metric,
                mode=config.monitor.mode,
                options=Options(**self.options),
            )
            finished = search.run(
                lambda jobs, first: launcher.launch(jobs, initial_job_idx=first),
                lambda words: loader.load_sweep_config(config, words),
            )
        except ArtclfError as error:
            for line in str(error).splitlines():
                log.error("%s", line)
            raise SystemExit(2) from error
        if not finished:
            log.error("no trial finished; the reasons are in %s", search.folder / "sweep.html")
            raise SystemExit(2)
