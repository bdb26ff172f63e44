"""A search for good settings: Optuna proposes, a launcher runs, and the outcome is reported to Optuna."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import optuna
import pandas as pd
from hydra.core.override_parser.types import Override
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import TrialState

from artclf.config.command import concerns_search, quoted
from artclf.config.space import setting
from artclf.errors import ArtclfError
from artclf.report.sweep_page import Sweep, write_sweep
from artclf.run_folder import (
    CONFIG_FILE,
    EPOCHS_FILE,
    ERROR_FILE,
    JOURNAL_FILE,
    outcome_of,
    read_metrics,
    read_pruned,
    read_table,
    write_text,
)
from artclf.sweep.options import Options
from artclf.sweep.pruning import OPTIONS, STUDY, storage

log = logging.getLogger(__name__)

Launch = Callable[[list[list[str]], int], Any]  # runs jobs: the overrides of each, and the number of the first
Compose = Callable[[list[str]], Any]  # composes the configuration of one job; raises where it can't be
TEST_FIGURES = ("balanced_accuracy", "auroc", "false_positive_rate")
_FEWEST = 8  # finished trials; with fewer, the importance of settings would be noise


class Search:
    """A new search in a folder, or the continuation of the one that it holds. The run of trial 7 is in its subfolder 7.

    `searched` and `fixed` come from `search_space`; `metric` is the monitored one ("val/loss"), and `mode` says whether its
    lowest or its highest value is best. ArtclfError for options that are not allowed.
    """

    def __init__(
        self,
        folder: Path,
        searched: Sequence[Override],
        fixed: Sequence[Override],
        *,
        metric: str,
        mode: Literal["min", "max"],
        options: Options,
    ) -> None:
        options.check()
        self.folder = folder
        self.settings = [setting(override) for override in searched]
        self.fixed = [str(override.input_line) for override in fixed]
        self.metric, self.mode, self.options = metric, mode, options
        folder.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # its lines about each trial are logged here
        self.study = _open_study(folder / JOURNAL_FILE, "minimize" if mode == "min" else "maximize")
        self.study.set_user_attr(OPTIONS, vars(options))
        seed = options.seed + len(self.study.trials)  # else a continued search would draw its first trials again
        self.study.sampler = RandomSampler(seed)
        if options.sampler == "tpe":
            liar = options.n_jobs > 1  # trials at the same time are drawn apart
            self.study.sampler = TPESampler(seed=seed, n_startup_trials=options.startup_trials, constant_liar=liar)
        self._report_running()  # what a search that was killed has left

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
                self._report_running()
                write_sweep(self.folder, self._sweep(time.perf_counter() - began))
        return bool(self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))

    def _run_batch(self, size: int, launch: Launch, compose: Compose) -> None:
        """Ask for trials, run those that can be composed, and report the outcomes."""
        jobs: dict[int, list[str]] = {}
        for trial in [self.study.ask() for _ in range(size)]:
            overrides = self._overrides(trial)
            try:
                compose(overrides)
            except Exception as error:  # noqa: BLE001 (whatever Hydra raises: the trial failed, and its folder says why)
                self._fail(trial.number, f"these settings can't be composed: {str(error).splitlines()[0]}")
            else:
                jobs[trial.number] = overrides
        try:
            if jobs:
                launch(list(jobs.values()), min(jobs))
        except Exception as error:  # a worker that died, a SLURM job over its time: not all of the jobs need have failed
            reason = f"the launcher stopped: {' '.join(f'{type(error).__name__}: {error}'.split())}"
            for number in jobs:
                if outcome_of(self.folder / str(number)).state == "unfinished":
                    self._fail(number, reason)
            if not any((self.folder / str(number) / CONFIG_FILE).is_file() for number in jobs):
                raise ArtclfError(reason) from error
            log.exception("the launcher stopped; the sweep goes on")
        self._report_running()

    def _overrides(self, trial: optuna.Trial) -> list[str]:
        """The overrides of a trial: the fixed ones, the drawn ones, and the search's own."""
        drawn = {found.key: found.draw(trial) for found in self.settings}
        trial.set_user_attr("words", drawn)
        words = [*self.fixed, *(f"{key}={word}" for key, word in drawn.items())]
        words += [f"hydra.sweep.dir={quoted(str(self.folder))}", f"hydra.sweep.subdir={quoted(str(trial.number))}"]
        if self.options.pruner != "none":
            words.append(f"pruning={{storage:{quoted(str(self.folder / JOURNAL_FILE))},trial:{trial._trial_id}}}")
        return words

    def _fail(self, number: int, reason: str) -> None:
        (self.folder / str(number)).mkdir(parents=True, exist_ok=True)
        write_text(self.folder / str(number) / ERROR_FILE, reason)

    def _report_running(self) -> None:
        """Report to Optuna what became of the trials that it takes to be running."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            outcome = read_outcome(self.folder / str(trial.number), self.metric)
            if outcome["state"] == "finished":
                self.study.tell(trial.number, outcome[self.metric])
                best = self.study.best_value
                log.info("trial %d: %s %.4g, the best so far %.4g", trial.number, self.metric, outcome[self.metric], best)
            else:
                self.study.tell(trial.number, state=TrialState.PRUNED if outcome["state"] == "pruned" else TrialState.FAIL)
                log.info("trial %d %s: %s", trial.number, outcome["state"], outcome["reason"])

    def _sweep(self, seconds: float) -> Sweep:
        """What the sweep's page shows."""
        rows = []
        for trial in self.study.trials:
            outcome = read_outcome(self.folder / str(trial.number), self.metric)
            rows.append({"trial": trial.number, **trial.user_attrs.get("words", {}), **outcome})
        searched, test = [found.key for found in self.settings], [f"test_{name}" for name in TEST_FIGURES]
        columns = [*("trial", "state", self.metric, "epochs", "seconds"), *searched, *test, "reason"]
        return Sweep(
            metric=self.metric,
            mode=self.mode,
            trials=pd.DataFrame(rows, columns=columns).astype({self.metric: float}),
            settings=self.settings,
            settled=[word for word in self.fixed if not concerns_search(word)],
            importance=importance(self.study),
            asked=self.options.n_trials,
            seconds=seconds,
        )


def _open_study(journal: Path, direction: Literal["minimize", "maximize"]) -> optuna.Study:
    """Open or make the journal. A line that a killed process has not written to its end is dropped."""
    if journal.is_file():
        with journal.open("rb+") as file:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                log.warning("%s: its last line is not whole, and is dropped", journal)
                file.truncate(whole)
    try:
        return optuna.create_study(study_name=STUDY, storage=storage(journal), load_if_exists=True, direction=direction)
    except OSError:
        raise
    except Exception as error:  # whatever Optuna makes of other bytes
        reason = f"{journal}: is no journal of a search ({type(error).__name__}); without it the search begins anew"
        raise ArtclfError(f"{reason}; remove it, or type another hydra.sweep.dir") from error


def read_outcome(run: Path, metric: str) -> dict[str, Any]:
    """Read what the run of a trial left in its folder, as `Sweep.trials` holds it; `metric` is the monitored one."""
    table = read_table(run / EPOCHS_FILE, numbers=("seconds",))
    ended = outcome_of(run)
    found = {"state": ended.state, "reason": ended.reason, "epochs": 0 if table is None else len(table)}
    if ended.state == "pruned":
        pruned = read_pruned(run)
        assert pruned is not None
        return {**found, metric: pruned["value"], "seconds": pruned["seconds"]}
    if ended.state == "finished":
        metrics = read_metrics(run)
        test = {f"test_{name}": metrics["splits"]["test"].get(name) for name in TEST_FIGURES}
        return {**found, metric: metrics["best"][metric], "seconds": metrics.get("seconds"), **test}
    if ended.state == "unfinished":
        found |= {"state": "failed", "reason": "it did not end: it was interrupted, or its process was"}
    return {**found, "seconds": None if table is None else round(float(table["seconds"].sum()), 2)}


def importance(study: optuna.Study) -> dict[str, float]:
    """Share of the differences between finished trials that each setting explains, the largest first; they add up to 1.

    Functional ANOVA on a random forest (Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
    Importance", ICML 2014), as Optuna computes it. The forest is given the trials' ranks: a single trial that nearly diverged
    would otherwise explain everything. Empty where too few trials finished, or all are equally good.
    """
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    ranks = pd.Series({trial.number: trial.value for trial in finished}, dtype=float).rank()
    if len(finished) < _FEWEST or ranks.nunique() == 1:
        return {}
    evaluator = FanovaImportanceEvaluator(seed=0)
    return get_param_importances(study, evaluator=evaluator, target=lambda trial: float(ranks[trial.number]))
