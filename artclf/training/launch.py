"""From the command line to an experiment: what train.py hands over to, and how a run's end becomes an exit code."""

import logging
import os
import re
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from artclf.config.command import command_of, concerns_search, quoted, resume_command, resumed_folder
from artclf.errors import INTERRUPTED, USAGE_ERROR, ArtclfError
from artclf.run_folder import ERROR_FILE, PROGRESS_FILE, read_metrics
from artclf.runtime import end_with_parent, garbage_left_alone, keep_freed_memory, wait_asleep
from artclf.sweep.callbacks import Pruned

log = logging.getLogger(__name__)

MULTIRUN_FLAGS = ("-m", "--multirun")
ELSEWHERE = ("hydra/launcher=submitit_slurm", "hydra/launcher=ray")  # other machines may run what is typed here


def check_command_line(words: list[str], conf: Path) -> list[str]:
    """Refuse a command line with mistakes, all of them at once, before anything is made.

    Args:
        words: what follows `train.py`.
        conf: the folder with train.yaml.

    Returns:
        What Hydra is to read: the same words, but `resume=FOLDER` as `resume.folder=FOLDER`, with that as the run folder.

    Raises:
        SystemExit: with code 2, after a line for every mistake.
    """
    end_with_parent()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # hydra/launcher=ray would tell its makers of every sweep
    words = [re.sub(r"^resume=", "resume.folder=", word) for word in words]
    flags = [word for word in words if word.startswith("-")]
    if any(flag not in MULTIRUN_FLAGS for flag in flags):
        if not any(word.startswith("resume.") for word in words):
            return words  # --help, --cfg and the like are Hydra's own business; what --config-dir brings is not known here
        print("error: resume=FOLDER is typed alone, without options", file=sys.stderr)  # noqa: T201 (no log yet)
        raise SystemExit(USAGE_ERROR)
    _load()
    from artclf.config.check import override_mistakes  # noqa: PLC0415 (loads pydantic; --help has no need of it)
    from artclf.training.build import mistakes  # noqa: PLC0415 (loads torch and lightning)
    from artclf.training.resume import unfinished  # noqa: PLC0415 (so does this)

    overrides = [word for word in words if not word.startswith("-")]
    here = not any(word.startswith(ELSEWHERE) for word in overrides)
    jobs: list[DictConfig] = []

    def check(job: DictConfig) -> list[str]:
        jobs.append(job)
        return mistakes(job, here=here)

    lines = _process_mistakes(overrides) or override_mistakes(overrides, conf, check, multirun=bool(flags))
    try:
        run = None if lines else resumed_folder(overrides, multirun=bool(flags))
        if run is not None and "LOCAL_RANK" not in os.environ and any(w.startswith("hydra.run.dir=") for w in overrides):
            raise ArtclfError(f"resume={run}: the run goes on in that folder; leave hydra.run.dir out")
        if run is not None:
            words = [*words, f"hydra.run.dir={quoted(str(unfinished(run)))}"]
    except ArtclfError as error:
        lines = [str(error)]
    if lines:
        for line in lines:
            print(f"error: {line}", file=sys.stderr)  # noqa: T201 (no log yet)
        raise SystemExit(USAGE_ERROR)
    return words if not jobs or run is not None else _with_sweeper(words, jobs[0], multirun=bool(flags))


def _process_mistakes(overrides: list[str]) -> list[str]:
    """What is wrong where torchrun or srun started several processes at once."""
    processes = _processes_from_outside()
    if processes > 1 and not any(word.startswith(("hydra.run.dir=", "resume.folder=")) for word in overrides):
        return [f"{processes} processes were started together and have to share a run folder: type hydra.run.dir=FOLDER"]
    if processes > 1 and any("holdout=" in w for w in overrides) and not any(w.startswith("holdout.leave=") for w in overrides):
        return ["+holdout: several processes at once can't train run after run; type holdout.leave=NAME, one by one"]
    return []


def _with_sweeper(words: list[str], job: DictConfig, *, multirun: bool) -> list[str]:
    """Let +holdout without a name be a multirun of artclf_holdout; the run folder is then that of all its jobs."""
    if job.get("holdout") is None or job.holdout.leave is not None:
        return words
    words = [*words, "hydra/sweeper=artclf_holdout"]
    if multirun:
        return words
    place = next((word.partition("=")[2] for word in words if word.startswith("hydra.run.dir=")), None)
    return ["-m", *words, f"hydra.sweep.dir={place or quoted('${hydra.runtime.cwd}/${hydra.run.dir}')}"]


def launch(composed: DictConfig) -> float | None:
    """Run what Hydra composed, in the folder that Hydra made.

    Returns:
        The monitored figure of the best weights, for sweepers; None where a run of a multirun failed, or a search stopped it.

    Raises:
        SystemExit: with code 2 after a mistake of the user's, 130 after Ctrl-C. In a multirun, a failed run leaves error.txt
            in its folder, and the others go on.
    """
    end_with_parent()
    _load()
    from artclf.training.experiment import run  # noqa: PLC0415 (loads torch and lightning; --help has no need of them)
    from artclf.training.resume import alone  # noqa: PLC0415
    from artclf.training.stages import is_main_process  # noqa: PLC0415

    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    multirun = hydra.mode == RunMode.MULTIRUN
    command = command_of(word for word in hydra.overrides.task if not concerns_search(word))
    if Path(hydra.runtime.cwd).is_dir():
        os.chdir(hydra.runtime.cwd)  # a cluster's workers begin elsewhere, and data.root=pictures means where it was typed
    _lower_voices(first=is_main_process())
    began = time.perf_counter()
    try:
        with alone(folder) as fallbacks:
            metrics = _typed_again(composed, folder) if multirun else None
            done = metrics is not None
            metrics = metrics or run(composed, folder, command, fallbacks)
    except ArtclfError as error:
        for line in str(error).splitlines():
            log.error("%s", line)
        if not multirun:
            raise SystemExit(USAGE_ERROR) from error
        (folder / ERROR_FILE).write_text(str(error), encoding="utf-8")
        return None
    except Pruned as stop:
        log.info("%s", stop)
        if is_main_process():
            stop.write(folder, time.perf_counter() - began)
        return None
    except KeyboardInterrupt as error:
        log.warning("interrupted; to go on from the last finished epoch: %s", resume_command(folder))
        raise SystemExit(INTERRUPTED) from error
    except Exception as error:
        if not multirun:
            raise
        log.exception("this run failed; the multirun goes on")
        (folder / ERROR_FILE).write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
        return None
    if is_main_process():
        (folder / ERROR_FILE).unlink(missing_ok=True)  # of a run that failed, and went on
        if not done:
            _tell(metrics, folder)
    return next((value for key, value in metrics["best"].items() if key.startswith("val/")), None)


def _lower_voices(*, first: bool) -> None:
    """Let others' news about themselves be, and let the first of several processes speak for all."""
    for noisy in ("lightning.pytorch", "lightning.fabric", "matplotlib", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if not first:
        logging.getLogger().setLevel(logging.WARNING)


def _typed_again(composed: DictConfig, folder: Path) -> dict[str, Any] | None:
    """Return what a job of a multirun found out before; let one that has not finished go on.

    Raises:
        ArtclfError: where the folder holds a run of other settings.
    """
    from artclf.config.check import validate  # noqa: PLC0415 (loads pydantic)
    from artclf.training.resume import read_config  # noqa: PLC0415 (loads torch)

    if not (folder / "config.yaml").is_file():
        return None
    if read_config(folder) != OmegaConf.create(validate(composed).model_dump(by_alias=True)):
        raise ArtclfError(f"{folder}: holds a run of other settings; {resume_command(folder)}, or type another hydra.sweep.dir")
    if (folder / "metrics.json").is_file() and not (folder / PROGRESS_FILE).exists():
        log.info("the run in %s has finished", folder)
        return read_metrics(folder)
    composed.resume = {"folder": str(folder), "trust": True}  # its settings are those that were typed
    return None


@cache
def _load() -> None:
    """Load torch, lightning and all else that trains, once in a process."""
    keep_freed_memory()  # before there is any
    wait_asleep()
    with garbage_left_alone():
        import artclf.training.experiment  # noqa: F401, PLC0415


def _processes_from_outside() -> int:
    """How many processes torchrun or srun started at once; 1 where neither did."""
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment  # noqa: PLC0415 (loads torch)
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment  # noqa: PLC0415

    if TorchElasticEnvironment.detect():
        return int(os.environ["WORLD_SIZE"])
    return int(os.environ["SLURM_NTASKS"]) if SLURMEnvironment.detect() else 1


def _tell(metrics: dict[str, Any], folder: Path) -> None:
    from artclf.report.terminal import splits_table  # noqa: PLC0415 (loads scikit-learn)

    console = Console()
    console.print(splits_table(f"{metrics['model']['name']}, weights: {metrics['model']['weights']}", metrics))
    if metrics["data"]["source"] == "demo":
        console.print("Demo pictures are drawn by artclf itself: these scores tell nothing about art.")
    console.print(f"run folder: {folder}", soft_wrap=True, highlight=False)
    if (page := folder / "report.html").is_file():
        console.print(f"report:     {page}", soft_wrap=True, highlight=False)
