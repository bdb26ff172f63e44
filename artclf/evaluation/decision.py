"""From a score to a verdict: ai, human, or unsure, by two thresholds, with what they can promise. Needs numpy alone."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from artclf.evaluation.calibrators import Calibrator, NoCalibration, as_stored, calibrator_from_json
from artclf.evaluation.metrics import THRESHOLD
from artclf.evaluation.types import Booleans, Floats

AI, HUMAN, UNSURE = "ai", "human", "unsure"
VERDICTS = (HUMAN, UNSURE, AI)


@dataclass(frozen=True)
class Promise:
    """A threshold, and how often works of one class will lie on its wrong side.

    Attributes:
        threshold: of p_ai. None where there was not one work to set it by.
        asked: the rate of errors that is to be borne, 0..1.
        kept: the rate that the threshold promises: over all draws of works to set it by, and of a work to judge, at most so
            many errors are expected (see `artclf.evaluation.thresholds`). None where nothing can be promised.
        low: what the rate may be in truth with these works, the lower end of 95%.
        high: the upper end.
    """

    threshold: float | None
    asked: float
    kept: float | None
    low: float | None
    high: float | None

    @property
    def is_kept(self) -> bool:
        """Whether there were works enough to promise what is asked."""
        return self.kept is not None and self.kept <= self.asked + 1e-12


@dataclass(frozen=True)
class Judge:
    """What stands between a network's scores and what a person reads.

    Attributes:
        calibrator: makes p_ai a probability.
        human_below: below this p_ai the verdict is human.
        ai_from: from this p_ai on it is ai; between the two it is unsure.
        false_positives: what is promised of human works called ai.
        false_negatives: what is promised of AI works called human.
        points: further thresholds for ai, by the false-positive rate that they promise.
        fitted_on: which works, in words.
        n_human: how many of them are by people.
        n_ai: how many by AI.
        cross_validated: calibration method → its ece, brier and log_loss on works that did not fit it.
    """

    calibrator: Calibrator
    human_below: float
    ai_from: float
    false_positives: Promise
    false_negatives: Promise
    points: tuple[Promise, ...]
    fitted_on: str
    n_human: int
    n_ai: int
    cross_validated: dict[str, dict[str, float]]

    def verdicts(self, p_ai: Floats) -> list[str]:
        """Judge scores, [N] → N times "ai", "human" or "unsure"; "" for NaN. They are rounded as in predictions.csv first."""
        p = as_stored(p_ai)
        chosen = np.select([np.isnan(p), p >= self.ai_from, p < self.human_below], ["", AI, HUMAN], UNSURE)
        return [str(verdict) for verdict in chosen]

    def shortfalls(self) -> list[str]:
        """Say what was asked and can't be promised, a line each; none where all can."""
        if not self.n_human or not self.n_ai:
            absent = "human work" if not self.n_human else "AI work"
            absent = absent if self.n_human or self.n_ai else "thresholds"  # nothing was fitted at all
            return [
                f"{self.fitted_on} has no {absent}: scores are not calibrated, nothing is promised of false accusations, "
                f"and the verdict is ai from {THRESHOLD} on; artclf calibrate RUN --images FOLDER sets both by other pictures"
            ]
        short = [
            f"{n} {kind} work{'s' if n > 1 else ''} in {self.fitted_on} can promise {percent(promise.kept)} {error} at best, "
            f"not {percent(promise.asked)}"
            for n, kind, promise, error in (
                (self.n_human, "human", self.false_positives, "called AI"),
                (self.n_ai, "AI", self.false_negatives, "called human"),
            )
            if promise.kept is not None and not promise.is_kept
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
            "false_positives": asdict(self.false_positives),
            "false_negatives": asdict(self.false_negatives),
            "points": [asdict(point) for point in self.points],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Judge":
        """Build the judge that `to_json` wrote.

        Raises:
            ValueError: where something is missing or unknown.
        """
        try:
            rest = {name: value for name, value in content.items() if name != "calibration"}
            rest["false_positives"] = Promise(**content["false_positives"])
            rest["false_negatives"] = Promise(**content["false_negatives"])
            rest["points"] = tuple(Promise(**point) for point in content["points"])
            return cls(calibrator=calibrator_from_json(content["calibration"]), **rest)
        except (KeyError, TypeError) as error:
            raise ValueError(f"is no judge of artclf's, or of another version: {error}") from error


def percent(rate: float | None) -> str:
    """A rate of errors, of which small ones matter: 0.0588 → "5.9%", 0.01 → "1%", 0.0005 → "0.05%"; "–" where there is none."""
    return "–" if rate is None or math.isnan(rate) else f"{100 * rate:.2g}%" if rate < 0.995 else f"{100 * rate:.4g}%"


def judge_by_half(fitted_on: str, n_human: int = 0, n_ai: int = 0, rates: tuple[float, float] = (0.01, 0.05)) -> Judge:
    """The judge that nothing was fitted for: scores as they are, ai from 0.5 on, no promise.

    Args:
        fitted_on: why, in words.
        n_human: human works that there were.
        n_ai: AI works that there were.
        rates: of false positives and false negatives that were asked.
    """
    accusing, acquitting = (Promise(None, rate, None, None, None) for rate in rates)
    return Judge(NoCalibration(), THRESHOLD, THRESHOLD, accusing, acquitting, (), fitted_on, n_human, n_ai, {})


def with_verdicts(predictions: pd.DataFrame, judge: Judge) -> pd.DataFrame:
    """Add the columns calibrated and verdict to rows of predictions.csv."""
    p_ai = predictions["p_ai"].to_numpy(dtype=float)
    return predictions.assign(calibrated=judge.calibrator.apply(p_ai), verdict=judge.verdicts(p_ai))


def truth(predictions: pd.DataFrame) -> tuple[Booleans, Floats]:
    """Whether each row of predictions.csv is AI, [N], and its p_ai, [N]."""
    return (predictions["label"] == AI).to_numpy(dtype=bool), predictions["p_ai"].to_numpy(dtype=float)
