"""Whether the difference between classifiers judged on the same pictures is larger than chance explains.

Two questions, each with its standard answer for paired verdicts: does one get more pictures right than the other (McNemar's
exact test), and within which bounds do their figures differ (a paired bootstrap interval). Both are about these pictures and
these trained weights; neither says how another training of the same settings would come out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import binom, binomtest

from artclf.evaluation.types import Booleans, Floats, Indices

FIGURES = ("accuracy", "balanced_accuracy", "auroc", "false_positive_rate", "false_negative_rate")
LEVEL = 0.05  # below it a difference is called larger than chance explains
CONFIDENCE = 0.95  # of the intervals
RESAMPLES = 2000
_CHUNK = 2_000_000  # numbers held at once in each array of a bootstrap: 16 MB


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test of two classifiers on the same pictures.

    Attributes:
        only_first: how many pictures the first alone judges rightly (b).
        only_second: how many the second alone does (c).
        p: the two-sided p-value: how often pictures that tell neither from the other would differ by as much or more.
    """

    only_first: int
    only_second: int
    p: float


@dataclass(frozen=True)
class Interval:
    """A difference (first minus second) and the bounds of its confidence interval; NaN where a class is absent."""

    difference: float
    low: float
    high: float


def mcnemar(first_right: Booleans, second_right: Booleans) -> McNemar:
    """Test whether two classifiers are right equally often: only pictures on which one alone is right tell.

    If they are, each such picture falls to either with probability 1/2, so that their number is binomial (McNemar 1947;
    exact, without the continuity correction of the approximation by chi-squared).

    Args:
        first_right: [N] whether the first's verdict on each picture is right.
        second_right: [N] the second's, the same pictures in the same order.

    Raises:
        ValueError: where the shapes differ.
    """
    if first_right.shape != second_right.shape or first_right.ndim != 1:
        raise ValueError(f"two verdicts on each picture are needed; got {first_right.shape} and {second_right.shape}")
    only_first = int(np.count_nonzero(first_right & ~second_right))
    only_second = int(np.count_nonzero(second_right & ~first_right))
    discordant = only_first + only_second
    return McNemar(only_first, only_second, float(binomtest(only_first, discordant).pvalue) if discordant else 1.0)


def holm(p: Sequence[float]) -> Floats:
    """Correct p-values for their number (Holm 1979): the chance of a single false claim among all stays below the level.

    scipy has the corrections for the false discovery rate alone, which let a share of the claims be false; statsmodels has
    this one, and would be a further dependency for three lines.

    Args:
        p: [M] p-values of all tests that were looked at, not only of those that are told.

    Returns:
        [M] corrected p-values, in the same order, to be held against the level as a single one would be.
    """
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate((len(values) - np.arange(len(values))) * values[order]), 1.0)
    return corrected


def smallest_difference(discordant: int, pictures: int, tests: int = 1, level: float = LEVEL) -> float:
    """Tell the smallest difference in accuracy that McNemar's exact test would call larger than chance explains.

    Args:
        discordant: on how many pictures one classifier alone is right; where these are too few for any outcome to tell, as
            many are taken as it needs.
        pictures: N, how many there are.
        tests: how many p-values are corrected together; the answer is then that of the strictest step (level / tests).
        level: what the p-value has to reach.

    Returns:
        A share of the pictures, 0..1 (above 1 where there are too few pictures for any difference to be told).
    """
    strict = level / tests
    needed = math.ceil(1 - math.log2(strict))  # all of so many on one side: p = 2 · 0.5^needed
    number = max(discordant, needed)
    fewer = np.arange(number // 2 + 1)
    told = np.flatnonzero(2 * binom.cdf(fewer, number, 0.5) <= strict)
    return float(number - 2 * int(told[-1])) / pictures


@dataclass(frozen=True)
class Resampled:
    """The figures of K classifiers on the same resamples of the same pictures.

    Attributes:
        observed: figure → [K], on the pictures as they are.
        resampled: figure → [K, B], on each of B resamples.
        seed: of the resamples.
    """

    observed: dict[str, Floats]
    resampled: dict[str, Floats]
    seed: int

    def difference(self, figure: str, first: int, second: int, confidence: float = CONFIDENCE) -> Interval:
        """Tell by how much one classifier's figure exceeds another's, with the percentile interval of that difference.

        Args:
            figure: one of `FIGURES`.
            first: index of a classifier, 0..K-1.
            second: index of the one that is subtracted.
            confidence: of the interval, for this one difference taken by itself.
        """
        values = self.resampled[figure][first] - self.resampled[figure][second]
        low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
        return Interval(float(self.observed[figure][first] - self.observed[figure][second]), float(low), float(high))


def bootstrap(is_ai: Booleans, p_ai: Floats, called_ai: Booleans, *, resamples: int = RESAMPLES, seed: int = 0) -> Resampled:
    """Compute the figures of several classifiers on resamples of the pictures, the same resamples for all of them.

    Pictures are drawn with replacement within each label, so that the shares of AI and human works stay what they are.

    `scipy.stats.bootstrap` was tried: it resamples arrays, and so sorts each resample anew for its AUROC, which takes 35 s
    for one pair of classifiers on 30,000 pictures and 2,000 resamples, against about 2 s here; and its paired resampling
    knows no labels. Here a resample is a count for each picture, and scores are sorted once.

    Args:
        is_ai: [N], the truth.
        p_ai: [K, N], each classifier's probability of AI.
        called_ai: [K, N], its verdict.
        resamples: B, how many.
        seed: of the drawing.

    Returns:
        The figures of `FIGURES`, NaN where they need a class that is absent.

    Raises:
        ValueError: where the shapes do not fit, or a score is NaN.
    """
    if p_ai.ndim != 2 or p_ai.shape != called_ai.shape or p_ai.shape[1:] != is_ai.shape or not len(is_ai):
        raise ValueError(f"shapes [N], [K, N], [K, N] are needed; got {is_ai.shape}, {p_ai.shape} and {called_ai.shape}")
    if np.isnan(p_ai).any():
        raise ValueError("a score is NaN; every picture needs one")
    human, ai = ~is_ai, is_ai
    wrong = (called_ai[:, human].T.astype(float), (~called_ai[:, ai]).T.astype(float))
    aurocs = [_Auroc(scores[human], scores[ai]) for scores in p_ai] if human.any() and ai.any() else []
    rng = np.random.default_rng(seed)
    chunk = max(1, _CHUNK // len(is_ai))
    parts = [_figures(np.ones((1, int(human.sum()))), np.ones((1, int(ai.sum()))), *wrong, aurocs)]
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        counts = [_counts(rng, size, int(mask.sum())) for mask in (human, ai)]
        parts.append(_figures(counts[0], counts[1], *wrong, aurocs))
    observed = {name: values[:, 0] for name, values in parts[0].items()}
    return Resampled(observed, {name: np.hstack([part[name] for part in parts[1:]]) for name in FIGURES}, seed)


def _counts(rng: np.random.Generator, resamples: int, pictures: int) -> Floats:
    """How often each picture is drawn, [resamples, pictures]; a sixth of the time that multinomial draws take."""
    drawn = rng.integers(0, max(pictures, 1), (resamples, pictures)) + pictures * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * pictures).reshape(resamples, pictures).astype(float)


def _figures(humans: Floats, ais: Floats, accused: Floats, missed: Floats, aurocs: Sequence["_Auroc"]) -> dict[str, Floats]:
    """Each figure as [K, B], of counts [B, pictures of the label] and mistakes [pictures of the label, K]."""
    n_human, n_ai = humans.shape[1], ais.shape[1]
    columns = np.ascontiguousarray(humans.T), np.ascontiguousarray(ais.T)
    false_positives, false_negatives = (humans @ accused).T, (ais @ missed).T
    nothing = np.full(false_positives.shape, np.nan)
    false_positive_rate = false_positives / n_human if n_human else nothing
    false_negative_rate = false_negatives / n_ai if n_ai else nothing
    return {
        "accuracy": 1 - (false_positives + false_negatives) / (n_human + n_ai),
        "balanced_accuracy": 1 - (false_positive_rate + false_negative_rate) / 2,
        "auroc": np.stack([auroc(*columns) for auroc in aurocs]) if aurocs else nothing,
        "false_positive_rate": false_positive_rate,
        "false_negative_rate": false_negative_rate,
    }


class _Auroc:
    """AUROC of one classifier under any counts: the share of pairs of an AI and a human work that its scores order rightly.

    A tie counts half (Mann-Whitney's U). Where each AI work stands among the human ones is found once: sparse matrices of ones
    then add up the counts of neighbours, for all resamples at once.
    """

    def __init__(self, human: Floats, ai: Floats) -> None:
        human_order, ai_order = np.argsort(human), np.argsort(ai)
        humans, ais = human[human_order], ai[ai_order]
        below, up_to = np.searchsorted(humans, ais, "left"), np.searchsorted(humans, ais, "right")
        new = np.concatenate([[True], (np.diff(below) > 0) | (np.diff(up_to) > 0)])
        starts = np.flatnonzero(new)  # AI works between the same two human ones count together
        below, up_to = below[starts], up_to[starts]
        self.together = _added(ai_order, starts, np.append(starts[1:], len(ai)))
        self.further_below = _added(human_order, np.concatenate([[0], below[:-1]]), below)
        self.tied = _added(human_order, below, up_to)

    def __call__(self, humans: Floats, ais: Floats) -> Floats:
        """AUROC on each of B resamples, [B]; counts [human works, B] and [AI works, B]."""
        groups = self.together @ ais
        pairs = 2 * np.einsum("gb,gb->b", groups, np.cumsum(self.further_below @ humans, axis=0))
        if self.tied.nnz:
            pairs += np.einsum("gb,gb->b", groups, self.tied @ humans)
        result: Floats = pairs / (2 * len(humans) * len(ais))
        return result


def _added(order: Indices, starts: Indices, ends: Indices) -> csr_array:
    """The matrix [G, N] that adds up, for each of G groups, what stands in `order` from its start to its end."""
    lengths = ends - starts
    until = np.concatenate([[0], np.cumsum(lengths)])
    columns = order[np.repeat(starts - until[:-1], lengths) + np.arange(until[-1])]
    return csr_array((np.ones(len(columns)), columns, until), shape=(len(starts), len(order)))
