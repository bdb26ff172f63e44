import json

import numpy as np
import pytest

from artclf.evaluation.conformal import fit_decision_rule
from artclf.evaluation.decision import (
    Calibrator,
    ConformalThreshold,
    DecisionRule,
    Isotonic,
    NoCalibration,
    Platt,
    Temperature,
    as_stored,
    calibrator_from_json,
    default_rule,
    logits,
    percent,
    sigmoid,
)


def rule(human_below: float, ai_from: float) -> DecisionRule:
    threshold = ConformalThreshold(ai_from, 0.01, 0.01, 0.0, 0.02)
    return DecisionRule(Temperature(2.0), human_below, ai_from, threshold, threshold, (threshold,), "validation", 99, 99, {})


def test_verdicts_at_the_edges() -> None:
    assert rule(0.3, 0.7).verdicts(np.array([0.0, 0.2999999, 0.3, 0.6999999, 0.7, 1.0, np.nan])) == [
        "human",
        "human",
        "unsure",
        "unsure",
        "ai",
        "ai",
        "",
    ]
    assert rule(0.4, 0.4).verdicts(np.array([0.3999999, 0.4])) == ["human", "ai"]


def test_a_score_is_decided_as_it_is_stored() -> None:
    """What the network gives, and the seven digits of it that predictions.csv holds, have one verdict."""
    human = np.array([0.12345678, 0.3, 0.99999999])
    fitted = fit_decision_rule(
        np.array([False] * 3 + [True] * 3), np.concatenate([human, [0.5, 0.6, 1.0]]), false_positive_rate=0.25
    )
    assert "ai" not in fitted.verdicts(human)
    assert fitted.verdicts(np.round(human, 7)) == fitted.verdicts(human)


def test_a_model_that_never_says_ai_says_so() -> None:
    is_ai = np.arange(240) < 120
    sure = np.where(is_ai, 0.9, 0.1)
    assert fit_decision_rule(is_ai, sure).shortfalls() == []
    sure[-1] = 1.0  # a human work
    never = fit_decision_rule(is_ai, sure, false_positive_rate=0.001)
    assert "ai" not in never.verdicts(np.ones(3))
    assert any("no work is ever called ai" in line for line in never.shortfalls())


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (0.0588, "5.9%"),
        (0.01, "1%"),
        (0.0005, "0.05%"),
        (0.0, "0%"),
        (0.998, "99.8%"),
        (1.0, "100%"),
        (None, "–"),
        (np.nan, "–"),
    ],
)
def test_rates_of_errors_in_words(rate: float | None, said: str) -> None:
    assert percent(rate) == said


STORED = {  # as checkpoints have held it since there were decision rules
    "calibration": {"method": "platt", "slope": 0.5, "intercept": -1.0},
    "human_below": 0.25,
    "ai_from": 0.75,
    "false_positives": {"threshold": 0.75, "asked": 0.01, "kept": 0.009, "low": 0.001, "high": 0.03},
    "false_negatives": {"threshold": None, "asked": 0.05, "kept": None, "low": None, "high": None},
    "points": [{"threshold": 0.9, "asked": 0.001, "kept": 0.009, "low": 0.0, "high": 0.03}],
    "fitted_on": "validation",
    "n_human": 110,
    "n_ai": 0,
    "cross_validated": {"none": {"ece": 0.1, "brier": 0.2, "log_loss": 0.3}},
}


def test_a_stored_rule_is_read_and_written_as_it_was() -> None:
    found = DecisionRule.from_json(STORED)
    assert (found.calibrator, found.ai_from) == (Platt(0.5, -1.0), 0.75)
    assert (found.false_positives.target_rate, found.false_positives.guaranteed_rate) == (0.01, 0.009)
    assert (found.false_positives.is_met, found.false_negatives.is_met, found.points[0].is_met) == (True, False, False)
    assert json.loads(json.dumps(found.to_json())) == STORED


def test_it_comes_back_from_json() -> None:
    rng = np.random.default_rng(0)
    is_ai = np.arange(60) < 25
    fitted = fit_decision_rule(is_ai, rng.random(60), method="isotonic")
    assert DecisionRule.from_json(json.loads(json.dumps(fitted.to_json(), allow_nan=False))) == fitted
    half = default_rule("nothing")
    assert DecisionRule.from_json(json.loads(json.dumps(half.to_json()))) == half


@pytest.mark.parametrize("change", [{"points": None}, {"more": 1}, {"calibration": {"method": "?"}}, {"false_positives": {}}])
def test_what_is_no_decision_rule_is_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=r"no decision rule of artclf's|calibration method"):
        DecisionRule.from_json({**rule(0.3, 0.7).to_json(), **change})


ALL: list[Calibrator] = [
    NoCalibration(),
    Temperature(2.0),
    Platt(0.5, -1.0),
    Isotonic([0.1, 0.4, 0.6], [0.05, 0.5, 0.9]),
]


@pytest.mark.parametrize("calibrator", ALL, ids=lambda c: c.method)
def test_it_comes_back_from_json_and_never_turns_the_order(calibrator: Calibrator) -> None:
    again = calibrator_from_json(json.loads(json.dumps(calibrator.to_json())))
    assert again == calibrator
    scores = np.concatenate([[0.0], np.sort(np.random.default_rng(0).random(200)), [1.0]])
    calibrated = again.apply(scores)
    assert (np.diff(calibrated) >= 0).all()
    assert ((calibrated > 0) & (calibrated < 1)).all()
    assert np.isnan(again.apply(np.array([np.nan]))).all()


def test_what_they_make_of_a_score() -> None:
    score = np.array([0.9])  # logit log 9
    assert NoCalibration().apply(score) == pytest.approx([0.9])
    assert Temperature(2.0).apply(score) == pytest.approx([0.75])  # odds 9 to 1 become 3 to 1
    assert Platt(0.5, np.log(1 / 3)).apply(score) == pytest.approx([0.5])
    assert Isotonic([0.1, 0.4, 0.6], [0.05, 0.5, 0.9]).apply(np.array([0.0, 0.5, 1.0])) == pytest.approx([0.05, 0.7, 0.9])


def test_scores_are_stored_without_certainty() -> None:
    assert as_stored(np.array([0.0, 1.0, 0.12345678])).tolist() == [1e-7, 1 - 1e-7, 0.1234568]
    assert sigmoid(logits(np.array([0.3]))) == pytest.approx([0.3])
    assert sigmoid(np.array([-2000.0, 2000.0])).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"method": "beta"}, "got the calibration method 'beta'; allowed: none, temperature, platt, isotonic"),
        ({}, "got the calibration method None"),
        ({"method": "platt", "slope": 1.0}, "got the parameters \\['slope'\\]"),
        ({"method": "none", "slope": 1.0}, "got the parameters \\['slope'\\]"),
    ],
)
def test_what_is_no_calibrator_is_refused(content: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        calibrator_from_json(content)
