import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from artclf.evaluation.conformal import (
    decision_metrics,
    fit_decision_rule,
    fit_to_validation,
    needed,
    threshold_above,
    threshold_below,
)
from artclf.evaluation.decision import with_verdicts
from artclf.evaluation.intervals import wilson


@pytest.mark.parametrize(("n", "rate"), [(16, 0.05), (60, 0.05), (99, 0.01), (130, 0.05), (19, 0.2)])
def test_the_rate_is_guaranteed_over_many_validation_sets(n: int, rate: float) -> None:
    """Of 4000 drawn sets of n uniform scores: the rate of a uniform score above the threshold is 1 − threshold."""
    rng = np.random.default_rng(0)
    found = [threshold_above(scores, rate) for scores in rng.random((4000, n))]
    rates = np.array([1 - p.threshold for p in found])  # type: ignore[operator]
    kept = found[0].guaranteed_rate
    assert kept is not None
    noise = 4 * rates.std() / np.sqrt(len(rates))
    assert rates.mean() == pytest.approx(kept, abs=noise)
    if found[0].is_met:
        assert rate - 1 / (n + 1) < kept <= rate
    else:
        assert kept == 1 / (n + 1)
    within = np.mean([p.low <= true <= p.high for p, true in zip(found, rates, strict=True)])  # type: ignore[operator]
    assert within == pytest.approx(0.95, abs=0.02)


def test_the_threshold_lies_just_above_an_ordered_score() -> None:
    scores = np.linspace(0.01, 0.99, 99)
    for rate, k in ((0.01, 1), (0.05, 5), (0.001, 1)):
        threshold = threshold_above(scores, rate).threshold
        assert threshold is not None
        assert np.sum(scores >= threshold) == k - 1
        assert np.sort(scores)[-k] < threshold < np.sort(scores)[-k] + 1e-7
        below = threshold_below(scores, rate).threshold
        assert below is not None
        assert np.sum(scores < below) == k - 1
    assert [threshold_above(scores, rate).is_met for rate in (0.001, 0.01, 0.05)] == [False, True, True]
    assert [needed(rate) for rate in (0.001, 0.01, 0.05, 0.5)] == [999, 99, 19, 1]
    assert threshold_above(np.empty(0), 0.01).guaranteed_rate is None
    equal = threshold_above(np.full(40, 0.5), 0.2).threshold  # none of them is above
    assert equal is not None
    assert equal > 0.5


def drawn(n_human: int, n_ai: int, distance: float = 3.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    is_ai = np.arange(n_human + n_ai) >= n_human
    return is_ai, norm.cdf(rng.normal(size=len(is_ai)) + distance * (is_ai - 0.5))


def test_between_both_thresholds_it_is_unsure() -> None:
    is_ai, p_ai = drawn(200, 100)
    rule = fit_decision_rule(is_ai, p_ai)
    assert rule.human_below < rule.ai_from
    assert (rule.n_human, rule.n_ai) == (200, 100)
    verdicts = np.array(rule.verdicts(p_ai))
    assert np.sum(verdicts[~is_ai] == "ai") <= 1
    assert np.sum(verdicts[is_ai] == "human") <= 4
    assert np.sum(verdicts == "unsure") > 20
    assert rule.shortfalls() == []
    assert [point.is_met for point in rule.points] == [False, True, True]


def test_where_both_rates_hold_none_is_unsure() -> None:
    rule = fit_decision_rule(np.arange(300) < 100, np.where(np.arange(300) < 100, 0.9, 0.2))
    assert rule.ai_from == rule.human_below == pytest.approx(0.55, abs=1e-6)


def test_what_few_images_can_not_guarantee_is_said() -> None:
    (line,) = fit_decision_rule(*drawn(16, 200)).shortfalls()
    assert line.startswith("16 human works in validation can promise 5.9% called AI at best, not 1%; artclf calibrate RUN")
    (line,) = fit_decision_rule(*drawn(1, 2), false_negative_rate=0.005).shortfalls()
    assert "1 human work in validation can promise 50% called AI at best, not 1%" in line
    assert "and 2 AI works in validation can promise 33% called human at best, not 0.5%" in line
    assert fit_decision_rule(*drawn(16, 16), false_positive_rate=0.06, false_negative_rate=0.06).shortfalls() == []


@pytest.mark.parametrize(
    ("n_human", "n_ai", "said"), [(5, 0, "has no AI work"), (0, 5, "has no human work"), (0, 0, "has no thresholds")]
)
def test_one_class_alone_sets_no_threshold(n_human: int, n_ai: int, said: str) -> None:
    rule = fit_decision_rule(*drawn(n_human, n_ai), method="platt")
    assert rule.ai_from == rule.human_below == 0.5
    assert rule.calibrator.method == "none"
    (line,) = rule.shortfalls()
    assert said in line


def predictions() -> pd.DataFrame:
    parts = []
    for split, n_human, n_ai, seed in (("val", 120, 100, 1), ("test", 50, 40, 2), ("unseen", 0, 30, 3)):
        is_ai, p_ai = drawn(n_human, n_ai, seed=seed)
        parts.append(pd.DataFrame({"label": np.where(is_ai, "ai", "human"), "split": split, "p_ai": p_ai}))
    return pd.concat(parts, ignore_index=True)


def test_metrics_json_gets_what_the_rule_does_on_each_split() -> None:
    table = predictions()
    rule = fit_to_validation(table, method="temperature", false_positive_rate=0.05, false_negative_rate=0.1)
    assert (rule.fitted_on, rule.n_human, rule.n_ai) == ("validation", 120, 100)
    table = with_verdicts(table, rule)
    parts = decision_metrics(table, rule)
    json.dumps(parts, allow_nan=False)
    assert set(parts) == {"calibration", "operating_points", "judge"}
    assert parts["calibration"]["method"] == "temperature"
    assert set(parts["calibration"]["parameters"]) == {"temperature"}
    assert set(parts["calibration"]["cross_validated"]) == {"none", "temperature"}
    assert set(parts["calibration"]["splits"]) == {"val", "test", "unseen"}
    rare, one, five = parts["operating_points"]
    assert (rare["enough"], rare["threshold"], rare["splits"], rare["needed"]) == (False, None, {}, 999)
    assert one["enough"]
    assert five["threshold"] < one["threshold"]
    human = table[(table["split"] == "test") & (table["label"] == "human")]["p_ai"]
    expected = wilson(int((human >= five["threshold"]).sum()), 50)
    found = five["splits"]["test"]["false_positive_rate"]
    assert (found["value"], found["low"], found["high"], found["n"]) == (expected.value, expected.low, expected.high, 50)
    assert set(five["splits"]) == {"test", "unseen"}
    assert five["splits"]["unseen"]["false_positive_rate"]["value"] is None
    assert five["splits"]["unseen"]["recall"]["n"] == 30
    counts = parts["judge"]["verdicts"]["test"]
    assert sum(counts["human"].values()) == 50
    assert counts["ai"]["ai"] == int((table[(table["split"] == "test") & (table["label"] == "ai")]["verdict"] == "ai").sum())


def test_the_rule_of_nothing_has_its_parts_too() -> None:
    table = predictions().query("split != 'val'")
    rule = fit_to_validation(table)
    parts = decision_metrics(with_verdicts(table, rule), rule)
    assert parts["operating_points"] == []
    assert parts["calibration"]["method"] == "none"
