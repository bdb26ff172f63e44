"""Pages of training runs, written by the helper process: in a multirun, while the next run trains."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from artclf.runtime import beside

_waiting: dict[Path, Future[Path]] = {}


def write_beside(write: Callable[[Path], Path], run: Path) -> None:
    """Write a run's page in the helper process, and wait for it, unless a multirun goes on in this process.

    Raises:
        ArtclfError: what `write` raises, unless it is not waited for.
    """
    from hydra.core.hydra_config import HydraConfig  # noqa: PLC0415 (pages alone need no Hydra)
    from hydra.types import RunMode  # noqa: PLC0415

    _waiting[run] = beside(write, run)
    job: Any = HydraConfig.get() if HydraConfig.initialized() else None
    if not (job and job.mode == RunMode.MULTIRUN and job.runtime.choices["hydra/launcher"] == "basic"):
        for error in join_pages().values():
            raise error


def coming_pages() -> dict[Path, "Future[Path]"]:
    """The pages that are still being written, by run."""
    return {run: page for run, page in _waiting.items() if not page.done()}


def join_pages() -> dict[Path, BaseException]:
    """Wait until all pages are written; what the others raised, by run."""
    pages = dict(_waiting)
    _waiting.clear()
    return {run: error for run, page in pages.items() if (error := page.exception()) is not None}
