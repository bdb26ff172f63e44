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
        join_pages()


def coming_pages() -> set[Path]:
    """The runs whose page is still being written."""
    return set(_waiting)


def join_pages() -> None:
    """Wait for all pages. Raises what the first of them raises that can't be written."""
    while _waiting:
        _waiting.pop(next(iter(_waiting))).result()
