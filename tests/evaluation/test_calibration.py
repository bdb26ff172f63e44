"""From scores to verdicts: calibrators, conformal thresholds, and the rule that checkpoints hold."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from artclf.evaluation.calibration import (
    best_method,
    conformal_threshold,
    cross_validate,
    ece,
    ece_by_chance,
    fit,
    fit_decision_rule,
    grouped_threshold,
    needed,
    reliability,
)
from artclf.evaluation.decision import Calibrator, DecisionRule, as_stored, default_rule, logits, sigmoid, truth, with_verdicts
from artclf.evaluation.guarantees import decision_metrics, held_out_rates
from artclf.evaluation.intervals import wilson

# ---- calibration


def simulated(n: int, slope: float = 1.0, intercept: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truth and scores of a network of which sigmoid(slope · logit + intercept) would be calibrated."""
    rng = np.random.default_rng(seed)
    p = sigmoid(rng.normal(0, 2.0, n))
    return rng.random(n) < p, sigmoid((logits(p) - intercept) / slope)


def test_reliability_and_ece_are_scikit_learns() -> None:
    is_ai, p_ai = simulated(1000, slope=0.5)
    share, mean = calibration_curve(is_ai, p_ai, n_bins=10, strategy="quantile")
    means, shares = zip(*reliability(is_ai, p_ai), strict=True)
    assert means == pytest.approx(mean)
    assert [estimate.value for estimate in shares] == pytest.approx(share)
    assert ece(is_ai, p_ai) == pytest.approx(float(np.abs(share - mean).mean()))
    assert len(reliability(is_ai[:45], p_ai[:45])) == 4


def test_the_error_by_chance_is_that_of_calibrated_scores() -> None:
    found = [ece(*simulated(300, seed=seed)) for seed in range(60)]
    assert ece_by_chance(simulated(300)[1]) == pytest.approx(np.mean(found), rel=0.15)


def test_known_parameters_are_found() -> None:
    for slope in (0.4, 2.5):
        assert fit("temperature", *simulated(20000, slope)).slope == pytest.approx(slope, rel=0.05)
    found = fit("platt", *simulated(20000, 0.4, -1.2))
    assert (found.slope, found.intercept) == pytest.approx((0.4, -1.2), abs=0.05)
    p = np.array([0.05, 0.3, 0.8])
    isotonic = fit("isotonic", *simulated(20000, 0.4, -1.2)).apply(p)
    assert isotonic == pytest.approx(found.apply(p), abs=0.05)


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_separable_images_make_nothing_infinite(method: str) -> None:
    is_ai = np.arange(20) < 8
    for p_ai in (np.where(is_ai, 0.9, 0.2), np.where(is_ai, 1.0, 0.0), np.where(is_ai, 0.52, 0.48), np.full(20, 0.5)):
        calibrated = fit(method, is_ai, p_ai).apply(p_ai)
        assert ((calibrated > 0.01) & (calibrated < 0.99)).all(), p_ai
    backwards = fit(method, is_ai, np.where(is_ai, 0.2, 0.9)).apply(np.array([0.2, 0.9]))
    assert backwards[0] <= backwards[1]


@pytest.mark.parametrize(
    ("slope", "intercept", "chosen"),
    [(1.0, 0.0, {"none", "temperature"}), (0.3, 0.0, {"temperature", "platt"}), (0.4, 2.0, {"platt"})],
)
def test_the_best_method_is_chosen_by_held_out_images(slope: float, intercept: float, chosen: set[str]) -> None:
    is_ai, p_ai = simulated(300, slope, intercept)
    scores = cross_validate(is_ai, p_ai)
    assert set(scores) == {"none", "temperature", "platt"}
    assert best_method(scores) in chosen
    assert scores["none"]["log_loss"] == pytest.approx(log_loss(is_ai, p_ai), rel=1e-4)


def test_isotonic_needs_many_images_and_few_choose_nothing() -> None:
    is_ai, p_ai = simulated(600)
    assert "isotonic" in cross_validate(is_ai, p_ai)
    assert set(cross_validate(is_ai[:50], p_ai[:50], "isotonic")) == {"none", "isotonic"}
    assert cross_validate(np.array([True, True, False]), np.array([0.9, 0.8, 0.1])) == {}
    assert best_method({}) == "none"


@pytest.mark.parametrize(
    ("calibrator", "given", "expected"),
    [
        (Calibrator(), 0.9, 0.9),
        (Calibrator("temperature", 0.5), 0.9, 0.75),  # odds 9 to 1 become 3 to 1
        (Calibrator("platt", 0.5, np.log(1 / 3)), 0.9, 0.5),
        (Calibrator("isotonic", points=((0.1, 0.05), (0.4, 0.5), (0.6, 0.9))), 0.5, 0.7),
    ],
    ids=lambda value: getattr(value, "method", None),
)
def test_calibrated_scores_by_hand_keep_their_order(calibrator: Calibrator, given: float, expected: float) -> None:
    assert calibrator.apply(np.array([given])) == pytest.approx([expected])
    calibrated = calibrator.apply(np.linspace(0, 1, 200))
    assert (np.diff(calibrated) >= 0).all()
    assert ((calibrated > 0) & (calibrated < 1)).all()
    assert np.isnan(calibrator.apply(np.array([np.nan]))).all()


def test_scores_as_stored_and_the_sigmoid_have_no_overflow() -> None:
    assert as_stored(np.array([0.0, 1.0, 0.12345678])).tolist() == [1e-7, 1 - 1e-7, 0.1234568]
    assert sigmoid(np.array([-2000.0, 2000.0])).tolist() == [0.0, 1.0]


# ---- thresholds


@pytest.mark.parametrize(("n", "rate"), [(16, 0.05), (130, 0.05)])
def test_the_rate_is_guaranteed_over_many_validation_sets(n: int, rate: float) -> None:
    """Of 2000 random sets of n uniform scores: the rate of a uniform score above the threshold is 1 − threshold."""
    found = [conformal_threshold(scores, rate) for scores in np.random.default_rng(0).random((2000, n))]
    rates = np.array([1 - one.threshold for one in found])
    guaranteed = found[0].guaranteed_rate
    assert rates.mean() == pytest.approx(guaranteed, abs=4 * rates.std() / np.sqrt(len(rates)))
    assert found[0].is_met is (rate * (n + 1) >= 1)
    assert rate - 1 / (n + 1) < guaranteed <= rate if found[0].is_met else guaranteed == 1 / (n + 1)
    within = np.mean([one.low <= true <= one.high for one, true in zip(found, rates, strict=True)])
    assert within == pytest.approx(0.95, abs=0.02)


def test_the_threshold_lies_just_beyond_an_ordered_score() -> None:
    scores = np.linspace(0.01, 0.99, 99)
    for rate, k in ((0.01, 1), (0.05, 5), (0.001, 1)):
        above, below = (conformal_threshold(scores, rate, above=above).threshold for above in (True, False))
        assert np.sum(scores >= above) == np.sum(scores < below) == k - 1
        assert np.sort(scores)[-k] < above < np.sort(scores)[-k] + 1e-7
    assert [needed(rate) for rate in (0.001, 0.01, 0.05, 0.5)] == [999, 99, 19, 1]
    assert conformal_threshold(np.full(40, 0.5), 0.2).threshold > 0.5  # none of equal scores is above


@pytest.mark.parametrize("spread", [0.0, 2.0])
def test_the_rate_is_guaranteed_for_a_new_source(spread: float) -> None:
    """Of 600 random sets of four sources of 60 to 300 images, shifted at random, and the true rate of a fifth."""
    rng, rate = np.random.default_rng(0), 0.05
    rates, found = [], None
    for _ in range(600):
        shifts, sizes = rng.normal(0, spread, 5), rng.integers(60, 300, 4)
        found = grouped_threshold([norm.cdf(rng.normal(m, 1, n)) for m, n in zip(shifts, sizes, strict=False)], rate)
        rates.append(norm.sf(norm.ppf(found.threshold), loc=shifts[4]))
        assert 0.2 + rate - 1 / 61 < found.guaranteed_rate <= 0.2 + rate
    assert np.mean(rates) < 0.2 + rate - 1 / 61
    exceeding = np.mean(np.array(rates) > rate)  # of few images, the own threshold of a source may be a little too low
    assert exceeding == pytest.approx(0.2, abs=0.05) if spread else np.mean(rates) < rate


def test_sources_of_few_images_guarantee_less() -> None:
    """Their own thresholds are exceeded by a further image with probability 1 / 21, not by the hundredth that was asked for."""
    found = grouped_threshold([np.linspace(0.1, 0.4, 20)] * 3, 0.01)
    assert found.guaranteed_rate == pytest.approx(1 / 4 + 1 / 21)


def test_it_is_the_strictest_of_the_sources_thresholds() -> None:
    groups = [np.linspace(0.1, 0.1 * top, 40) for top in (5, 7, 3)]
    own = [conformal_threshold(scores, 0.05).threshold for scores in groups]
    assert grouped_threshold(groups, 0.05).threshold == pytest.approx(max(own), abs=1.1e-7)
    low = [conformal_threshold(scores, 0.05, above=False).threshold for scores in groups]
    assert grouped_threshold(groups, 0.05, above=False).threshold == pytest.approx(min(low), abs=1.1e-7)


# ---- the rule


def drawn(n_human: int, n_ai: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    is_ai = np.arange(n_human + n_ai) >= n_human
    return is_ai, norm.cdf(rng.normal(size=len(is_ai)) + 3 * (is_ai - 0.5))


def test_between_both_thresholds_it_is_unsure() -> None:
    is_ai, p_ai = drawn(200, 100)
    rule = fit_decision_rule(is_ai, p_ai)
    low, high = rule.human_below, rule.ai_from
    scores = np.array([0.0, low - 1e-6, low + 1e-7, high - 1e-6, high + 1e-7, 1.0, np.nan])
    assert rule.verdicts(scores) == ["human", "human", "unsure", "unsure", "ai", "ai", ""]
    verdicts = np.array(rule.verdicts(p_ai))
    assert np.sum(verdicts[~is_ai] == "ai") <= 1
    assert np.sum(verdicts[is_ai] == "human") <= 4
    assert np.sum(verdicts == "unsure") > 20
    assert rule.shortfalls() == []
    both = fit_decision_rule(np.arange(300) < 100, np.where(np.arange(300) < 100, 0.9, 0.2))  # both rates hold in between
    assert both.ai_from == both.human_below == pytest.approx(0.55, abs=1e-6)


def test_a_score_is_decided_as_it_is_stored() -> None:
    """What the network gives, and the seven digits of it that predictions.csv holds, have one verdict."""
    human = np.array([0.12345678, 0.3, 0.99999999])
    is_ai, p_ai = np.arange(6) >= 3, np.concatenate([human, [0.5, 0.6, 1.0]])
    fitted = fit_decision_rule(is_ai, p_ai, false_positive_rate=0.25)
    assert "ai" not in fitted.verdicts(human)
    assert fitted.verdicts(np.round(human, 7)) == fitted.verdicts(human)


def test_what_can_not_be_guaranteed_is_reported() -> None:
    (line,) = fit_decision_rule(*drawn(16, 200)).shortfalls()
    assert line.startswith(
        "validation has 16 human images, which can guarantee an error rate of 5.9%, not 1%; artclf calibrate"
    )
    for n_human, n_ai, absent in ((5, 0, "AI images"), (0, 5, "human images"), (0, 0, "thresholds")):
        rule = fit_decision_rule(*drawn(n_human, n_ai), method="platt")
        assert (rule.ai_from, rule.human_below, rule.calibrator.method) == (0.5, 0.5, "none")
        assert f"validation has no {absent}" in rule.shortfalls()[0]
    is_ai = np.arange(240) < 120
    never = fit_decision_rule(is_ai, np.where(is_ai, 0.9, [0.1] * 239 + [1.0]), false_positive_rate=0.001)
    assert "ai" not in never.verdicts(np.ones(3))
    assert any("none is called ai" in line for line in never.shortfalls())


def test_held_out_sources_set_the_thresholds_and_are_checked_by_each_other() -> None:
    is_ai, p_ai = drawn(200, 100)
    scores = {"low": np.linspace(0.1, 0.5, 99), "high": np.linspace(0.1, 0.9, 99), "few": np.full(19, 0.99)}
    rows = [(name, "human", p) for name, own in scores.items() for p in own]
    held_out = pd.DataFrame(rows, columns=["group", "label", "p_ai"])
    rule = fit_decision_rule(is_ai, p_ai, false_positive_rate=0.05, by="source", held_out=held_out)
    assert rule.ai_from == pytest.approx(np.sort(scores["high"])[-5], abs=1e-6)
    assert rule.false_negatives == fit_decision_rule(is_ai, p_ai).false_negatives  # no AI image was held out
    found = {group.group: group.verdicts["ai"] for group in rule.groups("human")}
    assert found == {"high": int((scores["high"] > np.sort(scores["low"])[-5]).sum()), "low": 0}
    worst = held_out_rates(rule)["human"]["worst"]
    assert (worst["group"], worst["mistakes"], worst["n"]) == ("high", found["high"], 99)
    assert DecisionRule.from_json(json.loads(json.dumps(rule.to_json()))) == rule
    assert "human images come from 2 sources, which can guarantee an error rate of 38%, not 5%" in rule.shortfalls()[0]
    alone = fit_decision_rule(is_ai, p_ai, by="source", held_out=held_out[held_out["group"] == "low"])
    assert alone == fit_decision_rule(is_ai, p_ai)
    lax = fit_decision_rule(is_ai, p_ai, by="source", held_out=held_out.assign(p_ai=held_out["p_ai"] / 10))
    assert lax.ai_from == fit_decision_rule(is_ai, p_ai).ai_from  # validation's is stricter, and stays


@pytest.mark.parametrize("change", [{"points": None}, {"false_positives": {}}, {"calibrator": {"method": "?"}}, {"n_ai": "x"}])
def test_what_is_no_decision_rule_is_refused(change: dict) -> None:
    with pytest.raises(ValueError, match="DecisionRule"):
        DecisionRule.from_json({**default_rule("nothing").to_json(), **change})


@pytest.mark.parametrize("method", ["none", "temperature", "platt", "isotonic"])
def test_metrics_json_gets_the_rule_and_what_it_does_on_each_split(method: str) -> None:
    parts = []
    for split, n_human, n_ai, seed in (("val", 120, 100, 1), ("test", 50, 40, 2), ("unseen", 0, 30, 3)):
        is_ai, p_ai = drawn(n_human, n_ai, seed=seed)
        parts.append(pd.DataFrame({"label": np.where(is_ai, "ai", "human"), "split": split, "p_ai": p_ai}))
    table = pd.concat(parts, ignore_index=True)
    rule = fit_decision_rule(*truth(parts[0]), method=method, false_positive_rate=0.05, false_negative_rate=0.1)
    table = with_verdicts(table, rule)
    found = json.loads(json.dumps(decision_metrics(table, rule), allow_nan=False))
    assert DecisionRule.from_json(found["decision_rule"]) == rule
    assert set(found["calibration"]) == {"val", "test", "unseen"}
    assert set(found["calibration"]["test"]["after"]) == {"n", "ece", "ece_by_chance", "brier", "log_loss"}
    rare, one, five = found["operating_points"]
    assert [(point["is_met"], point["needed"]) for point in (rare, one, five)] == [(False, 999), (True, 99), (True, 19)]
    test = table[table["split"] == "test"]
    expected = wilson(int((test.loc[test["label"] == "human", "p_ai"] >= five["threshold"]).sum()), 50)
    rate = {"value": expected.value, "low": expected.low, "high": expected.high, "n": 50}
    assert five["splits"]["test"]["false_positive_rate"] == rate
    assert five["splits"]["unseen"]["false_positive_rate"]["value"] is None
    counts = found["decision_rule"]["verdicts"]["test"]
    assert list(counts["human"]) == ["human", "unsure", "ai"]
    assert sum(counts["human"].values()) == 50
    assert counts["ai"]["ai"] == int((test.loc[test["label"] == "ai", "verdict"] == "ai").sum())
    assert decision_metrics(table, default_rule("nothing"))["operating_points"] == []
