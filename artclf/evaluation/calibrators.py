"""From a network's p_ai to a probability that can be taken at its word: fitted once, saved, and applied to any picture.

Only numpy is needed to apply them; `artclf.evaluation.calibration` fits them. None of them changes the order of the works.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from artclf.evaluation.types import Floats

CERTAIN = 1e-7  # no score is nearer to 0 or 1: certainty is not among the probabilities
DIGITS = 7  # after the point: what 32-bit numbers hold


def as_stored(p_ai: Floats) -> Floats:
    """Scores as predictions.csv holds them, [N]: seven digits, and neither 0 nor 1."""
    stored: Floats = np.clip(np.round(np.asarray(p_ai, dtype=np.float64), DIGITS), CERTAIN, 1 - CERTAIN)
    return stored


def logits(p_ai: Floats) -> Floats:
    """log(p / (1 − p)) of scores, [N]."""
    p = as_stored(p_ai)
    return np.log(p) - np.log1p(-p)


def sigmoid(logit: Floats) -> Floats:
    """1 / (1 + e^−x), [N]; written by tanh, which does not overflow."""
    p: Floats = 0.5 * (1 + np.tanh(0.5 * logit))
    return p


@dataclass(frozen=True)
class NoCalibration:
    """Scores as they are."""

    method: ClassVar[str] = "none"

    def apply(self, p_ai: Floats) -> Floats:
        """Return the scores, [N] → [N]."""
        return as_stored(p_ai)

    def to_json(self) -> dict[str, Any]:
        """The method and its parameters as plain values."""
        return {"method": self.method}


@dataclass(frozen=True)
class Temperature:
    """All logits divided by one number (Guo et al., On calibration of modern neural networks, ICML 2017).

    Attributes:
        temperature: above 1 the network was too sure of itself, below 1 not sure enough.
    """

    temperature: float
    method: ClassVar[str] = "temperature"

    def apply(self, p_ai: Floats) -> Floats:
        """Calibrate scores, [N] → [N]."""
        return as_stored(sigmoid(logits(p_ai) / self.temperature))

    def to_json(self) -> dict[str, Any]:
        """The method and its parameters as plain values."""
        return {"method": self.method, "temperature": self.temperature}


@dataclass(frozen=True)
class Platt:
    """A logistic regression on the logit: sigmoid(slope · logit + intercept) (Platt 1999).

    Attributes:
        slope: 1 / temperature; positive.
        intercept: moves all works towards AI (positive) or towards people.
    """

    slope: float
    intercept: float
    method: ClassVar[str] = "platt"

    def apply(self, p_ai: Floats) -> Floats:
        """Calibrate scores, [N] → [N]."""
        return as_stored(sigmoid(self.slope * logits(p_ai) + self.intercept))

    def to_json(self) -> dict[str, Any]:
        """The method and its parameters as plain values."""
        return {"method": self.method, "slope": self.slope, "intercept": self.intercept}


@dataclass(frozen=True)
class Isotonic:
    """A rising line of steps and slopes through points (Zadrozny and Elkan, KDD 2002), level beyond its ends.

    Attributes:
        scores: [K] p_ai of the points, rising.
        probabilities: [K] what they are called, not falling.
    """

    scores: list[float]
    probabilities: list[float]
    method: ClassVar[str] = "isotonic"

    def apply(self, p_ai: Floats) -> Floats:
        """Calibrate scores, [N] → [N]."""
        return as_stored(np.interp(as_stored(p_ai), self.scores, self.probabilities))

    def to_json(self) -> dict[str, Any]:
        """The method and its parameters as plain values."""
        return {"method": self.method, "scores": list(self.scores), "probabilities": list(self.probabilities)}


Calibrator = NoCalibration | Temperature | Platt | Isotonic
CALIBRATORS: dict[str, type[Calibrator]] = {kind.method: kind for kind in (NoCalibration, Temperature, Platt, Isotonic)}


def calibrator_from_json(content: Mapping[str, Any]) -> Calibrator:
    """Build the calibrator that `to_json` wrote.

    Raises:
        ValueError: where the method is unknown, or its parameters are others.
    """
    parameters = {name: value for name, value in content.items() if name != "method"}
    kind = CALIBRATORS.get(str(content.get("method")))
    if kind is None:
        raise ValueError(f"got the calibration method {content.get('method')!r}; allowed: {', '.join(CALIBRATORS)}")
    try:
        return kind(**parameters)
    except TypeError as error:
        raise ValueError(f"calibration method {kind.method}: got the parameters {sorted(parameters)} ({error})") from error
