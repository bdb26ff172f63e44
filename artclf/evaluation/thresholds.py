"""Thresholds by the errors that one can bear, set on works that trained nothing, and what these works can promise.

The rule is that of split conformal prediction (Papadopoulos et al. 2002; Vovk, Gammerman and Shafer, Algorithmic learning in a
random world, 2005). Of n human works and a further one like them, each is equally likely to have the k-th highest score. So a
threshold just above the k-th highest of the n accuses the further one with probability k / (n + 1) at most, whatever the scores
are like. The smallest such promise is 1 / (n + 1): fewer works than 1 / rate − 1 can't promise a rate.

That is the average over all draws of n works. With the n at hand, the rate itself follows Beta(k, n + 1 − k) (Vovk, Conditional
validity of inductive conformal predictors, 2012), which gives the interval beside each promise. Nothing is promised of works
that are unlike those that the thresholds were set by.
"""

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from artclf.evaluation.calibration import best_method, cross_validate, errors, fit
from artclf.evaluation.calibrators import DIGITS, as_stored
from artclf.evaluation.decision import VERDICTS, Judge, Promise, judge_by_half, truth
from artclf.evaluation.intervals import CONFIDENCE, Estimate, rates
from artclf.evaluation.types import Booleans, Floats

RATES = (0.001, 0.01, 0.05)  # false positives, of the operating points that every report tells
_HALF_A_STEP = 0.5 * 10**-DIGITS  # scores have so many digits: half a step above one is above it, and below the next


def needed(rate: float) -> int:
    """How many works can promise a rate of errors: 1% needs 99."""
    return math.ceil(1 / rate - 1 - 1e-9)


def promise(scores: Floats, rate: float, confidence: float = CONFIDENCE) -> Promise:
    """Set a threshold above which works like these come as seldom as is asked, or as seldom as so many works can promise.

    Args:
        scores: [n] of works that are to lie below it.
        rate: of works above it, 0..1.
        confidence: of the interval of the rate.
    """
    n = len(scores)
    if not n:
        return Promise(None, rate, None, None, None)
    k = min(max(math.floor(rate * (n + 1) + 1e-9), 1), n)
    threshold = round(float(np.sort(as_stored(scores))[n - k]) + _HALF_A_STEP, DIGITS + 1)
    low, high = beta.ppf([(1 - confidence) / 2, (1 + confidence) / 2], k, n + 1 - k)
    return Promise(threshold, rate, k / (n + 1), float(low), float(high))


def promise_below(scores: Floats, rate: float, confidence: float = CONFIDENCE) -> Promise:
    """The same for a threshold below which works like these come seldom."""
    upside_down = promise(1 - np.asarray(scores), rate, confidence)
    if upside_down.threshold is None:
        return upside_down
    threshold = round(1 - upside_down.threshold, DIGITS + 1)
    return Promise(threshold, rate, upside_down.kept, upside_down.low, upside_down.high)


def fit_judge(
    is_ai: Booleans,
    p_ai: Floats,
    *,
    method: str = "auto",
    false_positive_rate: float = 0.01,
    false_negative_rate: float = 0.05,
    fitted_on: str = "validation",
) -> Judge:
    """Calibrate scores, and set the thresholds of the verdicts.

    Where the two thresholds cross, one between them keeps both promises, and no verdict is unsure.

    Args:
        is_ai: [N], the truth of works that trained nothing.
        p_ai: [N], their scores.
        method: of calibration: auto (the lowest cross-validated log loss), temperature, platt, isotonic, none.
        false_positive_rate: human works called ai that can be borne, 0..1.
        false_negative_rate: AI works called human that can be borne, 0..1.
        fitted_on: which works these are, in words.

    Returns:
        The judge; the one of threshold 0.5 where a class is absent. What can't be promised, its `shortfalls` tell.
    """
    human, ai = p_ai[~is_ai], p_ai[is_ai]
    if not len(human) or not len(ai):
        return judge_by_half(fitted_on, len(human), len(ai), (false_positive_rate, false_negative_rate))
    scores = cross_validate(is_ai, p_ai, method)
    calibrator = fit(best_method(scores) if method == "auto" else method, is_ai, p_ai)
    accusing, acquitting = promise(human, false_positive_rate), promise_below(ai, false_negative_rate)
    assert accusing.threshold is not None
    assert acquitting.threshold is not None
    ai_from, human_below = accusing.threshold, acquitting.threshold
    if ai_from < human_below:
        ai_from = human_below = (ai_from + human_below) / 2
    return Judge(
        calibrator=calibrator,
        human_below=human_below,
        ai_from=ai_from,
        false_positives=accusing,
        false_negatives=acquitting,
        points=tuple(promise(human, rate) for rate in RATES),
        fitted_on=fitted_on,
        n_human=len(human),
        n_ai=len(ai),
        cross_validated=scores,
    )


def fit_to_validation(predictions: pd.DataFrame, **asked: Any) -> Judge:
    """Fit a judge to the split val of predictions.csv.

    Args:
        predictions: columns label, split, p_ai.
        asked: method, false_positive_rate and false_negative_rate, as in `fit_judge`.
    """
    return fit_judge(*truth(predictions[predictions["split"] == "val"]), fitted_on="validation", **asked)


def judgement(predictions: pd.DataFrame, judge: Judge) -> dict[str, Any]:
    """What metrics.json tells of calibration, thresholds and verdicts, of a run or of a model on other pictures.

    Args:
        predictions: predictions.csv, with the columns label, split, p_ai, calibrated, verdict (see `with_verdicts`).
        judge: that gave the last two.

    Returns:
        calibration: method, parameters, what it was fitted on, cross_validated (method → figures), and by split, before and
            after: n, ece, ece_by_chance, brier, log_loss. For the split that it was fitted on, `after` flatters.
        operating_points: for each rate: asked, kept, enough, needed (human works), threshold (None where there were too few),
            and by split, but for val: false_positive_rate and recall, each value, low, high, n.
        judge: what the checkpoint holds, and verdicts: split → truth → verdict → how many.
    """
    splits = {str(name): rows for name, rows in predictions.groupby("split", sort=False)}
    how = judge.calibrator.to_json()
    return {
        "calibration": {
            "method": how.pop("method"),
            "parameters": how,
            "fitted_on": judge.fitted_on,
            "n_human": judge.n_human,
            "n_ai": judge.n_ai,
            "cross_validated": judge.cross_validated,
            "splits": {
                name: {
                    "before": errors(truth(rows)[0], rows["p_ai"].to_numpy(dtype=float)),
                    "after": errors(truth(rows)[0], rows["calibrated"].to_numpy(dtype=float)),
                }
                for name, rows in splits.items()
            },
        },
        "operating_points": [
            {
                "asked": point.asked,
                "kept": point.kept,
                "enough": point.is_kept,
                "needed": needed(point.asked),
                "threshold": point.threshold if point.is_kept else None,
                "splits": {name: _operating(rows, point.threshold) for name, rows in splits.items() if name != "val"}
                if point.is_kept and point.threshold is not None
                else {},
            }
            for point in judge.points
        ],
        "judge": {
            **judge.to_json(),
            "verdicts": {
                name: {
                    str(label): {verdict: int((of_label["verdict"] == verdict).sum()) for verdict in VERDICTS}
                    for label, of_label in rows.groupby("label", sort=False)
                }
                for name, rows in splits.items()
            },
        },
    }


def _operating(rows: pd.DataFrame, threshold: float) -> dict[str, dict[str, Any]]:
    is_ai, p_ai = truth(rows)
    verdicts = rates(is_ai, p_ai >= threshold)
    return {
        "false_positive_rate": _plain(verdicts.false_positive_rate, verdicts.n_human),
        "recall": _plain(verdicts.recall, verdicts.n_ai),
    }


def _plain(estimate: Estimate, n: int) -> dict[str, Any]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": n}
