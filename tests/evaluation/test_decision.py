import json

import numpy as np
import pandas as pd
import pytest

from artclf.evaluation.calibrators import Temperature
from artclf.evaluation.decision import Judge, Promise, judge_by_half, percent, with_verdicts
from artclf.evaluation.thresholds import fit_judge


def judge(human_below: float, ai_from: float) -> Judge:
    promise = Promise(ai_from, 0.01, 0.01, 0.0, 0.02)
    return Judge(Temperature(2.0), human_below, ai_from, promise, promise, (promise,), "validation", 99, 99, {})


def test_verdicts_at_the_edges() -> None:
    assert judge(0.3, 0.7).verdicts(np.array([0.0, 0.2999999, 0.3, 0.6999999, 0.7, 1.0, np.nan])) == [
        "human",
        "human",
        "unsure",
        "unsure",
        "ai",
        "ai",
        "",
    ]
    assert judge(0.4, 0.4).verdicts(np.array([0.3999999, 0.4])) == ["human", "ai"]


def test_a_score_is_judged_as_it_is_stored() -> None:
    """What the network gives, and the seven digits of it that predictions.csv holds, have one verdict."""
    human = np.array([0.12345678, 0.3, 0.99999999])
    fitted = fit_judge(np.array([False] * 3 + [True] * 3), np.concatenate([human, [0.5, 0.6, 1.0]]), false_positive_rate=0.25)
    assert "ai" not in fitted.verdicts(human)
    assert fitted.verdicts(np.round(human, 7)) == fitted.verdicts(human)


def test_a_model_that_never_says_ai_says_so() -> None:
    is_ai = np.arange(240) < 120
    sure = np.where(is_ai, 0.9, 0.1)
    assert fit_judge(is_ai, sure).shortfalls() == []
    sure[-1] = 1.0  # a human work
    never = fit_judge(is_ai, sure, false_positive_rate=0.001)
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


def test_it_comes_back_from_json() -> None:
    rng = np.random.default_rng(0)
    is_ai = np.arange(60) < 25
    fitted = fit_judge(is_ai, rng.random(60), method="isotonic")
    assert Judge.from_json(json.loads(json.dumps(fitted.to_json(), allow_nan=False))) == fitted
    half = judge_by_half("nothing")
    assert Judge.from_json(json.loads(json.dumps(half.to_json()))) == half


@pytest.mark.parametrize("change", [{"points": None}, {"more": 1}, {"calibration": {"method": "?"}}, {"false_positives": {}}])
def test_what_is_no_judge_is_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=r"no judge of artclf's|calibration method"):
        Judge.from_json({**judge(0.3, 0.7).to_json(), **change})


def test_rows_get_probability_and_verdict() -> None:
    rows = with_verdicts(pd.DataFrame({"path": ["a", "b"], "p_ai": [0.9, 0.1]}), judge(0.3, 0.7))
    assert list(rows) == ["path", "p_ai", "calibrated", "verdict"]
    assert rows["calibrated"].tolist() == pytest.approx([0.75, 0.25])
    assert rows["verdict"].tolist() == ["ai", "human"]
