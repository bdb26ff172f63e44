"""Decision thresholds with a guaranteed rate of errors, set on images that trained nothing, such as the validation split.

These are the thresholds of split conformal prediction (Papadopoulos et al. 2002; Vovk, Gammerman and Shafer 2005): a further
human image exceeds a threshold just above the k-th highest score of n like it with probability k / (n + 1) at most, averaged
over all draws of the n. With the n at hand, the rate follows Beta(k, n + 1 − k) (Vovk, Conditional validity of inductive
conformal predictors, 2012), which gives the interval. Nothing is guaranteed of images unlike those.
"""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from artclf.evaluation.calibration import best_method, cross_validate, errors, fit
from artclf.evaluation.decision import DIGITS, VERDICTS, ConformalThreshold, DecisionRule, as_stored, default_rule, truth
from artclf.evaluation.guarantees import check_guarantees, verdict_rates
from artclf.evaluation.intervals import CONFIDENCE, wilson
from artclf.evaluation.metrics import by_split
from artclf.evaluation.types import Booleans, Floats

VALIDATION = "validation"  # the images that a run's own rule is fitted to
RATES = (0.001, 0.01, 0.05)  # false-positive rates of the operating points in every report
_HALF_A_STEP = 0.5 * 10**-DIGITS  # of stored scores: half a step above one is above it, and below the next


def needed(rate: float) -> int:
    """How many images can guarantee a rate of errors: 1% needs 99."""
    return math.ceil(1 / rate - 1 - 1e-9)


def conformal_threshold(scores: Floats, rate: float, *, above: bool = True) -> ConformalThreshold:
    """Set the threshold above (or below) which images like these [n] lie at the target rate, or the lowest n can guarantee."""
    n = len(scores)
    if not n:
        return ConformalThreshold(None, rate, None, None, None)
    k = min(max(math.floor(rate * (n + 1) + 1e-9), 1), n)
    ordered = np.sort(as_stored(scores))
    threshold = round(float(ordered[n - k] + _HALF_A_STEP if above else ordered[k - 1] - _HALF_A_STEP), DIGITS + 1)
    low, high = beta.interval(CONFIDENCE, k, n + 1 - k)
    return ConformalThreshold(threshold, rate, k / (n + 1), float(low), float(high))


def fit_decision_rule(
    is_ai: Booleans,
    p_ai: Floats,
    *,
    method: str = "auto",
    false_positive_rate: float = 0.01,
    false_negative_rate: float = 0.05,
    fitted_on: str = VALIDATION,
) -> DecisionRule:
    """Calibrate scores, and set the thresholds of the verdicts, by images that trained nothing.

    Where the two thresholds cross, one between them meets both rates, and no verdict is unsure. Where a class is absent, the
    rule is `default_rule`. Its `shortfalls` name what can't be guaranteed.

    Args:
        is_ai: [N], the truth.
        p_ai: [N], the scores.
        method: of calibration: auto (the lowest cross-validated log loss), temperature, platt, isotonic, none.
        false_positive_rate: target rate of human images called ai, 0..1.
        false_negative_rate: target rate of AI images called human, 0..1.
        fitted_on: which images these are.
    """
    human, ai = p_ai[~is_ai], p_ai[is_ai]
    above, below = conformal_threshold(human, false_positive_rate), conformal_threshold(ai, false_negative_rate, above=False)
    if above.threshold is None or below.threshold is None:
        return default_rule(fitted_on, len(human), len(ai), (false_positive_rate, false_negative_rate))
    scores = cross_validate(is_ai, p_ai, method)
    ai_from, human_below = above.threshold, below.threshold
    if ai_from < human_below:
        ai_from = human_below = (ai_from + human_below) / 2
    return DecisionRule(
        calibrator=fit(best_method(scores) if method == "auto" else method, is_ai, p_ai),
        human_below=human_below,
        ai_from=ai_from,
        false_positives=above,
        false_negatives=below,
        points=tuple(conformal_threshold(human, rate) for rate in RATES),
        fitted_on=fitted_on,
        n_human=len(human),
        n_ai=len(ai),
        cross_validated=scores,
    )


def count_verdicts(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count the images of each label by their verdict: label → verdict → number, from the columns label and verdict."""
    counts = pd.crosstab(rows["label"], rows["verdict"]).reindex(columns=list(VERDICTS), fill_value=0)
    return {str(label): {str(verdict): int(n) for verdict, n in row.items()} for label, row in counts.iterrows()}


def decision_metrics(predictions: pd.DataFrame, rule: DecisionRule) -> dict[str, Any]:
    """Compute what metrics.json holds of calibration, thresholds and verdicts.

    Args:
        predictions: predictions.csv, with the columns calibrated and verdict (see `with_verdicts`).
        rule: that gave these two.

    Returns:
        decision_rule: the rule, how many verdicts each split has, and their rates (`verdict_rates`); guarantees, as
        `check_guarantees` returns them, of each split but the one that the rule was fitted to; calibration: errors of each
        split before and after (which flatters that split); operating_points: the rule's, with the rates on each split but val.
    """
    splits, calibration, verdicts, rates = by_split(predictions), {}, {}, {}
    guarantees = []
    for name, rows in splits.items():
        is_ai, p_ai = truth(rows)
        calibration[name] = {"before": errors(is_ai, p_ai), "after": errors(is_ai, rows["calibrated"].to_numpy(dtype=float))}
        verdicts[name] = count_verdicts(rows)
        rates[name] = verdict_rates(rows)
        if (name, rule.fitted_on) != ("val", VALIDATION):
            guarantees += check_guarantees(rule, rows, name)
    points = [
        {
            **asdict(point),
            "is_met": point.is_met,
            "needed": needed(point.target_rate),
            "splits": {name: _rates(*truth(rows), point.threshold) for name, rows in splits.items() if name != "val"},
        }
        for point in rule.points
        if point.threshold is not None
    ]
    return {
        "decision_rule": {**rule.to_json(), "verdicts": verdicts, "rates": rates},
        "guarantees": guarantees,
        "calibration": calibration,
        "operating_points": points,
    }


def _rates(is_ai: Booleans, p_ai: Floats, threshold: float) -> dict[str, dict[str, float | None]]:
    """How many images of each class a threshold calls AI."""
    rates = {}
    for name, of_class in (("false_positive_rate", p_ai[~is_ai]), ("recall", p_ai[is_ai])):
        rates[name] = {**asdict(wilson(int((of_class >= threshold).sum()), len(of_class))), "n": len(of_class)}
    return rates
