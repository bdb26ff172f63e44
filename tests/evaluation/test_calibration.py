import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression

from artclf.evaluation.calibration import (
    METHODS,
    best_method,
    cross_validate,
    ece,
    ece_by_chance,
    errors,
    fit,
    log_loss,
    reliability,
)
from artclf.evaluation.decision import Isotonic, NoCalibration, Platt, Temperature, as_stored, logits, sigmoid


def simulated(n: int, slope: float = 1.0, intercept: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truth and scores of a network of which sigmoid(slope · logit + intercept) would be calibrated."""
    rng = np.random.default_rng(seed)
    p = sigmoid(rng.normal(0, 2.0, n))
    return rng.random(n) < p, sigmoid((logits(p) - intercept) / slope)


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose decision is what it is given."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> "Given":
        self.classes_ = np.array([False, True])
        return self

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        return x[:, 0]

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x[:, 0] >= 0


def test_ece_of_constructed_scores() -> None:
    p_ai = np.repeat([0.1, 0.4, 0.9], [10, 20, 10])
    is_ai = np.concatenate([np.arange(10) < 3, np.arange(20) < 8, np.arange(10) < 7])  # 0.3, 0.4 and 0.7 of them
    assert ece(is_ai, p_ai, bins=4) == pytest.approx((10 * 0.2 + 20 * 0.0 + 10 * 0.2) / 40)
    assert ece(is_ai, p_ai, bins=1) == pytest.approx(abs(p_ai.mean() - is_ai.mean()))
    order = np.random.default_rng(0).permutation(40)
    assert ece(is_ai[order], p_ai[order], bins=4) == pytest.approx(ece(is_ai, p_ai, bins=4))
    assert ece(np.array([True] * 5 + [False] * 5), np.array([1.0] * 5 + [0.0] * 5)) == 0.0


def test_bins_are_those_of_scikit_learn() -> None:
    is_ai, p_ai = simulated(1000, slope=0.5)
    share, mean = calibration_curve(is_ai, p_ai, n_bins=10, strategy="quantile")
    bins = reliability(is_ai, p_ai)
    assert [b.mean for b in bins] == pytest.approx(mean)
    assert [b.ai.value for b in bins] == pytest.approx(share)
    assert [b.n for b in bins] == [100] * 10
    assert ece(is_ai, p_ai) == pytest.approx(float(np.abs(share - mean).mean()))
    assert all(b.low <= b.mean <= b.high and b.ai.low < b.ai.value < b.ai.high for b in bins)  # type: ignore[operator]
    assert len(reliability(is_ai[:45], p_ai[:45])) == 4


def test_the_error_by_chance_is_that_of_calibrated_scores() -> None:
    found = [ece(*simulated(300, seed=seed)) for seed in range(60)]
    assert ece_by_chance(simulated(300)[1]) == pytest.approx(np.mean(found), rel=0.15)
    is_ai, p_ai = simulated(300, slope=0.3)
    assert ece(is_ai, p_ai) > 2 * ece_by_chance(p_ai)
    assert set(errors(is_ai, p_ai)) == {"n", "ece", "ece_by_chance", "brier", "log_loss"}


@pytest.mark.parametrize("slope", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_found(slope: float) -> None:
    found = fit("temperature", *simulated(20000, slope))
    assert isinstance(found, Temperature)
    assert found.temperature == pytest.approx(1 / slope, rel=0.05)


def test_a_known_platt_pair_is_found() -> None:
    found = fit("platt", *simulated(20000, 0.4, -1.2))
    assert isinstance(found, Platt)
    assert (found.slope, found.intercept) == pytest.approx((0.4, -1.2), abs=0.05)


def test_platt_is_what_scikit_learn_fits() -> None:
    is_ai, p_ai = simulated(150, 0.5, 0.7)
    given = FrozenEstimator(Given().fit(np.empty(0), np.empty(0)))
    theirs = CalibratedClassifierCV(given, method="sigmoid").fit(logits(p_ai)[:, None], is_ai)
    scores = np.linspace(0.01, 0.99, 50)
    expected = theirs.predict_proba(logits(scores)[:, None])[:, 1]
    assert fit("platt", is_ai, p_ai).apply(scores) == pytest.approx(expected, abs=1e-4)


def test_isotonic_is_scikit_learns_and_never_certain() -> None:
    is_ai, p_ai = simulated(400, 0.5)
    found = fit("isotonic", is_ai, p_ai)
    assert isinstance(found, Isotonic)
    scores = np.linspace(0, 1, 101)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(as_stored(p_ai), is_ai).predict(scores)
    low, high = 1 / ((~is_ai).sum() + 2), (is_ai.sum() + 1) / (is_ai.sum() + 2)
    assert found.apply(scores) == pytest.approx(np.clip(theirs, low, high), abs=1e-6)


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_works_that_a_threshold_separates_make_nothing_infinite(method: str) -> None:
    is_ai = np.arange(20) < 8
    for p_ai in (np.where(is_ai, 0.9, 0.2), np.where(is_ai, 1.0, 0.0), np.where(is_ai, 0.52, 0.48), np.full(20, 0.5)):
        calibrated = fit(method, is_ai, p_ai).apply(p_ai)
        assert ((calibrated > 0.01) & (calibrated < 0.99)).all(), p_ai
    backwards = fit(method, is_ai, np.where(is_ai, 0.2, 0.9)).apply(np.array([0.2, 0.9]))
    assert backwards[0] <= backwards[1]


def test_one_class_alone_can_not_be_calibrated() -> None:
    with pytest.raises(ValueError, match="got 3 AI and 0 human"):
        fit("temperature", np.array([True] * 3), np.array([0.1, 0.2, 0.3]))
    with pytest.raises(ValueError, match="allowed: temperature, platt, isotonic, none"):
        fit("beta", np.array([True, False]), np.array([0.1, 0.2]))


@pytest.mark.parametrize(
    ("slope", "intercept", "chosen"),
    [(1.0, 0.0, {"none", "temperature"}), (0.3, 0.0, {"temperature", "platt"}), (0.4, 2.0, {"platt"})],
)
def test_the_best_method_is_chosen_by_works_held_back(slope: float, intercept: float, chosen: set[str]) -> None:
    is_ai, p_ai = simulated(300, slope, intercept)
    scores = cross_validate(is_ai, p_ai)
    assert set(scores) == {"none", "temperature", "platt"}
    assert best_method(scores) in chosen
    assert scores["none"]["log_loss"] == pytest.approx(log_loss(is_ai, p_ai), rel=1e-4)
    assert cross_validate(is_ai, p_ai) == scores


def test_isotonic_needs_many_works_and_few_choose_nothing() -> None:
    is_ai, p_ai = simulated(600)
    assert "isotonic" in cross_validate(is_ai, p_ai)
    assert set(cross_validate(is_ai[:50], p_ai[:50], "isotonic")) == {"none", "isotonic"}
    assert set(cross_validate(is_ai[:50], p_ai[:50], "none")) == {"none"}
    assert cross_validate(np.array([True, True, False]), np.array([0.9, 0.8, 0.1])) == {}
    assert best_method({}) == "none"
    assert isinstance(fit("none", is_ai, p_ai), NoCalibration)
    assert METHODS[0] == "auto"
