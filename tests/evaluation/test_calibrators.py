import json

import numpy as np
import pytest

from artclf.evaluation.calibrators import (
    Calibrator,
    Isotonic,
    NoCalibration,
    Platt,
    Temperature,
    as_stored,
    calibrator_from_json,
    logits,
    sigmoid,
)

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
