import math

import numpy as np
import pytest
from scipy.stats import norm

from artclf.evaluation.intervals import UNDEFINED, Estimate, auroc, mean_of, rates, recall_at, resampled_auroc, wilson
from artclf.evaluation.significance import bootstrap


def coverage(truth: float, estimates: list[Estimate]) -> float:
    return float(np.mean([e.low <= truth <= e.high for e in estimates]))  # type: ignore[operator]


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
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=6e-5)


def test_nothing_has_no_interval() -> None:
    assert wilson(0, 0) == UNDEFINED
    assert wilson(0, 0).width == math.inf
    assert mean_of(wilson(0, 0), wilson(1, 2)) == UNDEFINED
    assert auroc(np.array([True, True]), np.array([0.1, 0.9])) == UNDEFINED
    assert recall_at(np.array([False]), np.array([0.1]), 0.05) == UNDEFINED


@pytest.mark.parametrize("rate", [0.03, 0.5, 0.9])
def test_wilson_covers_the_truth(rate: float) -> None:
    drawn = np.random.default_rng(0).binomial(40, rate, 1500)
    assert 0.92 < coverage(rate, [wilson(int(k), 40) for k in drawn]) <= 0.995


@pytest.mark.parametrize(("ai", "human"), [(0.8, 0.95), (0.5, 0.99)])
def test_balanced_accuracy_covers_the_truth(ai: float, human: float) -> None:
    rng = np.random.default_rng(0)
    drawn = zip(rng.binomial(48, ai, 1500), rng.binomial(70, human, 1500), strict=True)
    assert 0.93 < coverage((ai + human) / 2, [mean_of(wilson(int(a), 48), wilson(int(h), 70)) for a, h in drawn]) < 0.985


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


def test_rates_of_a_class_that_is_absent_are_undefined() -> None:
    people = rates(np.zeros(3, dtype=bool), np.array([True, False, False]))
    assert people.accuracy == wilson(2, 3)
    assert people.false_positive_rate == wilson(1, 3)
    assert people.recall == people.false_negative_rate == people.balanced_accuracy == UNDEFINED


def test_auroc_of_several_is_that_of_each() -> None:
    rng = np.random.default_rng(0)
    is_ai = np.arange(40) < 25
    scores = np.stack([rng.random(40), is_ai.astype(float), 1 - is_ai.astype(float)])
    drawn = bootstrap(is_ai, scores, scores >= 0.5, resamples=50, seed=3)
    for place, p_ai in enumerate(scores):
        assert resampled_auroc(drawn, place, rarer=15) == auroc(is_ai, p_ai, resamples=50, seed=3)
    people = bootstrap(is_ai[25:], scores[:, 25:], scores[:, 25:] >= 0.5, resamples=5)
    assert resampled_auroc(people, 0, rarer=0) == UNDEFINED


@pytest.mark.parametrize("distance", [0.0, 1.0, 2.0])
def test_auroc_covers_the_truth(distance: float) -> None:
    """Scores of two normal distributions have the AUROC Φ(distance / √2)."""
    rng = np.random.default_rng(0)
    is_ai = np.arange(80) < 40
    scores = rng.normal(size=(300, 80)) + distance * is_ai
    estimates = [auroc(is_ai, row, resamples=400) for row in scores]
    assert 0.90 < coverage(norm.cdf(distance / math.sqrt(2)), estimates) < 0.99


def test_a_perfect_order_is_no_certainty() -> None:
    is_ai = np.arange(30) < 10
    estimate = auroc(is_ai, is_ai.astype(float))
    assert estimate.value == 1.0
    assert estimate.low == pytest.approx(wilson(10, 10).low)
    assert auroc(is_ai, 1 - is_ai.astype(float)).high == pytest.approx(wilson(0, 10).high)


def test_recall_at_is_a_point_of_the_curve() -> None:
    is_ai = np.array([False] * 20 + [True] * 5)
    p_ai = np.array([*np.linspace(0.0, 0.95, 20), 0.91, 0.96, 0.99, 0.5, 0.2])
    assert recall_at(is_ai, p_ai, 0.0).value == 2 / 5
    assert recall_at(is_ai, p_ai, 0.04).value == 2 / 5  # not one of twenty
    assert recall_at(is_ai, p_ai, 0.05).value == 3 / 5  # the highest human work, 0.95, may be accused
    assert recall_at(is_ai, p_ai, 1.0).value == 1.0


def test_recall_at_covers_the_truth() -> None:
    rng = np.random.default_rng(0)
    is_ai = np.arange(300) < 100
    truth = norm.sf(norm.isf(0.05) - 1.5)
    estimates = [recall_at(is_ai, rng.normal(size=300) + 1.5 * is_ai, 0.05, resamples=200) for _ in range(150)]
    assert 0.88 < coverage(truth, estimates) <= 1.0


def test_recall_at_a_rate_that_so_few_human_works_cannot_show_covers_the_truth_too() -> None:
    """The highest of fifty is, as a rule, below the score that one in a hundred exceeds."""
    rng = np.random.default_rng(0)
    is_ai = np.arange(100) < 50
    truth = norm.sf(norm.isf(0.01) - 2.0)
    estimates = [recall_at(is_ai, rng.normal(size=100) + 2.0 * is_ai, 0.01, resamples=200) for _ in range(100)]
    assert coverage(truth, estimates) > 0.9


@pytest.mark.parametrize(("ai", "value"), [(0.9, 1.0), (0.1, 0.0)])
def test_recall_that_is_whole_or_none_is_not_certain(ai: float, value: float) -> None:
    is_ai = np.repeat([True, False], [10, 40])
    found = recall_at(is_ai, np.where(is_ai, ai, 0.5), 0.05)
    assert found == Estimate(value, *((0.0, found.high) if value == 0 else (found.low, 1.0)))
    assert found.width == pytest.approx(wilson(10, 10).width)
