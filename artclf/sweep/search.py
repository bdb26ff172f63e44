"""A search for good settings: Optuna proposes, a launcher runs, and the outcome is reported to Optuna."""

import logging
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import optuna
from hydra.core.override_parser.types import Override
from optuna.trial import TrialState

from artclf.config.command import command_of, concerns_search, quoted
from artclf.config.space import setting
from artclf.errors import ArtclfError
from artclf.report.sweep_page import Sweep, Trial, write_sweep
from artclf.run_folder import ERROR_FILE, JOURNAL_FILE
from artclf.sweep.options import Options
from artclf.sweep.outcome import importance, read_outcome
from artclf.sweep.pruning import STUDY, make_pruner, storage

log = logging.getLogger(__name__)

Launch = Callable[[list[list[str]], int], Any]  # runs jobs: the overrides of each, and the number of the first
Compose = Callable[[list[str]], Any]  # composes the configuration of one job; raises where it can't be


class Search:
    """A new search in a folder, or the continuation of the one that it holds. The run of trial 7 is in its subfolder 7.

    Args:
        folder: the sweep's.
        searched: the overrides that are searched, from `search_space`.
        settled: those that are the same for all trials.
        metric: the monitored metric ("val/loss").
        mode: whether the lowest or the highest is best.
        options: how to search.

    Raises:
        ArtclfError: for options that are not allowed, and where the folder holds another search.
    """

    def __init__(
        self,
        folder: Path,
        searched: Sequence[Override],
        settled: Sequence[Override],
        *,
        metric: str,
        mode: Literal["min", "max"],
        options: Options,
    ) -> None:
        options.check()
        self.folder = folder
        self.settings = [setting(override) for override in searched]
        self.settled = [str(override.input_line) for override in settled]
        self.of_runs = [word for word in self.settled if not concerns_search(word)]
        self.metric = metric
        self.mode = mode
        self.options = options
        folder.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # its lines about each trial are logged here
        self.study = self._open()
        self._close_running()

    def _open(self) -> optuna.Study:
        study = optuna.create_study(
            study_name=STUDY,
            storage=storage(self.folder / JOURNAL_FILE),
            direction="minimize" if self.mode == "min" else "maximize",
            load_if_exists=True,
        )
        asked = {
            "space": {found.key: found.text for found in self.settings},
            "settled": self.of_runs,
            "metric": self.metric,
        }
        if study.user_attrs.get("asked", asked) != asked:
            raise ArtclfError(
                f"hydra.sweep.dir={self.folder}: holds a search of other settings; type what was typed there, or another folder"
            )
        options = self.options
        pruner = {
            "name": options.pruner,
            "startup_trials": options.pruner_startup_trials,
            "warmup_epochs": options.pruner_warmup_epochs,
        }
        study.set_user_attr("asked", asked)
        study.set_user_attr("pruner", pruner)
        study.pruner = make_pruner(pruner)
        seed = options.seed + len(study.trials)  # else a continued search would draw its first trials again
        study.sampler = (
            optuna.samplers.TPESampler(seed=seed, n_startup_trials=options.startup_trials, constant_liar=options.n_jobs > 1)
            if options.sampler == "tpe"
            else optuna.samplers.RandomSampler(seed=seed)
        )
        return study

    def _close_running(self) -> None:
        """Report the trials that were running when the search was stopped."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._report(trial.number)

    def run(self, launch: Launch, compose: Compose) -> bool:
        """Search until all trials are done, and write the sweep's page, also where the search is interrupted.

        Returns:
            Whether any trial finished.

        Raises:
            ArtclfError: where the launcher can't run anything.
        """
        began = time.perf_counter()
        try:
            while (left := self.options.n_trials - len(self.study.trials)) > 0:
                self._run_batch(min(left, self.options.n_jobs), launch, compose)
        finally:
            if self.study.trials:
                self._close_running()
                write_sweep(self.folder, self._sweep(time.perf_counter() - began))
        return any(trial.state == TrialState.COMPLETE for trial in self.study.trials)

    def _run_batch(self, size: int, launch: Launch, compose: Compose) -> None:
        """Ask for trials, run those that can be composed, and report the outcomes."""
        trials = [self.study.ask() for _ in range(size)]
        jobs: list[tuple[int, list[str]]] = []
        for trial in trials:
            words = self._overrides(trial)
            try:
                compose(words)
            except Exception as error:  # noqa: BLE001 (whatever Hydra raises: the trial failed, and its folder says why)
                self._fail(trial.number, f"these settings can't be composed: {str(error).splitlines()[0]}")
            else:
                jobs.append((trial.number, words))
        # a launcher counts up from the first number: trials are launched in groups without gaps
        for _, group in groupby(enumerate(jobs), key=lambda item: item[1][0] - item[0]):
            self._launch([job for _, job in group], launch)
        for trial in trials:
            self._report(trial.number)

    def _launch(self, jobs: list[tuple[int, list[str]]], launch: Launch) -> None:
        numbers = [number for number, _ in jobs]
        try:
            launch([words for _, words in jobs], numbers[0])
        except Exception as error:  # a worker that died, a SLURM job over its time: not all of the jobs need have failed
            reason = f"the launcher stopped: {' '.join(f'{type(error).__name__}: {error}'.split())}"
            began = any((self._run_folder(number) / "config.yaml").is_file() for number in numbers)
            for number in numbers:
                if not read_outcome(self._run_folder(number), self.metric).ended:
                    self._fail(number, reason)
            if not began:
                raise ArtclfError(reason) from error
            log.exception("the launcher stopped; the sweep goes on")

    def _run_folder(self, number: int) -> Path:
        return self.folder / str(number)

    def _overrides(self, trial: optuna.Trial) -> list[str]:
        """The overrides of a trial: the settled ones, the drawn ones, and the search's own."""
        drawn = {found.key: found.draw(trial) for found in self.settings}
        trial.set_user_attr("words", drawn)
        words = [*self.settled, *(f"{key}={word}" for key, word in drawn.items())]
        words += [f"hydra.sweep.dir={quoted(str(self.folder))}", f"hydra.sweep.subdir='{trial.number}'"]
        if self.options.pruner != "none":
            words.append(f"pruning={{storage:{quoted(str(self.folder / JOURNAL_FILE))},trial:{trial._trial_id}}}")
        return words

    def _fail(self, number: int, reason: str) -> None:
        folder = self._run_folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / ERROR_FILE).exists():
            (folder / ERROR_FILE).write_text(reason, encoding="utf-8")

    def _report(self, number: int) -> None:
        """Report a trial's outcome to Optuna."""
        outcome = read_outcome(self._run_folder(number), self.metric)
        if outcome.state == "finished":
            self.study.tell(number, outcome.value)
            log.info("trial %d: %s %.4g, the best so far %.4g", number, self.metric, outcome.value, self.study.best_value)
            return
        pruned = outcome.state == "pruned" and self.study.trials[number].intermediate_values
        self.study.tell(number, state=TrialState.PRUNED if pruned else TrialState.FAIL)
        log.info("trial %d %s: %s", number, outcome.state, outcome.reason)

    def _sweep(self, seconds: float) -> Sweep:
        trials = []
        for trial in self.study.trials:
            outcome = read_outcome(self._run_folder(trial.number), self.metric)
            trials.append(Trial(number=trial.number, words=trial.user_attrs.get("words", {}), **vars(outcome)))
        finished = [trial for trial in trials if trial.state == "finished"]
        sign = 1 if self.mode == "min" else -1
        best = min(finished, key=lambda trial: sign * (trial.value or 0.0), default=None)
        return Sweep(
            metric=self.metric,
            mode=self.mode,
            trials=trials,
            settings=self.settings,
            settled=self.of_runs,
            best=best,
            command=command_of([*self.of_runs, *(f"{key}={word}" for key, word in best.words.items())]) if best else None,
            importance=importance(self.study),
            asked=self.options.n_trials,
            seconds=seconds,
        )
