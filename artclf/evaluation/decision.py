"""From a score to a verdict: a calibrator makes p_ai a probability, and two thresholds make it ai, human or unsure.

`artclf.evaluation.calibration` fits both. Loads neither SciPy nor scikit-learn, so that `artclf predict` starts quickly.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, TypeAdapter

from artclf.evaluation import Booleans, Floats

AI, HUMAN, UNSURE = "ai", "human", "unsure"
VERDICTS = (HUMAN, UNSURE, AI)
THRESHOLD = 0.5  # of p_ai, where nothing was fitted, and for figures that are compared between runs
CERTAIN = 1e-7  # no score is nearer to 0 or 1
DIGITS = 7  # after the point: what 32-bit numbers hold
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Rate = Annotated[Number, Field(ge=0.0, le=1.0)]


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
    """Makes p_ai a probability, without changing the order of images.

    Temperature scaling (Guo et al., ICML 2017) and Platt scaling (Platt 1999) are sigmoid(slope · logit + intercept). Isotonic
    regression (Zadrozny and Elkan, KDD 2002) is linear between `points` and constant beyond them.
    """

    method: Literal["none", "temperature", "platt", "isotonic"] = "none"
    slope: Annotated[Number, Field(gt=0.0)] = 1.0  # 1 / temperature
    intercept: Number = 0.0  # of Platt scaling
    points: tuple[tuple[Rate, Rate], ...] = ()  # of isotonic regression: p_ai and its probability, rising

    def apply(self, p_ai: Floats) -> Floats:
        """Calibrate scores, [N] → [N]."""
        p = as_stored(p_ai)
        if self.method == "none":
            return p
        if self.method == "isotonic":
            return as_stored(np.interp(p, *np.transpose(self.points)))
        return as_stored(sigmoid(self.slope * logits(p) + self.intercept))


@dataclass(frozen=True)
class ConformalThreshold:
    """A threshold, and how often images of one class will lie on its wrong side (see `artclf.evaluation.calibration`)."""

    threshold: Rate | None  # of p_ai; None, as the next three, where there was no image to set it by
    target_rate: Rate
    guaranteed_rate: Rate | None  # highest expected rate, over all draws of images to set the threshold by
    low: Rate | None  # 95% interval of the rate with the images at hand
    high: Rate | None

    @property
    def is_met(self) -> bool:
        """Whether there were images enough to guarantee the target rate."""
        return self.guaranteed_rate is not None and self.guaranteed_rate <= self.target_rate + 1e-12


@dataclass(frozen=True)
class HeldOut:
    """What happened to images that neither the head nor the thresholds had seen: those of one class from one group."""

    group: str  # the source or generator that was left out
    label: str  # of the images: human or ai
    threshold: Rate  # what these images alone would set: for ai by human images, for human by AI images
    verdicts: dict[str, int]  # verdict → images, by the thresholds that the other groups set

    @property
    def n(self) -> int:
        """How many images."""
        return sum(self.verdicts.values())


@dataclass(frozen=True)
class DecisionRule:
    """Calibration and thresholds: what turns a network's scores into verdicts."""

    calibrator: Calibrator
    human_below: Rate  # below this p_ai the verdict is human
    ai_from: Rate  # from this p_ai on it is ai; between the two it is unsure
    false_positives: ConformalThreshold  # for human images called ai
    false_negatives: ConformalThreshold  # for AI images called human
    points: tuple[ConformalThreshold, ...]  # further thresholds for ai, by their false-positive rates
    fitted_on: str  # which images
    n_human: int
    n_ai: int
    cross_validated: dict[str, dict[str, float]]  # calibration method → its ece, brier and log_loss on held-out images
    by: Literal["source", "generator", "none"] = "none"  # what was left out in turn to set the thresholds
    held_out: tuple[HeldOut, ...] = ()  # a threshold of whose class there is none was set on the images `fitted_on`

    def groups(self, label: str) -> list[HeldOut]:
        """The sources or generators whose images of this class set a threshold; none where other images did."""
        return [group for group in self.held_out if group.label == label]

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
        lines = []
        for n, label, found in ((self.n_human, HUMAN, self.false_positives), (self.n_ai, AI, self.false_negatives)):
            if found.guaranteed_rate is None or found.is_met:
                continue
            kind, groups = "AI" if label == AI else label, self.groups(label)
            rates = f"can guarantee an error rate of {100 * found.guaranteed_rate:.2g}%, not {100 * found.target_rate:.2g}%"
            if groups:
                lines.append(f"{kind} images come from {len(groups)} {self.by}s, which {rates}, for an image of a new one")
            else:
                lines.append(f"{self.fitted_on} has {n} {kind} images, which {rates}; {more}")
        if self.ai_from > 1 - CERTAIN:
            lines.append(f"{self.fitted_on} has a human image of the highest possible score, so none is called ai; {more}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values, as checkpoints and metrics.json hold it."""
        content = asdict(self)
        return {key: value for key, value in content.items() if self.held_out or key not in ("by", "held_out")}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "DecisionRule":
        """Build the decision rule that `to_json` wrote; ValueError where a value is missing, or is not what it can be."""
        rule: DecisionRule = TypeAdapter(cls).validate_python(content)
        if rule.human_below > rule.ai_from:
            raise ValueError(f"human_below is {rule.human_below}, more than ai_from, {rule.ai_from}")
        return rule


def default_rule(fitted_on: str, n_human: int = 0, n_ai: int = 0, rates: tuple[float, float] = (0.01, 0.05)) -> DecisionRule:
    """The rule where nothing could be fitted to the images `fitted_on`: scores as they are, ai from 0.5 on, no guarantee."""
    positives, negatives = (ConformalThreshold(None, rate, None, None, None) for rate in rates)
    return DecisionRule(Calibrator(), THRESHOLD, THRESHOLD, positives, negatives, (), fitted_on, n_human, n_ai, {})


def with_verdicts(predictions: pd.DataFrame, rule: DecisionRule) -> pd.DataFrame:
    """Add the columns calibrated and verdict to rows of predictions.csv."""
    p_ai = predictions["p_ai"].to_numpy(dtype=float)
    return predictions.assign(calibrated=rule.calibrator.apply(p_ai), verdict=rule.verdicts(p_ai))


def truth(predictions: pd.DataFrame, column: str = "p_ai") -> tuple[Booleans, Floats]:
    """Whether each row of predictions.csv is AI, [N], and its p_ai or calibrated score, [N]."""
    return (predictions["label"] == AI).to_numpy(dtype=bool), predictions[column].to_numpy(dtype=float)
