"""Which settings mattered."""

import optuna
import pandas as pd
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

FEWEST = 8  # finished trials below which the shares would be noise


def importance(study: optuna.Study) -> tuple[dict[str, float], str]:
    """Share of the differences between finished trials that each setting explains, by itself and with the others.

    Functional ANOVA on a random forest (Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
    Importance", ICML 2014), as Optuna computes it. The forest is given the trials' ranks: a single trial that nearly diverged
    would otherwise explain everything.

    Returns:
        Key → share, the largest first (they add up to 1), and an empty text; or nothing, and why not.
    """
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(finished) < FEWEST:
        return {}, f"{len(finished)} trials finished: too few to tell which settings mattered (from {FEWEST} on)"
    if len({trial.value for trial in finished}) == 1:
        return {}, "all finished trials have the same figure: no setting mattered"
    ranks = pd.Series({trial.number: trial.value for trial in finished}).rank()

    def rank(trial: FrozenTrial) -> float:
        return float(ranks[trial.number])

    return dict(get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0), target=rank)), ""
