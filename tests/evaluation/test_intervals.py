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
    auroc_difference,
    delong,
    mean_of,
    paired_difference,
    recall_at,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3
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


def test_paired_difference_is_what_the_literature_prints() -> None:
    """Fagerland, Lydersen and Laake, Statistics in Medicine 33 (2014) 2850-2875: 1, 1, 7 and 12 pairs."""
    first, second = np.repeat([1, 1, 0, 0], [1, 1, 7, 12]), np.repeat([1, 0, 1, 0], [1, 1, 7, 12])
    estimate = paired_difference(first, second)
    assert [estimate.value, estimate.low, estimate.high] == pytest.approx([-0.286, -0.507, -0.026], abs=6e-4)


def test_nothing_has_no_interval() -> None:
    assert wilson(0, 0) == UNDEFINED
    assert mean_of(wilson(0, 0), wilson(1, 2)) == UNDEFINED
    assert auroc(np.array([True, True]), np.array([0.1, 0.9])) == UNDEFINED
    assert auroc_difference(np.array([True]), np.array([[0.1], [0.9]])) == UNDEFINED
    assert recall_at(np.array([False]), np.array([0.1]), 0.05) == UNDEFINED
    assert paired_difference(np.empty(0), np.empty(0)) == UNDEFINED


def test_delong_is_its_definition() -> None:
    """Covariances of each image's share of pairs in order, by comparing all pairs; scores with ties."""
    rng = np.random.default_rng(0)
    is_ai = np.arange(70) < 25
    p_ai = np.round(rng.normal(size=(3, 70)) + is_ai, 1)
    pairs = np.stack([(s[is_ai][:, None] > s[~is_ai]) + 0.5 * (s[is_ai][:, None] == s[~is_ai]) for s in p_ai])
    values, covariance = delong(is_ai, p_ai)
    assert values == pytest.approx([roc_auc_score(is_ai, scores) for scores in p_ai])
    assert covariance == pytest.approx(np.cov(pairs.mean(axis=2)) / 25 + np.cov(pairs.mean(axis=1)) / 45)
    lost = auroc_difference(is_ai, p_ai)
    assert lost.value == pytest.approx(values[0] - values[1:].mean())
    weights = np.array([1, -0.5, -0.5])
    assert lost.high - lost.low == pytest.approx(2 * norm.ppf(0.975) * math.sqrt(weights @ covariance @ weights))
    with pytest.raises(ValueError, match="NaN"):
        delong(is_ai, np.where(p_ai > 0, p_ai, np.nan))


THIRD = np.arange(30) < 10


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (auroc(THIRD, THIRD.astype(float)), wilson(10, 10)),  # all in order
        (auroc(THIRD, 1 - THIRD.astype(float)), wilson(0, 10)),
        (auroc(THIRD, np.zeros(30)), wilson(5, 10)),  # all tied
        (auroc(THIRD[9:], np.arange(21) / 21), wilson(0, 1)),  # one AI image
    ],
)
def test_where_delong_says_nothing_the_interval_is_wilsons(estimate: Estimate, expected: Estimate) -> None:
    assert estimate == expected


def test_no_interval_of_a_difference_has_width_zero() -> None:
    scores = np.random.default_rng(0).random(30)
    reach = wilson(0, 10).high
    assert auroc_difference(THIRD, np.stack([scores, 2 * scores])) == Estimate(0.0, -reach, reach)
    same = paired_difference(np.ones(9), np.ones(9))
    assert same.high - same.low == pytest.approx(2 * (1 - wilson(9, 9).low))
    paired = paired_difference(np.arange(100) < 50, np.arange(100) < 51)  # right on the same half, but for one
    assert paired.value == pytest.approx(-0.01)
    assert paired.high - paired.low < 0.07 < wilson(50, 100).high - wilson(50, 100).low


def test_recall_at_is_a_point_of_the_curve() -> None:
    is_ai = np.array([False] * 20 + [True] * 5)
    p_ai = np.array([*np.linspace(0.0, 0.95, 20), 0.91, 0.96, 0.99, 0.5, 0.2])
    assert recall_at(is_ai, p_ai, 0.04).value == 2 / 5  # not one of twenty
    assert recall_at(is_ai, p_ai, 0.05).value == 3 / 5  # the highest human image, 0.95, may be called AI
    assert recall_at(is_ai, p_ai, 0.99).value == 1.0
    assert recall_at(is_ai, p_ai, 0.01).low == 0.0  # twenty images do not bound such a threshold from above


# ---- coverage, by simulation

Draw = Callable[[np.random.Generator, int, int], Estimate]


def scores_of(rng: np.random.Generator, n_ai: int, n_human: int, distance: float) -> tuple[np.ndarray, np.ndarray]:
    is_ai = np.arange(n_ai + n_human) < n_ai
    return is_ai, norm.cdf(rng.normal(size=len(is_ai)) + distance * is_ai)


def two_detectors(rng: np.random.Generator, n_ai: int, n_human: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores that share the difficulty of each image: AUROCs Φ(1.2) and Φ(0.8)."""
    is_ai = np.arange(n_ai + n_human) < n_ai
    own = rng.normal(0, np.sqrt(0.5), (2, len(is_ai))) + rng.normal(0, np.sqrt(0.5), len(is_ai))
    return is_ai, own + np.sqrt(2) * np.array([[1.2], [0.8]]) * is_ai


def accuracy_difference(rng: np.random.Generator, n_ai: int, n_human: int) -> Estimate:
    half = (n_ai + n_human) // 2  # the truth is that of equal classes
    is_ai, scores = two_detectors(rng, half, half)
    return paired_difference(*((scores > np.sqrt(0.5)) == is_ai))


_RIGHT = [(norm.cdf(math.sqrt(2) * shift - math.sqrt(0.5)) + norm.cdf(math.sqrt(0.5))) / 2 for shift in (1.2, 0.8)]
COVERED: dict[str, tuple[float, Draw]] = {
    "rate": (0.1, lambda rng, ai, human: wilson(rng.binomial(ai + human, 0.1), ai + human)),
    "balanced": (
        0.875,
        lambda rng, ai, human: mean_of(wilson(rng.binomial(ai, 0.8), ai), wilson(rng.binomial(human, 0.95), human)),
    ),
    "auroc 0.50": (0.5, lambda rng, ai, human: auroc(*scores_of(rng, ai, human, 0.0))),
    "auroc 0.95": (norm.cdf(1.6), lambda rng, ai, human: auroc(*scores_of(rng, ai, human, math.sqrt(2) * 1.6))),
    "auroc difference": (
        norm.cdf(1.2) - norm.cdf(0.8),
        lambda rng, ai, human: auroc_difference(*two_detectors(rng, ai, human)),
    ),
    "accuracy difference": (_RIGHT[0] - _RIGHT[1], accuracy_difference),
    "recall at": (norm.sf(norm.isf(0.05) - 1.5), lambda rng, ai, human: recall_at(*scores_of(rng, ai, human, 1.5), 0.05)),
}


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(15, 15), (10, 50), (150, 150)])
@pytest.mark.parametrize("name", COVERED)
def test_95_percent_intervals_hold_the_truth(name: str, sizes: tuple[int, int]) -> None:
    truth, draw = COVERED[name]
    rng = np.random.default_rng(0)
    draws = 500 if name == "recall at" or min(sizes) > 50 else 2000  # the others come nearest to 0.92
    bounds = np.array([draw(rng, *sizes).bounds for _ in range(draws)])
    held = np.mean((bounds[:, 0] <= truth) & (truth <= bounds[:, 1]))
    assert held >= 0.92, held
