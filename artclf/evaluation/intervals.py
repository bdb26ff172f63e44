"""Confidence intervals in closed form: of rates, of AUROC, and of their differences on the same images.

All treat these images as a random sample of images like them. They do not cover images of other generators.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtri
from scipy.stats import quantile_test, rankdata

from artclf.evaluation import Booleans, Floats
from artclf.evaluation.decision import THRESHOLD

CONFIDENCE = 0.95
_NONE = 1e-12  # a variance below this is rounding error


@dataclass(frozen=True)
class Estimate:
    """A figure and the bounds of its confidence interval; all None where the figure is not defined."""

    value: float | None
    low: float | None
    high: float | None

    @property
    def bounds(self) -> list[float] | None:
        """[low, high], as metrics.json holds them."""
        return None if self.low is None or self.high is None else [self.low, self.high]

    def reach(self) -> tuple[float, float, float]:
        """The value, and how far the interval reaches below and above it; NaN where the figure is not defined."""
        value, low, high = (math.nan if one is None else one for one in (self.value, self.low, self.high))
        return value, value - low, high - value


UNDEFINED = Estimate(None, None, None)


def wilson(successes: float, trials: int, confidence: float = CONFIDENCE) -> Estimate:
    """Return a rate with Wilson's score interval (Wilson 1927); `successes` may be a sum of values between 0 and 1."""
    if not trials:
        return UNDEFINED
    z, rate = float(ndtri((1 + confidence) / 2)), float(successes) / trials
    centre = rate + z**2 / (2 * trials)
    reach = z * math.sqrt(rate * (1 - rate) / trials + (z / (2 * trials)) ** 2)
    low, high = ((centre + side * reach) / (1 + z**2 / trials) for side in (-1, 1))
    return Estimate(rate, 0.0 if rate == 0 else low, 1.0 if rate == 1 else high)


def mean_of(*estimates: Estimate) -> Estimate:
    """Return the mean of figures of different images, by square-and-add (Zou and Donner, Stat. in Medicine 27, 2008)."""
    values, below, above = zip(*(estimate.reach() for estimate in estimates), strict=True)
    n = len(estimates)
    return _bounded(sum(values) / n, math.hypot(*below) / n, math.hypot(*above) / n)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Return by how much the first figure exceeds the second, of different images, by square-and-add as in `mean_of`."""
    (one, one_below, one_above), (two, two_below, two_above) = first.reach(), second.reach()
    return _bounded(one - two, math.hypot(one_below, two_above), math.hypot(one_above, two_below))


def paired_difference(first: Booleans | Floats, second: Booleans | Floats, confidence: float = CONFIDENCE) -> Estimate:
    """Return by how much the mean of `first` exceeds that of `second` on the same images, of values 0..1, [N] each.

    Newcombe's method 10 for paired rates (Statistics in Medicine 17, 1998, 2635-2650), with his continuity correction.
    """
    n = len(first)
    if not n:
        return UNDEFINED
    x, y = first.astype(float), second.astype(float)
    covariance, spread = float(np.mean(x * y) - x.mean() * y.mean()), float(x.std() * y.std())
    if covariance > 0:
        covariance = max(covariance - 1 / (2 * n), 0.0)
    correlation = covariance / spread if spread > _NONE else 0.0
    one, one_below, one_above = wilson(x.sum(), n, confidence).reach()
    two, two_below, two_above = wilson(y.sum(), n, confidence).reach()
    below = one_below**2 + two_above**2 - 2 * correlation * one_below * two_above
    above = one_above**2 + two_below**2 - 2 * correlation * one_above * two_below
    return _bounded(one - two, math.sqrt(below), math.sqrt(above))


def auroc(is_ai: Booleans, p_ai: Floats) -> Estimate:
    """Return the AUROC of scores [N] with DeLong's interval on the scale of its logit (Pepe 2003, section 5.2), within 0..1.

    Where the estimated variance says nothing (all pairs in order, all tied, one image of a class), the interval is Wilson's for
    the images of the rarer class: no AUROC A has a larger variance than A (1 - A) / min(n_ai, n_human) (Birnbaum and Klose,
    Annals of Mathematical Statistics 28, 1957). ValueError where a score is NaN, here and in `auroc_difference`.
    """
    fewest = min(int(is_ai.sum()), int((~is_ai).sum()))
    if not fewest:
        return UNDEFINED
    values, covariance = delong(is_ai, p_ai[None])
    value, variance = float(values[0]), float(covariance[0, 0])
    if fewest == 1 or variance < _NONE or not 0 < value < 1:
        return wilson(value * fewest, fewest)
    logit = math.log(value / (1 - value))
    reach = float(ndtri((1 + CONFIDENCE) / 2)) * math.sqrt(variance) / (value * (1 - value))
    return Estimate(value, float(expit(logit - reach)), float(expit(logit + reach)))


def auroc_difference(is_ai: Booleans, p_ai: Floats, confidence: float = CONFIDENCE) -> Estimate:
    """Return the AUROC of the first of K classifiers minus the mean of the others', from scores [K, N] of the same images.

    The interval is DeLong's, or as in `auroc` where the estimated variance says nothing.
    """
    fewest = min(int(is_ai.sum()), int((~is_ai).sum()))
    if not fewest:
        return UNDEFINED
    values, covariance = delong(is_ai, p_ai)
    weights = np.array([1.0] + [-1 / (len(p_ai) - 1)] * (len(p_ai) - 1))
    variance = float(weights @ covariance @ weights)
    if fewest == 1 or variance < _NONE:
        reach = wilson(0, fewest, confidence).reach()[2]
    else:
        reach = float(ndtri((1 + confidence) / 2)) * math.sqrt(variance)
    return _bounded(float(weights @ values), reach, reach)


def delong(is_ai: Booleans, p_ai: Floats) -> tuple[Floats, Floats]:
    """Compute the AUROCs [K] of K classifiers and their covariance [K, K] from scores [K, N] of both classes; ties count half.

    DeLong et al., Biometrics 44, 1988; by ranks: Sun and Xu, IEEE SPL 21, 2014. ValueError where a score is NaN.
    """
    if np.isnan(p_ai).any():
        raise ValueError("a score is NaN; every image needs one")
    ai, human = p_ai[:, is_ai], p_ai[:, ~is_ai]
    ranks = rankdata(p_ai, axis=1)
    below = (ranks[:, is_ai] - rankdata(ai, axis=1)) / human.shape[1]  # [K, n_ai]: share of human images below each
    above = 1 - (ranks[:, ~is_ai] - rankdata(human, axis=1)) / ai.shape[1]
    covariance = np.zeros((len(p_ai), len(p_ai)))
    for part in (below, above):
        if part.shape[1] > 1:
            covariance += np.cov(part) / part.shape[1]
    return below.mean(axis=1), covariance


def estimate_metrics(is_ai: Booleans, p_ai: Floats) -> dict[str, Estimate]:
    """Compute the figures of scores with intervals: Wilson's for rates, square-and-add for their mean, DeLong's for AUROC.

    The verdict is AI from `THRESHOLD` on.

    Returns:
        accuracy, balanced_accuracy (the mean of both classes' recalls), auroc, recall (of AI images), false_positive_rate
        (human images called AI) and false_negative_rate (AI images called human); `UNDEFINED` where a class is absent.
    """
    called_ai = p_ai >= THRESHOLD
    n_ai, n_human = int(is_ai.sum()), int((~is_ai).sum())
    found, accused = int((called_ai & is_ai).sum()), int((called_ai & ~is_ai).sum())
    recall = wilson(found, n_ai)
    return {
        "accuracy": wilson(found + n_human - accused, len(is_ai)),
        "balanced_accuracy": mean_of(recall, wilson(n_human - accused, n_human)),
        "auroc": auroc(is_ai, p_ai),
        "recall": recall,
        "false_positive_rate": wilson(accused, n_human),
        "false_negative_rate": wilson(n_ai - found, n_ai),
    }


def threshold_interval(scores: Floats, rate: float) -> tuple[float, float]:
    """Return 95% bounds of the threshold that this share of all images like these exceeds; 0 or 1 where there is no bound."""
    low, high = quantile_test(scores, p=1 - rate).confidence_interval(CONFIDENCE)
    return float(np.nan_to_num(low, nan=0.0)), float(np.nan_to_num(high, nan=1.0))


def recall_at(is_ai: Booleans, p_ai: Floats, false_positive_rate: float) -> Estimate:
    """Return the share of AI images found at the threshold that at most this share of these human images exceeds.

    Square-and-add of Wilson's interval at the threshold, and of the recalls at the bounds of the threshold.
    """
    human, ai = np.sort(p_ai[~is_ai]), p_ai[is_ai]
    if not len(human) or not len(ai):
        return UNDEFINED
    allowed = math.floor(false_positive_rate * len(human) + 1e-9)
    threshold = float(human[-allowed - 1]) if allowed < len(human) else -math.inf
    value, below, above = wilson(int((ai > threshold).sum()), len(ai)).reach()
    lower, upper = threshold_interval(human, false_positive_rate)
    fewest, most = float(np.mean(ai >= upper)) if upper < 1 else 0.0, float(np.mean(ai > lower))
    return _bounded(value, math.hypot(below, max(value - fewest, 0.0)), math.hypot(above, max(most - value, 0.0)), least=0.0)


def _bounded(value: float, below: float, above: float, least: float = -1.0) -> Estimate:
    """A figure between `least` and 1, and its interval."""
    return UNDEFINED if math.isnan(value) else Estimate(value, max(least, value - below), min(1.0, value + above))
