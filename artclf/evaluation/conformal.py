"""Decision thresholds with a guaranteed rate of errors, set on images that trained nothing, such as the validation split.

These are the thresholds of split conformal prediction (Papadopoulos et al. 2002; Vovk, Gammerman and Shafer 2005). Of n human
images and a further one like them, each is equally likely to have the k-th highest score. So a threshold just above the k-th
highest of the n accuses the further one with probability k / (n + 1) at most. The smallest such rate is 1 / (n + 1): fewer
images than 1 / rate − 1 can't guarantee a rate. That is the average over all draws of n images; with the n at hand, the rate
follows Beta(k, n + 1 − k) (Vovk, Conditional validity of inductive conformal predictors, 2012), which gives the interval.
Nothing is guaranteed of images unlike those that the thresholds were set by.
"""

import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from artclf.evaluation.calibration import best_method, cross_validate, errors, fit
from artclf.evaluation.decision import DIGITS, VERDICTS, ConformalThreshold, DecisionRule, as_stored, default_rule, truth
from artclf.evaluation.intervals import CONFIDENCE, rates
from artclf.evaluation.types import Booleans, Floats

RATES = (0.001, 0.01, 0.05)  # false positives, of the operating points that every report lists
_HALF_A_STEP = 0.5 * 10**-DIGITS  # of stored scores: half a step above one is above it, and below the next


def needed(rate: float) -> int:
    """How many images can guarantee a rate of errors: 1% needs 99."""
    return math.ceil(1 / rate - 1 - 1e-9)


def threshold_above(scores: Floats, rate: float, confidence: float = CONFIDENCE) -> ConformalThreshold:
    """Set the threshold that images like these exceed at the target rate, or at the lowest that so many can guarantee.

    Args:
        scores: [n] of images that are to lie below it.
        rate: target rate of images above it, 0..1.
        confidence: of the interval of the rate.
    """
    n = len(scores)
    if not n:
        return ConformalThreshold(None, rate, None, None, None)
    k = min(max(math.floor(rate * (n + 1) + 1e-9), 1), n)
    threshold = round(float(np.sort(as_stored(scores))[n - k]) + _HALF_A_STEP, DIGITS + 1)
    low, high = beta.ppf([(1 - confidence) / 2, (1 + confidence) / 2], k, n + 1 - k)
    return ConformalThreshold(threshold, rate, k / (n + 1), float(low), float(high))


def threshold_below(scores: Floats, rate: float, confidence: float = CONFIDENCE) -> ConformalThreshold:
    """The same for a threshold that images like these seldom lie below."""
    mirrored = threshold_above(1 - np.asarray(scores), rate, confidence)
    threshold = None if mirrored.threshold is None else round(1 - mirrored.threshold, DIGITS + 1)
    return replace(mirrored, threshold=threshold)


def fit_decision_rule(
    is_ai: Booleans,
    p_ai: Floats,
    *,
    method: str = "auto",
    false_positive_rate: float = 0.01,
    false_negative_rate: float = 0.05,
    fitted_on: str = "validation",
) -> DecisionRule:
    """Calibrate scores, and set the thresholds of the verdicts.

    Where the two thresholds cross, one between them meets both rates, and no verdict is unsure.

    Args:
        is_ai: [N], the truth of images that trained nothing.
        p_ai: [N], their scores.
        method: of calibration: auto (the lowest cross-validated log loss), temperature, platt, isotonic, none.
        false_positive_rate: target rate of human images called ai, 0..1.
        false_negative_rate: target rate of AI images called human, 0..1.
        fitted_on: which images these are, in words.

    Returns:
        The rule; that of threshold 0.5 where a class is absent. Its `shortfalls` name what can't be guaranteed.
    """
    human, ai = p_ai[~is_ai], p_ai[is_ai]
    if not len(human) or not len(ai):
        return default_rule(fitted_on, len(human), len(ai), (false_positive_rate, false_negative_rate))
    scores = cross_validate(is_ai, p_ai, method)
    calibrator = fit(best_method(scores) if method == "auto" else method, is_ai, p_ai)
    above, below = threshold_above(human, false_positive_rate), threshold_below(ai, false_negative_rate)
    assert above.threshold is not None
    assert below.threshold is not None
    ai_from, human_below = above.threshold, below.threshold
    if ai_from < human_below:
        ai_from = human_below = (ai_from + human_below) / 2
    return DecisionRule(
        calibrator=calibrator,
        human_below=human_below,
        ai_from=ai_from,
        false_positives=above,
        false_negatives=below,
        points=tuple(threshold_above(human, rate) for rate in RATES),
        fitted_on=fitted_on,
        n_human=len(human),
        n_ai=len(ai),
        cross_validated=scores,
    )


def fit_to_validation(predictions: pd.DataFrame, **options: Any) -> DecisionRule:
    """Fit a decision rule to the split val of predictions.csv; `options` as in `fit_decision_rule`."""
    return fit_decision_rule(*truth(predictions[predictions["split"] == "val"]), fitted_on="validation", **options)


def decision_metrics(predictions: pd.DataFrame, rule: DecisionRule) -> dict[str, Any]:
    """Compute what metrics.json holds of calibration, thresholds and verdicts.

    Args:
        predictions: predictions.csv, with the columns label, split, p_ai, calibrated, verdict (see `with_verdicts`).
        rule: that gave the last two.

    Returns:
        calibration: method, parameters, what it was fitted on, cross_validated (method → figures), and by split, before and
            after: n, ece, ece_by_chance, brier, log_loss. For the split that it was fitted on, `after` flatters.
        operating_points: for each rate: asked, kept, enough, needed (human images), threshold (None where there were too few),
            and by split, but for val: false_positive_rate and recall, each value, low, high, n.
        judge: what the checkpoint holds, and verdicts: split → truth → verdict → how many.
    """
    splits = {str(name): rows for name, rows in predictions.groupby("split", sort=False)}
    how = rule.calibrator.to_json()
    calibration = {
        "method": how.pop("method"),
        "parameters": how,
        "fitted_on": rule.fitted_on,
        "n_human": rule.n_human,
        "n_ai": rule.n_ai,
        "cross_validated": rule.cross_validated,
        "splits": {
            name: {
                when: errors(truth(rows)[0], rows[column].to_numpy(dtype=float))
                for when, column in (("before", "p_ai"), ("after", "calibrated"))
            }
            for name, rows in splits.items()
        },
    }
    points = [
        {
            "asked": point.target_rate,
            "kept": point.guaranteed_rate,
            "enough": point.is_met,
            "needed": needed(point.target_rate),
            "threshold": point.threshold if point.is_met else None,
            "splits": {name: _operating(rows, point.threshold) for name, rows in splits.items() if name != "val"}
            if point.is_met and point.threshold is not None
            else {},
        }
        for point in rule.points
    ]
    verdicts = {
        name: {
            str(label): {verdict: int((of_label["verdict"] == verdict).sum()) for verdict in VERDICTS}
            for label, of_label in rows.groupby("label", sort=False)
        }
        for name, rows in splits.items()
    }
    return {"calibration": calibration, "operating_points": points, "judge": {**rule.to_json(), "verdicts": verdicts}}


def _operating(rows: pd.DataFrame, threshold: float) -> dict[str, dict[str, Any]]:
    is_ai, p_ai = truth(rows)
    verdicts = rates(is_ai, p_ai >= threshold)
    return {
        "false_positive_rate": {**asdict(verdicts.false_positive_rate), "n": verdicts.n_human},
        "recall": {**asdict(verdicts.recall), "n": verdicts.n_ai},
    }
