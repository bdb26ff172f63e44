"""From a score to a verdict: a calibrator makes p_ai a probability, and two thresholds make it ai, human or unsure.

`artclf.evaluation.conformal` fits both. Needs numpy alone, so that `artclf predict` starts quickly.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from artclf.evaluation.metrics import THRESHOLD
from artclf.evaluation.types import Booleans, Floats

AI, HUMAN, UNSURE = "ai", "human", "unsure"
VERDICTS = (HUMAN, UNSURE, AI)
CERTAIN = 1e-7  # no score is nearer to 0 or 1
DIGITS = 7  # after the point: what 32-bit numbers hold


def as_stored(p_ai: Floats) -> Floats:
    """Scores as predictions.csv holds them, [N]: seven digits, and neither 0 nor 1."""
    return np.clip(np.round(np.asarray(p_ai, dtype=np.float64), DIGITS), CERTAIN, 1 - CERTAIN)


def logits(p_ai: Floats) -> Floats:
    """log(p / (1 − p)) of scores, [N]."""
    p = as_stored(p_ai)
    return np.log(p) - np.log1p(-p)


def sigmoid(logit: Floats) -> Floats:
    """1 / (1 + e^−x), [N]; written with tanh, which does not overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logit)))


@dataclass(frozen=True)
class Calibrator:
    """Makes p_ai a probability, without changing the order of images."""

    method: ClassVar[str]

    def apply(self, p_ai: Floats) -> Floats:
        """Calibrate scores, [N] → [N]."""
        return as_stored(self._calibrate(as_stored(p_ai)))

    def _calibrate(self, p: Floats) -> Floats:
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """The method and its parameters as plain values."""
        return {"method": self.method, **asdict(self)}


@dataclass(frozen=True)
class NoCalibration(Calibrator):
    """Scores as they are."""

    method: ClassVar[str] = "none"

    def _calibrate(self, p: Floats) -> Floats:
        return p


@dataclass(frozen=True)
class Temperature(Calibrator):
    """All logits divided by one number, above 1 where the network was overconfident (Guo et al., ICML 2017)."""

    temperature: float
    method: ClassVar[str] = "temperature"

    def _calibrate(self, p: Floats) -> Floats:
        return sigmoid(logits(p) / self.temperature)


@dataclass(frozen=True)
class Platt(Calibrator):
    """A logistic regression on the logit: sigmoid(slope · logit + intercept) (Platt 1999); the slope is positive."""

    slope: float
    intercept: float
    method: ClassVar[str] = "platt"

    def _calibrate(self, p: Floats) -> Floats:
        return sigmoid(self.slope * logits(p) + self.intercept)


@dataclass(frozen=True)
class Isotonic(Calibrator):
    """A piecewise linear, non-decreasing function (Zadrozny and Elkan, KDD 2002), constant beyond its ends."""

    scores: list[float]  # [K] p_ai of the points, rising
    probabilities: list[float]  # [K] their calibrated values
    method: ClassVar[str] = "isotonic"

    def _calibrate(self, p: Floats) -> Floats:
        return np.interp(p, self.scores, self.probabilities)


CALIBRATORS: dict[str, type[Calibrator]] = {kind.method: kind for kind in (NoCalibration, Temperature, Platt, Isotonic)}


@dataclass(frozen=True)
class ConformalThreshold:
    """A threshold, and how often images of one class will lie on its wrong side (see `artclf.evaluation.conformal`)."""

    threshold: float | None  # of p_ai; None, as the next three, where there was no image to set it by
    target_rate: float  # 0..1
    guaranteed_rate: float | None  # highest expected rate, over all draws of images to set the threshold by
    low: float | None  # 95% interval of the rate with the images at hand
    high: float | None

    @property
    def is_met(self) -> bool:
        """Whether there were images enough to guarantee the target rate."""
        return self.guaranteed_rate is not None and self.guaranteed_rate <= self.target_rate + 1e-12

    def to_json(self) -> dict[str, float | None]:
        """As checkpoints and metrics.json hold it, in which the rates are called asked and kept."""
        rates = {"asked": self.target_rate, "kept": self.guaranteed_rate}
        return {"threshold": self.threshold, **rates, "low": self.low, "high": self.high}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "ConformalThreshold":
        """Build the threshold that `to_json` wrote."""
        return cls(*(content[name] for name in ("threshold", "asked", "kept", "low", "high")))


@dataclass(frozen=True)
class DecisionRule:
    """Calibration and thresholds: what turns a network's scores into verdicts. Checkpoints hold it as "judge"."""

    calibrator: Calibrator
    human_below: float  # below this p_ai the verdict is human
    ai_from: float  # from this p_ai on it is ai; between the two it is unsure
    false_positives: ConformalThreshold  # for human images called ai
    false_negatives: ConformalThreshold  # for AI images called human
    points: tuple[ConformalThreshold, ...]  # further thresholds for ai, by their false-positive rates
    fitted_on: str  # which images
    n_human: int
    n_ai: int
    cross_validated: dict[str, dict[str, float]]  # calibration method → its ece, brier and log_loss on held-out images

    def verdicts(self, p_ai: Floats) -> list[str]:
        """Decide scores, [N] → N times "ai", "human" or "unsure"; "" for NaN. They are rounded as in predictions.csv first."""
        p = as_stored(p_ai)
        chosen = np.select([np.isnan(p), p >= self.ai_from, p < self.human_below], ["", AI, HUMAN], UNSURE)
        return [str(verdict) for verdict in chosen]

    def shortfalls(self) -> list[str]:
        """Describe what can't be guaranteed, a line each."""
        more = "artclf calibrate RUN --images FOLDER fits the verdicts to other images"
        if not self.n_human or not self.n_ai:
            absent = "human images" if self.n_ai else "AI images" if self.n_human else "thresholds"
            return [
                f"{self.fitted_on} has no {absent}: scores are not calibrated, no rate of errors is guaranteed, and the "
                f"verdict is ai from {THRESHOLD} on; {more}"
            ]
        sides = ((self.n_human, "human", self.false_positives), (self.n_ai, "AI", self.false_negatives))
        lines = [
            f"{self.fitted_on} has {n} {kind} images, which can guarantee an error rate of {percent(found.guaranteed_rate)}, "
            f"not {percent(found.target_rate)}; {more}"
            for n, kind, found in sides
            if not found.is_met
        ]
        if self.ai_from > 1 - CERTAIN:
            lines.append(f"{self.fitted_on} has a human image of the highest possible score, so none is called ai; {more}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "calibration": self.calibrator.to_json(),
            **{name: value for name, value in vars(self).items() if name != "calibrator"},
            "false_positives": self.false_positives.to_json(),
            "false_negatives": self.false_negatives.to_json(),
            "points": [point.to_json() for point in self.points],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "DecisionRule":
        """Build the decision rule that `to_json` wrote; ValueError where something is missing or unknown."""
        rest = {name: value for name, value in content.items() if name != "calibration"}
        try:
            calibration = dict(content["calibration"])
            rest["calibrator"] = CALIBRATORS[calibration.pop("method")](**calibration)
            for name in ("false_positives", "false_negatives"):
                rest[name] = ConformalThreshold.from_json(content[name])
            rest["points"] = tuple(ConformalThreshold.from_json(point) for point in content["points"])
            return cls(**rest)
        except (KeyError, TypeError) as error:
            raise ValueError(f"is no decision rule of artclf's, or of another version: {error!r}") from error


def percent(rate: float | None) -> str:
    """A rate of errors, of which small ones matter: 0.0588 → "5.9%", 0.01 → "1%", 0.0005 → "0.05%"; "–" where there is none."""
    return "–" if rate is None or math.isnan(rate) else f"{100 * rate:.2g}%" if rate < 0.995 else f"{100 * rate:.4g}%"


def default_rule(fitted_on: str, n_human: int = 0, n_ai: int = 0, rates: tuple[float, float] = (0.01, 0.05)) -> DecisionRule:
    """The rule where nothing could be fitted to the images `fitted_on`: scores as they are, ai from 0.5 on, no guarantee."""
    positives, negatives = (ConformalThreshold(None, rate, None, None, None) for rate in rates)
    return DecisionRule(NoCalibration(), THRESHOLD, THRESHOLD, positives, negatives, (), fitted_on, n_human, n_ai, {})


def with_verdicts(predictions: pd.DataFrame, rule: DecisionRule) -> pd.DataFrame:
    """Add the columns calibrated and verdict to rows of predictions.csv."""
    p_ai = predictions["p_ai"].to_numpy(dtype=float)
    return predictions.assign(calibrated=rule.calibrator.apply(p_ai), verdict=rule.verdicts(p_ai))


def truth(predictions: pd.DataFrame) -> tuple[Booleans, Floats]:
    """Whether each row of predictions.csv is AI, [N], and its p_ai, [N]."""
    return (predictions["label"] == AI).to_numpy(dtype=bool), predictions["p_ai"].to_numpy(dtype=float)
