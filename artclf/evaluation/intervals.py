"""How far a figure can be trusted: confidence intervals of rates, of balanced accuracy, of AUROC, of recall.

All are about these pictures, taken as drawn at random from pictures like them. That pictures of other makers may be judged
otherwise, no interval says.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import roc_curve

from artclf.evaluation.significance import CONFIDENCE, Interval, Resampled, bootstrap
from artclf.evaluation.types import Booleans, Floats

RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """A figure and the bounds of its confidence interval; all None where the figure is not defined.

    Attributes:
        value: the figure itself.
        low: lower bound.
        high: upper bound.
    """

    value: float | None
    low: float | None
    high: float | None

    @property
    def width(self) -> float:
        """Of the interval; infinite where there is none."""
        return math.inf if self.low is None or self.high is None else self.high - self.low

    @property
    def bounds(self) -> list[float] | None:
        """[low, high], as metrics.json holds them."""
        return None if self.low is None or self.high is None else [self.low, self.high]


UNDEFINED = Estimate(None, None, None)


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE) -> Estimate:
    """Return a rate with Wilson's score interval (Wilson 1927), which holds for few pictures and for rates near 0 and 1.

    Args:
        successes: how many, 0..trials.
        trials: of how many; 0 gives `UNDEFINED`.
        confidence: of the interval.
    """
    if not trials:
        return UNDEFINED
    interval = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Estimate(successes / trials, float(interval.low), float(interval.high))


def mean_of(first: Estimate, second: Estimate) -> Estimate:
    """Return the mean of two rates of different pictures, such as balanced accuracy, the mean of both classes' recalls.

    Its interval puts those of the two together by the square roots of their summed squares ("square and add": Zou and Donner,
    Statistics in Medicine 27, 2008; Newcombe's tenth method of 1998 is the same for a difference).
    """
    if first.value is None or second.value is None:
        return UNDEFINED
    assert first.low is not None
    assert first.high is not None
    assert second.low is not None
    assert second.high is not None
    value = (first.value + second.value) / 2
    below = math.hypot(first.value - first.low, second.value - second.low) / 2
    above = math.hypot(first.high - first.value, second.high - second.value) / 2
    return Estimate(value, max(0.0, value - below), min(1.0, value + above))


@dataclass(frozen=True)
class Rates:
    """How often verdicts are right and wrong, each rate with Wilson's interval; `UNDEFINED` where its class is absent.

    Attributes:
        found: AI works called AI.
        n_ai: of how many.
        accused: human works called AI.
        n_human: of how many.
    """

    found: int
    n_ai: int
    accused: int
    n_human: int

    @property
    def accuracy(self) -> Estimate:
        """The share of all works that is judged rightly."""
        return wilson(self.found + self.n_human - self.accused, self.n_ai + self.n_human)

    @property
    def recall(self) -> Estimate:
        """The share of AI works that is called AI."""
        return wilson(self.found, self.n_ai)

    @property
    def false_positive_rate(self) -> Estimate:
        """The share of human works that is called AI."""
        return wilson(self.accused, self.n_human)

    @property
    def false_negative_rate(self) -> Estimate:
        """The share of AI works that is called human."""
        return wilson(self.n_ai - self.found, self.n_ai)

    @property
    def balanced_accuracy(self) -> Estimate:
        """The mean of both classes' recalls, with the interval of `mean_of`."""
        return mean_of(self.recall, wilson(self.n_human - self.accused, self.n_human))


def rates(is_ai: Booleans, called_ai: Booleans) -> Rates:
    """Count how verdicts came out.

    Args:
        is_ai: [N], the truth.
        called_ai: [N], whether the verdict is AI.
    """
    found, accused = int((called_ai & is_ai).sum()), int((called_ai & ~is_ai).sum())
    return Rates(found, int(is_ai.sum()), accused, int((~is_ai).sum()))


def auroc(
    is_ai: Booleans, p_ai: Floats, *, resamples: int = RESAMPLES, seed: int = 0, confidence: float = CONFIDENCE
) -> Estimate:
    """Return AUROC with the percentile interval of a bootstrap that draws AI and human works apart (stratified).

    Where no pair is ordered wrongly, or all are, every resample says the same, and the interval would be a point: it is then
    Wilson's for as many trials as the rarer class has works, which is wide rather than narrow.

    Args:
        is_ai: [N], the truth.
        p_ai: [N], the scores; their order alone matters.
        resamples: how many.
        seed: of the drawing.
        confidence: of the interval.
    """
    n_ai, n_human = int(is_ai.sum()), int((~is_ai).sum())
    if not n_ai or not n_human:
        return UNDEFINED
    drawn = bootstrap(is_ai, p_ai[None], p_ai[None] >= 0.5, resamples=resamples, seed=seed)
    return resampled_auroc(drawn, 0, min(n_ai, n_human), confidence)


def resampled_auroc(drawn: Resampled, classifier: int, rarer: int, confidence: float = CONFIDENCE) -> Estimate:
    """Return AUROC of one of several classifiers that were resampled together, with the interval of `auroc`.

    Args:
        drawn: from `bootstrap`.
        classifier: its index.
        rarer: works of the class that has the fewer.
        confidence: of the interval.
    """
    value = float(drawn.observed["auroc"][classifier])
    if math.isnan(value):
        return UNDEFINED
    if value in (0.0, 1.0):
        return wilson(rarer if value else 0, rarer, confidence)
    low, high = np.quantile(drawn.resampled["auroc"][classifier], [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high))


def recall_at(
    is_ai: Booleans,
    p_ai: Floats,
    false_positive_rate: float,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Return the share of AI works found where the threshold accuses at most this share of these human works.

    The point of the ROC curve, without interpolation, and the percentile interval of a stratified bootstrap, in each resample
    of which the threshold is found anew. With fewer human works than 1 / rate, the threshold lies above all of them, and the
    one that accuses so few of all such works may lie above any AI work: the interval then begins at 0. Where all AI works are
    found, or none, resamples hardly differ, and the interval is at least as wide as Wilson's, as for `auroc`.

    Args:
        is_ai: [N], the truth.
        p_ai: [N], the scores.
        false_positive_rate: that is borne, 0..1.
        resamples: how many.
        seed: of the drawing.
        confidence: of the interval.
    """
    human, ai = p_ai[~is_ai], p_ai[is_ai]
    if not len(human) or not len(ai):
        return UNDEFINED
    accused, found, _ = roc_curve(is_ai, p_ai, drop_intermediate=False)
    value = float(found[accused <= false_positive_rate + 1e-12].max())
    allowed = math.floor(false_positive_rate * len(human) + 1e-9)  # human works that may lie at or above the threshold
    if allowed >= len(human):
        return Estimate(1.0, 1.0, 1.0)
    rng = np.random.default_rng(seed)
    recalls = np.empty(resamples)
    for i in range(resamples):
        humans = np.partition(human[rng.integers(0, len(human), len(human))], len(human) - 1 - allowed)
        recalls[i] = np.mean(ai[rng.integers(0, len(ai), len(ai))] > humans[len(human) - 1 - allowed])
    low, high = np.quantile(recalls, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    if value in (0.0, 1.0):
        rarer = min(len(ai), len(human))
        whole = wilson(rarer if value else 0, rarer, confidence)
        low, high = min(low, whole.low or 0.0), max(high, whole.high or 0.0)
    return Estimate(value, min(low, value) if allowed else 0.0, max(high, value))


def of_difference(difference: float, resampled: Floats, rarer: int, confidence: float = CONFIDENCE) -> Interval:
    """Return a difference of two figures of the same works with the percentile interval of a paired bootstrap.

    Where all resamples say the same, as where no score differs, or both order all pairs rightly, the interval would be a point,
    however few works there are. It then reaches as far as Wilson's for none of the works of the rarer class.

    Args:
        difference: of the works as they are.
        resampled: [B], of each resample.
        rarer: works of the class that has the fewer.
        confidence: of the interval.
    """
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    if np.ptp(resampled) < 1e-12:
        reach = wilson(0, rarer, confidence).high or 0.0
        low, high = max(-1.0, difference - reach), min(1.0, difference + reach)
    return Interval(difference, low, high)
