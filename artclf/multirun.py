"""What happens at the end of a multirun: its runs are compared."""

import logging
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from artclf.errors import ArtclfError
from artclf.report.multirun_folder import runs_of

log = logging.getLogger(__name__)


class Comparison(Callback):
    """A Hydra callback that writes comparison.html, its figures and its tables beside the runs of a multirun."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002
        """Compare what was finished, list what failed, and end with exit code 2 where something did.

        Raises:
            SystemExit: with code 2, where a run failed or the runs can't be compared.
        """
        from artclf.report.comparison import write_comparison  # noqa: PLC0415 (loads pandas and matplotlib)

        folder = Path(config.hydra.sweep.dir)
        runs, failures = runs_of(folder)
        try:
            if runs:
                write_comparison(folder, runs, failures)
                log.info("comparison of %d runs: %s", len(runs), folder / "comparison.html")
        except ArtclfError as error:
            log.error("%s", error)
            raise SystemExit(2) from error
        if failures:
            log.error("%d of %d runs failed: %s", len(failures), len(failures) + len(runs), ", ".join(sorted(failures)))
            raise SystemExit(2)
