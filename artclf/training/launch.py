"""From the command line of train.py or `artclf train` to an experiment, and from how a run ends to an exit code."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from artclf.config import CONF
from artclf.config.command import command_of, concerns_search, parse_flags, quoted, resume_command, resumed_folder
from artclf.errors import INTERRUPTED, TERMINATED, ArtclfError, boundary, ending, raise_on_sigterm
from artclf.run_folder import CONFIG_FILE, ERROR_FILE, REPORT_FILE, holds_run, is_finished, read_metrics, run_lock, write_text
from artclf.runtime import end_helper, end_with_parent, is_main_process, keep_freed_memory, load_beside, quick_imports
from artclf.sweep.callbacks import Pruned

log = logging.getLogger(__name__)


def main() -> None:
    """Train, test and report, as the words in sys.argv say that follow the name of the program."""
    with boundary("hydra.run.dir=FOLDER"):
        sys.argv[1:] = check_command_line(sys.argv[1:])
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")(launch)()


def check_command_line(words: list[str]) -> list[str]:
    """Return the words for Hydra of those that follow `train.py`.

    They are the same, but flags come first, values are in quotes where Hydra needs them, and `resume=FOLDER` is
    `resume.folder=FOLDER` with that as the run folder. SystemExit with code 2, after a line for every mistake, before
    anything is made.
    """
    end_with_parent()
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra raises what it can't do, and `boundary` says it in a line
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # hydra/launcher=ray would report every sweep
    with boundary("hydra.run.dir=FOLDER"):
        return checked_words(words)


def checked_words(words: list[str]) -> list[str]:
    """As `check_command_line`, with an ArtclfError of a line for every mistake, and nothing of the process changed."""
    flags, typed, overrides = parse_flags(words)
    words = [*typed, *overrides]
    if flags.help or flags.hydra_help or flags.shell_completion:
        return typed
    first = os.environ.get("LOCAL_RANK", os.environ.get("SLURM_PROCID", "0")) == "0"
    if first and "report=false" not in overrides and not (flags.cfg or flags.info):
        load_beside("artclf.report.run_page", "artclf.inference.audit")  # while this process loads the rest
    _load()
    from artclf.config.check import leaves_each_out, override_mistakes  # noqa: PLC0415 (--help needs none of these)
    from artclf.training.check import mistakes  # noqa: PLC0415
    from artclf.training.resume import require_unfinished  # noqa: PLC0415

    looks = flags.cfg or flags.info  # an unfinished configuration may be looked at
    jobs: list[DictConfig] = []

    def check(job: DictConfig) -> list[str]:
        jobs.append(job)
        return _package_mistakes(job, flags.package) if looks else mistakes(job)

    lines = override_mistakes(overrides, CONF, check, multirun=flags.multirun)
    each = any(map(leaves_each_out, jobs))
    if lines := [*lines, *_process_mistakes(overrides, each=each)]:
        raise ArtclfError("\n".join(lines))
    if looks:
        return words
    run = resumed_folder(overrides, multirun=flags.multirun)
    if run is not None:
        require_unfinished(run)
        return [*words, f"hydra.run.dir={quoted(str(run))}"]
    return _with_holdout_sweeper(words, multirun=flags.multirun) if each else words


def _package_mistakes(job: DictConfig, package: str | None) -> list[str]:
    """That there is no such part of the configuration to be shown."""
    if package in (None, "_global_", "hydra") or package.split(".")[0] == "hydra" or OmegaConf.select(job, package) is not None:
        return []
    return [f"--package {package}: there is no such part; allowed: {', '.join(map(str, job))}"]


def _process_mistakes(overrides: list[str], *, each: bool) -> Iterator[str]:
    """What is wrong where torchrun or srun started several processes at once."""
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment  # noqa: PLC0415 (loads torch)
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment  # noqa: PLC0415

    counts = ((TorchElasticEnvironment, "WORLD_SIZE"), (SLURMEnvironment, "SLURM_NTASKS"))
    processes = next((int(os.environ[count]) for kind, count in counts if kind.detect()), 1)
    if processes > 1 and not any(word.startswith(("hydra.run.dir=", "resume.folder=")) for word in overrides):
        yield f"{processes} processes were started together and have to share a run folder: type hydra.run.dir=FOLDER"
    if processes > 1 and each:
        yield "+holdout: several processes at once can't train run after run; type holdout.leave=NAME, one by one"


def _with_holdout_sweeper(words: list[str], *, multirun: bool) -> list[str]:
    """Make a run for each that is left out a multirun, in the folder of the single run that was typed."""
    words = [*words, "hydra/sweeper=artclf_holdout"]
    if multirun:
        return words
    place = next((word.partition("=")[2] for word in words if word.startswith("hydra.run.dir=")), None)
    return ["-m", *words, f"hydra.sweep.dir={place or quoted('${hydra.runtime.cwd}/${hydra.run.dir}')}"]


def launch(composed: DictConfig) -> float | None:
    """Run what Hydra composed, in the folder that Hydra made, and return the monitored metric of the best weights.

    SystemExit with code 2 after what the user or the machine got wrong, 130 after Ctrl-C, 143 after SIGTERM. None where a
    search has stopped the run, or where it failed in a multirun: it leaves error.txt in its folder, and the others continue.
    """
    end_with_parent()
    raise_on_sigterm()  # a launcher's worker has not come by way of train.py
    if Path(sys.argv[0]).stem == "artclf" and sys.argv[1:2] != ["train"]:
        sys.argv.insert(1, "train")  # with this command line Lightning starts the other processes of a run on several devices
    _load()
    job = HydraConfig.get()
    folder = Path(job.runtime.output_dir)
    multirun = job.mode == RunMode.MULTIRUN
    if Path(job.runtime.cwd).is_dir():
        os.chdir(job.runtime.cwd)  # a cluster's workers start elsewhere, and relative paths mean where they were typed
    started = time.perf_counter()
    try:
        metrics = run_job(composed, folder, multirun=multirun)
    except Pruned as stop:
        log.info("%s", stop)
        if is_main_process():
            stop.write(folder, time.perf_counter() - started)
        return None
    except BaseException as error:  # noqa: BLE001 (a bug is raised again)
        _end(error, folder, multirun=multirun)
        return None
    value: float | None = metrics["best"].get(composed.monitor.metric)
    return value


def _end(error: BaseException, folder: Path, *, multirun: bool) -> None:
    """Log how a run ended that did not finish; raise SystemExit, or the error where it is a bug, unless a multirun goes on."""
    end = ending(error, "hydra.sweep.dir=FOLDER" if multirun else "hydra.run.dir=FOLDER")
    if end is None:
        if not (multirun and isinstance(error, Exception)):
            raise error
        log.error("this run failed; the multirun continues", exc_info=error)
        reason = f"{type(error).__name__}: {error}"
    elif end.code in {INTERRUPTED, TERMINATED}:
        begun = (folder / CONFIG_FILE).is_file()
        again = f"to continue after the last finished epoch: {resume_command(folder)}" if begun else "it had not begun"
        log.warning("%s; %s", end.message, again)
        raise SystemExit(end.code) from error
    else:
        for line in end.message.splitlines():
            log.error("%s", line)
        if not multirun:
            raise SystemExit(end.code) from error
        reason = end.message
    try:
        write_text(folder / ERROR_FILE, reason)
    except OSError as unwritten:
        log.error("%s can't be written: %s", folder / ERROR_FILE, unwritten)


def run_job(composed: DictConfig, folder: Path, *, multirun: bool) -> dict[str, Any]:
    """Run what Hydra composed, and return its metrics. A job of a multirun that has finished is not run again."""
    from artclf.config.validate import validate  # noqa: PLC0415 (--help needs none of these)
    from artclf.model.rows import IN_MEMORY  # noqa: PLC0415
    from artclf.report.beside import coming_pages, write_beside  # noqa: PLC0415
    from artclf.report.run_page import write_report  # noqa: PLC0415
    from artclf.training.experiment import run  # noqa: PLC0415
    from artclf.training.resume import read_config  # noqa: PLC0415

    _reduce_logging()
    command = command_of(word for word in HydraConfig.get().overrides.task if not concerns_search(word))
    with run_lock(folder) as fallbacks:
        if multirun and (folder / CONFIG_FILE).is_file():
            same = read_config(folder) == OmegaConf.create(validate(composed).model_dump(by_alias=True))
            if not same and holds_run(folder):
                instead = f"{resume_command(folder)}, or type another hydra.sweep.dir"
                raise ArtclfError(f"{folder}: holds a run with other settings; {instead}")
            if is_finished(folder):
                log.info("the run in %s has finished", folder)
                if composed.report and not (folder / REPORT_FILE).is_file():
                    write_beside(write_report, folder)
                (folder / ERROR_FILE).unlink(missing_ok=True)
                return read_metrics(folder)
            if same:
                composed.resume = {"folder": str(folder), "trust": True}  # its settings are those that were typed
        try:
            metrics = run(composed, folder, command, fallbacks)
        except BaseException:
            end_helper(keep=coming_pages().values())  # those of earlier runs
            raise
        finally:
            if not multirun:
                IN_MEMORY.clear()
    if is_main_process():
        (folder / ERROR_FILE).unlink(missing_ok=True)  # of an earlier attempt
        _print_results(metrics, folder)
    return metrics


def _reduce_logging() -> None:
    """Silence libraries' progress messages, and all but the first of several processes."""
    quiet = ["lightning.pytorch", "lightning.fabric", "matplotlib", "httpx"]
    for name in quiet if is_main_process() else [*quiet, ""]:  # "" is the root logger
        logging.getLogger(name).setLevel(logging.WARNING)


@cache
def _load() -> None:
    """Load torch, lightning and all else that trains, once in a process."""
    keep_freed_memory()  # before there is any
    with quick_imports():
        import artclf.training.experiment  # noqa: F401, PLC0415


def _print_results(metrics: dict[str, Any], folder: Path) -> None:
    from artclf.report.beside import coming_pages  # noqa: PLC0415 (--help needs none of these)
    from artclf.report.terminal import print_results, screen  # noqa: PLC0415

    console = screen()
    print_results(console, f"{metrics['model']['name']}, weights: {metrics['model']['weights']}", metrics)
    if metrics["data"]["source"] == "demo":
        console.print("Demo images are drawn by artclf itself: these scores say nothing about art.")
    console.print(f"run folder: {folder}")
    if (page := folder / REPORT_FILE).is_file() or folder in coming_pages():
        console.print(f"report:     {page}")
