import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from artclf.evaluation.intervals import (
    UNDEFINED,
    Estimate,
    auroc,
    delong,
    difference,
    mean_of,
    paired_difference,
    rates,
    recall_at,
    threshold_interval,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_is_what_the_literature_prints(successes: int, trials: int, low: float, high: float) -> None:
    estimate = wilson(successes, trials)
    assert estimate.value == successes / trials
    assert estimate.bounds == pytest.approx([low, high], abs=6e-5)


def test_differences_are_what_the_literature_prints() -> None:
    # Newcombe, Statistics in Medicine 17 (1998) 873-890, table II, example (a), method 10
    assert difference(wilson(56, 70), wilson(48, 80)).bounds == pytest.approx([0.0524, 0.3339], abs=6e-5)
    # Fagerland, Lydersen and Laake, Statistics in Medicine 33 (2014) 2850-2875: 1, 1, 7 and 12 pairs
    first, second = np.repeat([1, 1, 0, 0], [1, 1, 7, 12]), np.repeat([1, 0, 1, 0], [1, 1, 7, 12])
    estimate = paired_difference(first, second)
    assert [estimate.value, estimate.low, estimate.high] == pytest.approx([-0.286, -0.507, -0.026], abs=6e-4)


def test_nothing_has_no_interval() -> None:
    assert wilson(0, 0) == UNDEFINED
    assert wilson(0, 0).width == math.inf
    assert mean_of(wilson(0, 0), wilson(1, 2)) == UNDEFINED
    assert auroc(np.array([True, True]), np.array([0.1, 0.9])) == UNDEFINED
    assert delong(np.array([True]), np.array([[0.1], [0.9]])).difference(0, 1) == UNDEFINED
    assert recall_at(np.array([False]), np.array([0.1]), 0.05) == UNDEFINED
    assert paired_difference(np.empty(0), np.empty(0)) == UNDEFINED


def test_rates_are_those_of_their_class() -> None:
    is_ai = np.array([1, 1, 1, 1, 0, 0, 0], dtype=bool)
    called_ai = np.array([1, 1, 1, 0, 1, 0, 0], dtype=bool)
    verdicts = rates(is_ai, called_ai)
    assert (verdicts.found, verdicts.n_ai, verdicts.accused, verdicts.n_human) == (3, 4, 1, 3)
    assert verdicts.accuracy == wilson(5, 7)
    assert verdicts.recall == wilson(3, 4)
    assert verdicts.false_negative_rate == wilson(1, 4)
    assert verdicts.false_positive_rate == wilson(1, 3)
    assert verdicts.balanced_accuracy == mean_of(wilson(3, 4), wilson(2, 3))
    human = rates(np.zeros(3, dtype=bool), np.array([True, False, False]))
    assert human.accuracy == wilson(2, 3)
    assert human.recall == human.false_negative_rate == human.balanced_accuracy == UNDEFINED


def test_delong_is_its_definition() -> None:
    """Covariances of each image's share of pairs in order, by comparing all pairs; scores with ties."""
    rng = np.random.default_rng(0)
    is_ai = np.arange(70) < 25
    p_ai = np.round(rng.normal(size=(3, 70)) + is_ai, 1)
    pairs = np.stack([(s[is_ai][:, None] > s[~is_ai]) + 0.5 * (s[is_ai][:, None] == s[~is_ai]) for s in p_ai])
    found = delong(is_ai, p_ai)
    assert found.values == pytest.approx([roc_auc_score(is_ai, scores) for scores in p_ai])
    assert found.covariance == pytest.approx(np.cov(pairs.mean(axis=2)) / 25 + np.cov(pairs.mean(axis=1)) / 45)
    lost = found.difference(0, 1, 2)
    assert lost.value == pytest.approx(found.values[0] - found.values[1:].mean())
    weights = np.array([1, -0.5, -0.5])
    assert lost.width == pytest.approx(2 * norm.ppf(0.975) * math.sqrt(weights @ found.covariance @ weights))
    with pytest.raises(ValueError, match="shapes"):
        delong(is_ai[1:], p_ai)
    with pytest.raises(ValueError, match="NaN"):
        delong(is_ai, np.where(p_ai > 0, p_ai, np.nan))


IS_AI = np.arange(30) < 10


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (auroc(IS_AI, IS_AI.astype(float)), wilson(10, 10)),  # all in order
        (auroc(IS_AI, 1 - IS_AI.astype(float)), wilson(0, 10)),
        (auroc(IS_AI, np.zeros(30)), wilson(5, 10)),  # all tied
        (auroc(IS_AI[9:], np.arange(21) / 21), wilson(0, 1)),  # one AI image
    ],
)
def test_where_delong_says_nothing_the_interval_is_wilsons(estimate: Estimate, expected: Estimate) -> None:
    assert estimate == expected


def test_no_interval_of_a_difference_has_width_zero() -> None:
    scores = np.random.default_rng(0).random(30)
    reach = wilson(0, 10).high
    assert delong(IS_AI, np.stack([scores, 2 * scores])).difference(0, 1) == Estimate(0.0, -reach, reach)
    assert paired_difference(IS_AI, IS_AI).width > 0.05
    assert paired_difference(np.ones(9), np.ones(9)).width == pytest.approx(2 * (1 - wilson(9, 9).low))


def test_the_difference_is_paired() -> None:
    """Two classifiers right on the same half of 100 images but one differ by less than the halves are uncertain."""
    found = paired_difference(np.arange(100) < 50, np.arange(100) < 51)
    assert found.value == pytest.approx(-0.01)
    assert found.width < 0.07 < wilson(50, 100).width


def test_recall_at_is_a_point_of_the_curve() -> None:
    is_ai = np.array([False] * 20 + [True] * 5)
    p_ai = np.array([*np.linspace(0.0, 0.95, 20), 0.91, 0.96, 0.99, 0.5, 0.2])
    assert recall_at(is_ai, p_ai, 0.0).value == 2 / 5
    assert recall_at(is_ai, p_ai, 0.04).value == 2 / 5  # not one of twenty
    assert recall_at(is_ai, p_ai, 0.05).value == 3 / 5  # the highest human image, 0.95, may be accused
    assert recall_at(is_ai, p_ai, 1.0).value == 1.0
    assert recall_at(is_ai, p_ai, 0.01).low == 0.0  # twenty images do not bound such a threshold from above


def two_detectors(rng: np.random.Generator, n_ai: int, n_human: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores that share the difficulty of each image: AUROCs Φ(1.2) and Φ(0.8)."""
    is_ai = np.arange(n_ai + n_human) < n_ai
    own = rng.normal(0, np.sqrt(0.5), (2, len(is_ai))) + rng.normal(0, np.sqrt(0.5), len(is_ai))
    return is_ai, own + np.sqrt(2) * np.array([[1.2], [0.8]]) * is_ai


def _auroc(distance: float) -> Callable[[np.random.Generator, int, int], Estimate]:
    def estimate(rng: np.random.Generator, n_ai: int, n_human: int) -> Estimate:
        is_ai = np.arange(n_ai + n_human) < n_ai
        return auroc(is_ai, rng.normal(size=len(is_ai)) + math.sqrt(2) * distance * is_ai)

    return estimate


def _auroc_difference(rng: np.random.Generator, n_ai: int, n_human: int) -> Estimate:
    return delong(*two_detectors(rng, n_ai, n_human)).difference(0, 1)


def _accuracy_difference(rng: np.random.Generator, n_ai: int, n_human: int) -> Estimate:
    half = (n_ai + n_human) // 2  # the truth is that of equal classes
    is_ai, scores = two_detectors(rng, half, half)
    return paired_difference(*((scores > np.sqrt(0.5)) == is_ai))


def _balanced(rng: np.random.Generator, n_ai: int, n_human: int) -> Estimate:
    return mean_of(wilson(rng.binomial(n_ai, 0.8), n_ai), wilson(rng.binomial(n_human, 0.95), n_human))


def _recall_at(rng: np.random.Generator, n_ai: int, n_human: int) -> Estimate:
    is_ai = np.arange(n_ai + n_human) < n_ai
    return recall_at(is_ai, norm.cdf(rng.normal(size=len(is_ai)) + 1.5 * is_ai), 0.05)


def _quantile(rng: np.random.Generator, n_ai: int, n_human: int) -> Estimate:
    return Estimate(0.9, *threshold_interval(rng.random(n_ai + n_human), 0.1))


_RIGHT = [(norm.cdf(math.sqrt(2) * shift - math.sqrt(0.5)) + norm.cdf(math.sqrt(0.5))) / 2 for shift in (1.2, 0.8)]


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(15, 15), (10, 50), (150, 150)])
@pytest.mark.parametrize(
    ("truth", "estimate"),
    [
        (0.1, lambda rng, ai, human: wilson(rng.binomial(ai + human, 0.1), ai + human)),
        (0.875, _balanced),
        (0.5, _auroc(0.0)),
        (norm.cdf(1.0), _auroc(1.0)),
        (norm.cdf(1.6), _auroc(1.6)),
        (norm.cdf(1.2) - norm.cdf(0.8), _auroc_difference),
        (_RIGHT[0] - _RIGHT[1], _accuracy_difference),
        (norm.sf(norm.isf(0.05) - 1.5), _recall_at),
        (0.9, _quantile),
    ],
    ids=[
        "rate",
        "balanced",
        "auroc50",
        "auroc84",
        "auroc95",
        "auroc difference",
        "accuracy difference",
        "recall at",
        "quantile",
    ],
)
def test_95_percent_intervals_hold_the_truth(
    truth: float, estimate: Callable[[np.random.Generator, int, int], Estimate], sizes: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    bounds = np.array([estimate(rng, *sizes).bounds for _ in range(2000)])
    held = np.mean((bounds[:, 0] <= truth) & (truth <= bounds[:, 1]))
    assert held >= 0.92, held
