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
class Calibrator:
    """Makes p_ai a probability, without changing the order of images."""

    method: ClassVar[str]

    def apply(self, p_ai: Floats) -> Floats:
        """Calibrate scores, [N] → [N]."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """The method and its parameters as plain values."""
        return {"method": self.method, **asdict(self)}


@dataclass(frozen=True)
class NoCalibration(Calibrator):
    """Scores as they are."""

    method: ClassVar[str] = "none"

    def apply(self, p_ai: Floats) -> Floats:
        """Return the scores, [N] → [N]."""
        return as_stored(p_ai)


@dataclass(frozen=True)
class Temperature(Calibrator):
    """All logits divided by one number, above 1 where the network was overconfident (Guo et al., ICML 2017)."""

    temperature: float
    method: ClassVar[str] = "temperature"

    def apply(self, p_ai: Floats) -> Floats:
        """Calibrate scores, [N] → [N]."""
        return as_stored(sigmoid(logits(p_ai) / self.temperature))


@dataclass(frozen=True)
class Platt(Calibrator):
    """A logistic regression on the logit: sigmoid(slope · logit + intercept) (Platt 1999); the slope is positive."""

    slope: float
    intercept: float
    method: ClassVar[str] = "platt"

    def apply(self, p_ai: Floats) -> Floats:
        """Calibrate scores, [N] → [N]."""
        return as_stored(sigmoid(self.slope * logits(p_ai) + self.intercept))


@dataclass(frozen=True)
class Isotonic(Calibrator):
    """A piecewise linear, non-decreasing function (Zadrozny and Elkan, KDD 2002), constant beyond its ends.

    Attributes:
        scores: [K] p_ai of the points, rising.
        probabilities: [K] what they become, not falling.
    """

    scores: list[float]
    probabilities: list[float]
    method: ClassVar[str] = "isotonic"

    def apply(self, p_ai: Floats) -> Floats:
        """Calibrate scores, [N] → [N]."""
        return as_stored(np.interp(as_stored(p_ai), self.scores, self.probabilities))


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


@dataclass(frozen=True)
class ConformalThreshold:
    """A threshold, and how often images of one class will lie on its wrong side.

    Attributes:
        threshold: of p_ai. None where there was no image to set it by.
        target_rate: the rate of errors that is asked for, 0..1.
        guaranteed_rate: the highest expected rate of errors, over all draws of images to set the threshold by and of an image
            to classify (see `artclf.evaluation.conformal`). None where nothing can be guaranteed.
        low: lower end of the 95% interval of the rate with these images.
        high: upper end.
    """

    threshold: float | None
    target_rate: float
    guaranteed_rate: float | None
    low: float | None
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
        return cls(content["threshold"], content["asked"], content["kept"], content["low"], content["high"])


@dataclass(frozen=True)
class DecisionRule:
    """Calibration and thresholds: what stands between a network's scores and its verdicts. Checkpoints hold it as "judge".

    Attributes:
        calibrator: makes p_ai a probability.
        human_below: below this p_ai the verdict is human.
        ai_from: from this p_ai on it is ai; between the two it is unsure.
        false_positives: the threshold by human images called ai.
        false_negatives: the threshold by AI images called human.
        points: further thresholds for ai, by their false-positive rates.
        fitted_on: which images, in words.
        n_human: how many of them are human.
        n_ai: how many are AI.
        cross_validated: calibration method → its ece, brier and log_loss on images that did not fit it.
    """

    calibrator: Calibrator
    human_below: float
    ai_from: float
    false_positives: ConformalThreshold
    false_negatives: ConformalThreshold
    points: tuple[ConformalThreshold, ...]
    fitted_on: str
    n_human: int
    n_ai: int
    cross_validated: dict[str, dict[str, float]]

    def verdicts(self, p_ai: Floats) -> list[str]:
        """Decide scores, [N] → N times "ai", "human" or "unsure"; "" for NaN. They are rounded as in predictions.csv first."""
        p = as_stored(p_ai)
        chosen = np.select([np.isnan(p), p >= self.ai_from, p < self.human_below], ["", AI, HUMAN], UNSURE)
        return [str(verdict) for verdict in chosen]

    def shortfalls(self) -> list[str]:
        """Say what was asked for and can't be guaranteed, a line each; none where all can."""
        if not self.n_human or not self.n_ai:
            absent = "human work" if not self.n_human else "AI work"
            absent = absent if self.n_human or self.n_ai else "thresholds"  # nothing was fitted at all
            return [
                f"{self.fitted_on} has no {absent}: scores are not calibrated, nothing is promised of false accusations, "
                f"and the verdict is ai from {THRESHOLD} on; artclf calibrate RUN --images FOLDER sets both by other pictures"
            ]
        short = [
            f"{n} {kind} work{'s' if n > 1 else ''} in {self.fitted_on} can promise {percent(found.guaranteed_rate)} {error} "
            f"at best, not {percent(found.target_rate)}"
            for n, kind, found, error in (
                (self.n_human, "human", self.false_positives, "called AI"),
                (self.n_ai, "AI", self.false_negatives, "called human"),
            )
            if found.guaranteed_rate is not None and not found.is_met
        ]
        lines = [f"{' and '.join(short)}; artclf calibrate RUN --images FOLDER sets the verdicts by more"] if short else []
        if self.ai_from > as_stored(np.ones(1))[0]:
            lines.append(
                f"a human work in {self.fitted_on} has the highest score that there is, so that no work is ever called ai: "
                "look at it, or artclf calibrate RUN --images FOLDER"
            )
        return lines

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        content = {name: value for name, value in vars(self).items() if name not in ("calibrator", "points")}
        return {
            "calibration": self.calibrator.to_json(),
            **content,
            "false_positives": self.false_positives.to_json(),
            "false_negatives": self.false_negatives.to_json(),
            "points": [point.to_json() for point in self.points],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "DecisionRule":
        """Build the decision rule that `to_json` wrote.

        Raises:
            ValueError: where something is missing or unknown.
        """
        try:
            rest = {name: value for name, value in content.items() if name != "calibration"}
            for name in ("false_positives", "false_negatives"):
                rest[name] = ConformalThreshold.from_json(content[name])
            rest["points"] = tuple(map(ConformalThreshold.from_json, content["points"]))
            return cls(calibrator=calibrator_from_json(content["calibration"]), **rest)
        except (KeyError, TypeError) as error:
            raise ValueError(f"is no decision rule of artclf's, or of another version: {error}") from error


def percent(rate: float | None) -> str:
    """A rate of errors, of which small ones matter: 0.0588 → "5.9%", 0.01 → "1%", 0.0005 → "0.05%"; "–" where there is none."""
    return "–" if rate is None or math.isnan(rate) else f"{100 * rate:.2g}%" if rate < 0.995 else f"{100 * rate:.4g}%"


def default_rule(fitted_on: str, n_human: int = 0, n_ai: int = 0, rates: tuple[float, float] = (0.01, 0.05)) -> DecisionRule:
    """The rule that nothing was fitted for: scores as they are, ai from 0.5 on, no guarantee.

    Args:
        fitted_on: why, in words.
        n_human: human images that there were.
        n_ai: AI images that there were.
        rates: target rates of false positives and false negatives.
    """
    positives, negatives = (ConformalThreshold(None, rate, None, None, None) for rate in rates)
    return DecisionRule(NoCalibration(), THRESHOLD, THRESHOLD, positives, negatives, (), fitted_on, n_human, n_ai, {})


def with_verdicts(predictions: pd.DataFrame, rule: DecisionRule) -> pd.DataFrame:
    """Add the columns calibrated and verdict to rows of predictions.csv."""
    p_ai = predictions["p_ai"].to_numpy(dtype=float)
    return predictions.assign(calibrated=rule.calibrator.apply(p_ai), verdict=rule.verdicts(p_ai))


def truth(predictions: pd.DataFrame) -> tuple[Booleans, Floats]:
    """Whether each row of predictions.csv is AI, [N], and its p_ai, [N]."""
    return (predictions["label"] == AI).to_numpy(dtype=bool), predictions["p_ai"].to_numpy(dtype=float)
