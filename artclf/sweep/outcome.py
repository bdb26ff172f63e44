"""How trials ended, by what their runs left in their folders, and the importance of settings."""

import math
from pathlib import Path

import optuna
import pandas as pd
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from artclf.report.sweep_page import Outcome
from artclf.run_folder import PRUNED_FILE, outcome_of, read_json, read_metrics

_FEWEST = 8  # finished trials; with fewer, the shares of settings would be noise
TEST_FIGURES = ("balanced_accuracy", "auroc", "false_positive_rate")


def read_outcome(folder: Path, metric: str) -> Outcome:
    """Read what the run in a folder left; `metric` is the monitored one ("val/loss")."""
    history = pd.read_csv(folder / "metrics.csv") if (folder / "metrics.csv").is_file() else pd.DataFrame({"seconds": []})
    epochs, trained = len(history), round(float(history["seconds"].sum()), 2) if len(history) else None
    run = outcome_of(folder)
    if run.state == "failed":
        return Outcome("failed", None, epochs, trained, run.reason)
    if run.state == "pruned":
        pruned = read_json(folder / PRUNED_FILE, "search again")
        return Outcome("pruned", pruned["value"], epochs, pruned["seconds"], pruned["reason"])
    if run.state == "unfinished":
        return Outcome("failed", None, epochs, trained, "it did not end: it was interrupted, or its process was", ended=False)
    metrics = read_metrics(folder)
    value, seconds = metrics["best"].get(metric), metrics.get("seconds")
    if value is None or not math.isfinite(value):
        return Outcome("failed", None, epochs, seconds, f"it gave no {metric}: are there callbacks that keep the best weights?")
    return Outcome("finished", value, epochs, seconds, test={key: metrics["splits"]["test"].get(key) for key in TEST_FIGURES})


def importance(study: optuna.Study) -> dict[str, float]:
    """Share of the differences between finished trials that each setting explains, by itself and with the others.

    Functional ANOVA on a random forest (Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
    Importance", ICML 2014), as Optuna computes it. The forest is given the trials' ranks: a single trial that nearly diverged
    would otherwise explain everything.

    Returns:
        Key → share, the largest first (they add up to 1); nothing where there are too few trials, or all have the same figure.
    """
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(finished) < _FEWEST or len({trial.value for trial in finished}) == 1:
        return {}
    ranks = pd.Series({trial.number: trial.value for trial in finished}).rank()

    def rank(trial: FrozenTrial) -> float:
        return float(ranks[trial.number])

    return dict(get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0), target=rank))
