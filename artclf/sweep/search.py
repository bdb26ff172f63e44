"""A search for good settings: Optuna proposes, a launcher runs, the outcome is told."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from hydra.core.override_parser.types import Override
from optuna.trial import TrialState

from artclf.config.command import command_of, concerns_search, quoted
from artclf.config.space import setting
from artclf.errors import ArtclfError
from artclf.report.figures.sweep import Sweep, Trial
from artclf.report.sweep_page import write_sweep
from artclf.run_folder import ERROR_FILE, JOURNAL_FILE
from artclf.sweep.outcome import importance, read_outcome
from artclf.sweep.pruning import STUDY, make_pruner, storage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """How to search: the keys of hydra.sweeper, as conf/sweep/optuna.yaml tells.

    Raises:
        ArtclfError: with a line for every value that is not allowed.
    """

    n_trials: int
    n_jobs: int
    seed: int
    sampler: str
    startup_trials: int
    pruner: str
    pruner_startup_trials: int
    pruner_warmup_epochs: int

    def __post_init__(self) -> None:
        lowest = {"n_trials": 1, "n_jobs": 1, "pruner_startup_trials": 1}
        lines = [
            f"hydra.sweeper.{key}: got {value}; allowed: a whole number from {lowest.get(key, 0)} on"
            for key, value in vars(self).items()
            if isinstance(value, int) and value < lowest.get(key, 0)
        ]
        for key, allowed in (("sampler", ("tpe", "random")), ("pruner", ("median", "none"))):
            if getattr(self, key) not in allowed:
                lines.append(f"hydra.sweeper.{key}: got {getattr(self, key)!r}; allowed: {', '.join(allowed)}")
        if lines:
            raise ArtclfError("\n".join(lines))


class Search:
    """A search in a folder: begun there, or gone on with.

    Args:
        folder: the sweep's; the run of trial 7 is in its subfolder 7.
        searched: what is searched, and `settled`: what is the same for all trials; from `search_space`.
        settled: see searched.
        metric: the monitored figure ("val/loss"), and `mode`, whether "min" or "max" of it is best.
        mode: see metric.
        options: how to search.

    Raises:
        ArtclfError: where the folder holds another search.
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
        self.folder = folder
        self.settings = [setting(override) for override in searched]
        self.settled = [str(override.input_line) for override in settled]
        self.metric = metric
        self.mode = mode
        self.options = options
        folder.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # what it tells of each trial is told here
        self.study = self._open()
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._tell(trial.number)  # it was running when the search was stopped

    def _open(self) -> optuna.Study:
        journal = self.folder / JOURNAL_FILE
        asked = {
            "space": {found.key: found.text for found in self.settings},
            "settled": self._own_words(),
            "metric": self.metric,
        }
        study = optuna.create_study(
            study_name=STUDY,
            storage=storage(journal),
            direction="minimize" if self.mode == "min" else "maximize",
            load_if_exists=True,
        )
        before = study.user_attrs.get("asked")
        if before is not None and before != asked:
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
        seed = options.seed + len(study.trials)  # else a search that goes on would draw its first trials again
        study.sampler = (
            optuna.samplers.TPESampler(seed=seed, n_startup_trials=options.startup_trials, constant_liar=options.n_jobs > 1)
            if options.sampler == "tpe"
            else optuna.samplers.RandomSampler(seed=seed)
        )
        return study

    def run(
        self,
        launch: Callable[[list[list[str]], int], Any],
        compose: Callable[[list[str]], Any],
    ) -> bool:
        """Search until all trials are done, and write the sweep's page.

        Args:
            launch: runs trials: a list of the words of each, and the number of the first.
            compose: composes the configuration of one trial; raises where it can't be.

        Returns:
            Whether any trial finished.

        Raises:
            ArtclfError: where the launcher can't run anything.
            KeyboardInterrupt: (or SystemExit) where the user stopped it; the page tells of what there is.
        """
        began = time.perf_counter()
        try:
            while (left := self.options.n_trials - len(self.study.trials)) > 0:
                self._batch(min(left, self.options.n_jobs), launch, compose)
        finally:
            if self.study.trials:
                for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                    self._tell(trial.number)
                self._finish(time.perf_counter() - began)
        return any(trial.state == TrialState.COMPLETE for trial in self.study.trials)

    def _batch(self, size: int, launch: Callable[[list[list[str]], int], Any], compose: Callable[[list[str]], Any]) -> None:
        """Ask for trials, run those that can be composed, and tell what came out."""
        trials = [self.study.ask() for _ in range(size)]
        waiting: list[tuple[int, list[str]]] = []
        for trial in trials:
            words = self._words(trial)
            try:
                compose(words)
            except Exception as error:  # noqa: BLE001 (whatever Hydra raises: the trial failed, and its folder tells why)
                self._fail(trial.number, f"these settings can't be composed: {str(error).splitlines()[0]}")
            else:
                waiting.append((trial.number, words))
        for group in _consecutive(waiting):
            try:
                launch([words for _, words in group], group[0][0])
            except Exception as error:  # a worker that died, a SLURM job over its time: not all of the group need have failed
                reason = f"the launcher stopped: {' '.join(f'{type(error).__name__}: {error}'.split())}"
                began = any((self._run_folder(number) / "config.yaml").is_file() for number, _ in group)
                for number, _ in group:
                    if not read_outcome(self._run_folder(number), self.metric).ended:
                        self._fail(number, reason)
                if not began:
                    raise ArtclfError(reason) from error
                log.exception("the launcher stopped; the sweep goes on")
        for trial in trials:
            self._tell(trial.number)

    def _run_folder(self, number: int) -> Path:
        return self.folder / str(number)

    def _words(self, trial: optuna.Trial) -> list[str]:
        """The words of a trial's command line: the search's own, what is settled, and what was drawn."""
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

    def _tell(self, number: int) -> None:
        outcome = read_outcome(self._run_folder(number), self.metric)
        if outcome.state == "finished":
            self.study.tell(number, outcome.value)
            log.info("trial %d: %s %.4g, the best so far %.4g", number, self.metric, outcome.value, self.study.best_value)
            return
        reported = self.study.trials[number].intermediate_values
        pruned = outcome.state == "pruned" and reported
        self.study.tell(number, state=TrialState.PRUNED if pruned else TrialState.FAIL)
        log.info("trial %d %s: %s", number, outcome.state, outcome.reason)

    def _own_words(self) -> list[str]:
        return [word for word in self.settled if not concerns_search(word)]

    def _finish(self, seconds: float) -> None:
        trials = []
        for trial in self.study.trials:
            outcome = read_outcome(self._run_folder(trial.number), self.metric)
            trials.append(Trial(number=trial.number, words=trial.user_attrs.get("words", {}), **vars(outcome)))
        best = min(
            (trial for trial in trials if trial.state == "finished" and trial.value is not None),
            key=lambda trial: (trial.value or 0.0) * (1 if self.mode == "min" else -1),
            default=None,
        )
        command = None
        if best is not None:
            words = [*self._own_words(), *(f"{key}={word}" for key, word in best.words.items())]
            command = command_of(words)
        matters, why_not = importance(self.study)
        sweep = Sweep(
            metric=self.metric,
            mode=self.mode,
            trials=trials,
            space={found.key: found.text for found in self.settings},
            numbers={found.key: (found.low, found.high, found.log) for found in self.settings if not found.words},
            choices={found.key: found.words for found in self.settings if found.words},
            settled=self._own_words(),
            best=best,
            command=command,
            importance=matters,
            importance_missing=why_not,
            asked=self.options.n_trials,
            seconds=seconds,
        )
        write_sweep(self.folder, sweep)


def _consecutive(numbered: list[tuple[int, list[str]]]) -> list[list[tuple[int, list[str]]]]:
    """Split where a number is missing: a launcher counts up from the first."""
    groups: list[list[tuple[int, list[str]]]] = []
    for item in numbered:
        if groups and groups[-1][-1][0] + 1 == item[0]:
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups
