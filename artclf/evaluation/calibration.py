"""Fitting a decision rule: calibration of the scores, and thresholds with a guaranteed rate of errors.

The images that it is fitted to have trained nothing, such as the validation split. The thresholds are those of split conformal
prediction (Papadopoulos et al. 2002; Vovk, Gammerman and Shafer 2005): a further human image exceeds a threshold just above the
k-th highest score of n like it with probability k / (n + 1) at most, averaged over all draws of the n. With the n at hand, the
rate follows Beta(k, n + 1 − k) (Vovk, Conditional validity of inductive conformal predictors, 2012), which gives the interval.
Nothing is guaranteed of images unlike those.

Where images were scored by heads that had not seen their source (or generator), the thresholds are for a new source: conformal
within each source, and again across the sources' thresholds (double conformal prediction: Dunn, Wasserman and Ramdas,
Distribution-free prediction sets for two-layer hierarchical models, JASA 2023). See `grouped_threshold`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.stats import beta
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import StratifiedKFold

from artclf.evaluation import Booleans, Floats, Indices
from artclf.evaluation.decision import (
    AI,
    DIGITS,
    HUMAN,
    VERDICTS,
    Calibrator,
    ConformalThreshold,
    DecisionRule,
    HeldOut,
    as_stored,
    default_rule,
    logits,
)
from artclf.evaluation.intervals import CONFIDENCE, Estimate, wilson

VALIDATION = "validation"  # the images that a run's own rule is fitted to
RATES = (0.001, 0.01, 0.05)  # false-positive rates of the operating points in every report
ENOUGH = 20  # images of a class: a source or generator of fewer sets no threshold
FEWEST_GROUPS = 2  # of them: one is checked by the other
BINS = 10
IN_A_BIN = 10  # images at least, else there are fewer bins
ENOUGH_FOR_ISOTONIC = 200  # images of each class: it overfits fewer
_FOLDS, _REPEATS = 5, 4
_SLOPES = (0.01, 100.0)  # bounds: a positive slope keeps the order
_INTERCEPTS = (-50.0, 50.0)
_DRAWS = 200
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


def grouped_threshold(groups: Sequence[Floats], rate: float, *, above: bool = True) -> ConformalThreshold:
    """Set the threshold above (or below) which images of a new group lie at the target rate, by the scores of K groups.

    Each group has a threshold of its own at that rate, and theirs is the strictest, or, of 1 / rate groups and more, the j-th
    strictest, j = rate · (K + 1). Where a new group is like a random one of these, its own threshold would be stricter still
    with probability j / (K + 1), and nothing is known of it then. Its own threshold has an error rate of its own: at most
    `rate`, or 1 / (n + 1) of a group of few images n. The guaranteed rate is the sum of both: with few groups, weak.
    """
    own = [conformal_threshold(scores, rate, above=above) for scores in groups]
    outer = conformal_threshold(np.array([one.threshold for one in own]), rate, above=above)
    within = max(one.guaranteed_rate or 0.0 for one in own)  # none is None
    expected, high = (min(beyond + within, 1.0) for beyond in (outer.guaranteed_rate or 0.0, outer.high or 0.0))
    return ConformalThreshold(outer.threshold, rate, expected, 0.0, high)


def fit_decision_rule(
    is_ai: Booleans,
    p_ai: Floats,
    *,
    method: str = "auto",
    false_positive_rate: float = 0.01,
    false_negative_rate: float = 0.05,
    fitted_on: str = VALIDATION,
    by: Literal["source", "generator", "none"] = "none",
    held_out: pd.DataFrame | None = None,
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
        by: what `held_out` is grouped by.
        held_out: scores of images by heads that had not seen their group: its columns are group, label and p_ai. A class with
            two or more groups of 20 images has the stricter threshold of theirs and that by [N].
    """
    rates = {HUMAN: false_positive_rate, AI: false_negative_rate}
    n_human, n_ai = int((~is_ai).sum()), int(is_ai.sum())
    if not n_human or not n_ai:
        return default_rule(fitted_on, n_human, n_ai, (false_positive_rate, false_negative_rate))
    known = _Scores({HUMAN: p_ai[~is_ai], AI: p_ai[is_ai]}, _groups(held_out) if held_out is not None else {})
    scores = cross_validate(is_ai, p_ai, method)
    human_below, ai_from = known.thresholds(rates)
    return DecisionRule(
        calibrator=fit(best_method(scores) if method == "auto" else method, is_ai, p_ai),
        human_below=human_below,
        ai_from=ai_from,
        false_positives=known.threshold(HUMAN, false_positive_rate),
        false_negatives=known.threshold(AI, false_negative_rate),
        points=tuple(known.threshold(HUMAN, rate) for rate in RATES),
        fitted_on=fitted_on,
        n_human=n_human,
        n_ai=n_ai,
        cross_validated=scores,
        by=by if known.groups else "none",
        held_out=tuple(
            _held_out(name, label, own, rates[label], known.thresholds(rates, without=name))
            for label, groups in known.groups.items()
            for name, own in groups.items()
        ),
    )


@dataclass(frozen=True)
class _Scores:
    """What thresholds are set by."""

    of: dict[str, Floats]  # label → p_ai of images that trained nothing
    groups: dict[str, dict[str, Floats]]  # label → group → p_ai by a head that had not seen it; empty where they set nothing

    def threshold(self, label: str, rate: float, without: str | None = None) -> ConformalThreshold:
        """A label's threshold: the stricter of both; `without` a group, that of the other groups alone, if there are any."""
        strict, above = (max, True) if label == HUMAN else (min, False)
        others = [scores for name, scores in self.groups.get(label, {}).items() if name != without]
        of_images = conformal_threshold(self.of[label], rate, above=above)
        if not others:
            return of_images
        of_groups = grouped_threshold(others, rate, above=above)
        if without:
            return of_groups
        return replace(of_groups, threshold=strict(of_groups.threshold or 0.0, of_images.threshold or 0.0))

    def thresholds(self, rates: Mapping[str, float], without: str | None = None) -> tuple[float, float]:
        """Human below, and ai from; where they cross, one between them."""
        human_below, ai_from = (float(self.threshold(label, rates[label], without).threshold or 0) for label in (AI, HUMAN))
        middle = (human_below + ai_from) / 2
        return (human_below, ai_from) if human_below <= ai_from else (middle, middle)


def _groups(held_out: pd.DataFrame) -> dict[str, dict[str, Floats]]:
    """The scores of the groups that set a threshold: label → group → p_ai."""
    found: dict[str, dict[str, Floats]] = {}
    for label, rows in held_out.groupby("label"):
        groups = {str(name): part.to_numpy(dtype=float) for name, part in rows.groupby("group")["p_ai"] if len(part) >= ENOUGH}
        if len(groups) >= FEWEST_GROUPS:
            found[str(label)] = groups
    return found


def _held_out(name: str, label: str, scores: Floats, rate: float, thresholds: tuple[float, float]) -> HeldOut:
    """Decide a group's scores by thresholds (human below, ai from) that the other groups set."""
    own = conformal_threshold(scores, rate, above=label == HUMAN).threshold
    human, ai = as_stored(scores) < thresholds[0], as_stored(scores) >= thresholds[1]
    counts = (int(human.sum()), int((~human & ~ai).sum()), int(ai.sum()))
    return HeldOut(name, label, float(own or 0), dict(zip(VERDICTS, counts, strict=True)))


def fit(method: str, is_ai: Booleans, p_ai: Floats) -> Calibrator:
    """Fit temperature, platt, isotonic or none to scores [N] of images of both classes.

    The targets are Platt's, (n + 1) / (n + 2) and 1 / (n + 2) in place of 1 and 0, so that separable images make no score
    infinitely sure; isotonic regression stays between them.
    """
    if method == "none":
        return Calibrator()
    n_ai, n_human = int(is_ai.sum()), int((~is_ai).sum())
    surely_ai, surely_human = (n_ai + 1) / (n_ai + 2), 1 / (n_human + 2)
    if method == "isotonic":
        line = IsotonicRegression(y_min=surely_human, y_max=surely_ai, out_of_bounds="clip").fit(as_stored(p_ai), is_ai)
        points = zip(line.X_thresholds_.tolist(), line.y_thresholds_.tolist(), strict=True)
        return Calibrator("isotonic", points=tuple(points))
    logit, target = logits(p_ai), np.where(is_ai, surely_ai, surely_human)

    def loss(x: Floats) -> float:
        """Mean cross-entropy of sigmoid(slope · logit + intercept) and the targets."""
        shifted = np.exp(x[0]) * logit + x[1:].sum()
        return float(np.mean(np.logaddexp(0.0, shifted) - target * shifted))

    bounds = [tuple(np.log(_SLOPES)), *([_INTERCEPTS] if method == "platt" else [])]
    found = minimize(loss, np.zeros(len(bounds)), method="Powell", bounds=bounds, options={"xtol": 1e-7, "ftol": 1e-12}).x
    slope = float(np.exp(found[0]))
    return Calibrator("platt", slope, float(found[1])) if method == "platt" else Calibrator("temperature", slope)


def cross_validate(is_ai: Booleans, p_ai: Floats, method: str = "auto") -> dict[str, dict[str, float]]:
    """Compare a method with none by five-fold cross-validation, four times; auto compares all that there are images for.

    Returns:
        method → ece, brier and log_loss, each the mean over the repeats. Empty with fewer than two images of a class.
    """
    fewest = int(min(is_ai.sum(), (~is_ai).sum()))
    if fewest < 2:
        return {}
    every = ["none", "temperature", "platt", *(["isotonic"] if fewest >= ENOUGH_FOR_ISOTONIC else [])]
    found = {}
    for name in every if method == "auto" else dict.fromkeys(["none", method]):
        repeats = []
        for seed in range(_REPEATS):
            calibrated = np.empty(len(p_ai))
            for others, held_out in StratifiedKFold(min(_FOLDS, fewest), shuffle=True, random_state=seed).split(p_ai, is_ai):
                calibrated[held_out] = fit(name, is_ai[others], p_ai[others]).apply(p_ai[held_out])
            repeats.append(_scores(is_ai, calibrated))
        found[name] = {str(figure): float(value) for figure, value in pd.DataFrame(repeats).mean().items()}
    return found


def best_method(cross_validated: Mapping[str, Mapping[str, float]]) -> str:
    """The method with the lowest log loss; none where nothing was cross-validated, or nothing is better than it."""
    return min(cross_validated, key=lambda name: cross_validated[name]["log_loss"], default="none")


def errors(is_ai: Booleans, p_ai: Floats) -> dict[str, float]:
    """How far scores are from probabilities: n, ece, ece_by_chance, brier (Brier 1950) and log_loss (nats)."""
    return {"n": len(p_ai), "ece_by_chance": ece_by_chance(p_ai), **_scores(is_ai, p_ai)}


def _scores(is_ai: Booleans, p_ai: Floats) -> dict[str, float]:
    loss = float(log_loss(is_ai, p_ai, labels=[False, True]))
    return {"ece": ece(is_ai, p_ai), "brier": float(brier_score_loss(is_ai, p_ai)), "log_loss": loss}


def reliability(is_ai: Booleans, p_ai: Floats) -> list[tuple[float, Estimate]]:
    """Return the mean score and the share of AI images (Wilson) of each of up to ten bins of equal numbers of images."""
    table = pd.DataFrame({"p_ai": p_ai, "is_ai": is_ai}).groupby(_bins(p_ai))
    return [(float(rows["p_ai"].mean()), wilson(int(rows["is_ai"].sum()), len(rows))) for _, rows in table]


def ece(is_ai: Booleans, p_ai: Floats) -> float:
    """Expected calibration error, with bins of equal numbers of images, which are less biased (Roelofs et al. 2022)."""
    return float(np.abs(np.bincount(_bins(p_ai), weights=is_ai - p_ai)).sum() / len(p_ai))


def ece_by_chance(p_ai: Floats) -> float:
    """Simulate the mean calibration error of perfect scores (Bröcker and Smith, Weather and Forecasting 22, 2007)."""
    rng, where = np.random.default_rng(0), _bins(p_ai)
    gaps = [np.abs(np.bincount(where, weights=(rng.random(len(p_ai)) < p_ai) - p_ai)).sum() for _ in range(_DRAWS)]
    return float(np.mean(gaps) / len(p_ai))


def _bins(p_ai: Floats) -> Indices:
    """Which bin each score stands in, [N]."""
    bins = max(1, min(BINS, len(p_ai) // IN_A_BIN))
    edges = np.unique(np.quantile(p_ai, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, p_ai, side="right").astype(np.int64)
