"""Calibration: how far scores are from probabilities, and the calibrators that are fitted to mend it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.model_selection import RepeatedStratifiedKFold

from artclf.evaluation.decision import (
    Calibrator,
    Isotonic,
    NoCalibration,
    Platt,
    Temperature,
    as_stored,
    logits,
    sigmoid,
)
from artclf.evaluation.intervals import Estimate, wilson
from artclf.evaluation.types import Booleans, Floats, Indices

METHODS = ("auto", "temperature", "platt", "isotonic", "none")
BINS = 10
IN_A_BIN = 10  # images at least, else there are fewer bins
ENOUGH_FOR_ISOTONIC = 200  # images of each class: it overfits fewer
_FOLDS, _REPEATS = 5, 4
_FLATTEST, _STEEPEST = 0.01, 100.0  # bounds of the slopes of temperature and Platt
_BY_CHANCE = 200  # draws


@dataclass(frozen=True)
class ReliabilityBin:
    """Images of about the same score: how many, their mean, lowest and highest score, and the share of AI (Wilson)."""

    n: int
    mean: float
    low: float
    high: float
    ai: Estimate


def reliability(is_ai: Booleans, p_ai: Floats, bins: int | None = None) -> list[ReliabilityBin]:
    """Sort images into bins of equal numbers by their scores; equal scores stand in one bin, so that there may be fewer.

    Args:
        is_ai: [N], the truth.
        p_ai: [N], the scores.
        bins: at most how many; None: ten, or fewer where a bin would have under ten images.
    """
    where = _bins(p_ai, bins)
    found = []
    for number in np.unique(where):
        scores, truth = p_ai[where == number], is_ai[where == number]
        n = len(scores)
        found.append(
            ReliabilityBin(n, float(scores.mean()), float(scores.min()), float(scores.max()), wilson(int(truth.sum()), n))
        )
    return found


def ece(is_ai: Booleans, p_ai: Floats, bins: int | None = None) -> float:
    """Expected calibration error: how far the share of AI lies from the mean score, averaged over all images; `bins` as above.

    Bins of equal numbers are less biased than those of equal width (Nixon et al., CVPR workshops 2019; Roelofs et al., AISTATS
    2022). It is above 0 by chance alone: see `ece_by_chance`.
    """
    where = _bins(p_ai, bins)
    return float(np.abs(np.bincount(where, weights=is_ai - p_ai)).sum() / len(p_ai))


def ece_by_chance(p_ai: Floats, bins: int | None = None, seed: int = 0) -> float:
    """Return the mean calibration error of perfectly calibrated scores on as many images, by simulation.

    Images are drawn as AI with the probability that is their score (Bröcker and Smith, Weather and Forecasting 22, 2007).
    """
    rng = np.random.default_rng(seed)
    where = _bins(p_ai, bins)
    sums = [np.abs(np.bincount(where, weights=(rng.random(len(p_ai)) < p_ai) - p_ai)).sum() for _ in range(_BY_CHANCE)]
    return float(np.mean(sums) / len(p_ai))


def brier(is_ai: Booleans, p_ai: Floats) -> float:
    """Mean squared distance of the scores from the truth (Brier 1950)."""
    return float(brier_score_loss(is_ai, p_ai))


def log_loss(is_ai: Booleans, p_ai: Floats) -> float:
    """Mean negative log-likelihood, in nats."""
    return float(sklearn_log_loss(is_ai, p_ai, labels=[False, True]))


def errors(is_ai: Booleans, p_ai: Floats) -> dict[str, Any]:
    """All of it as plain values: n, ece, ece_by_chance, brier, log_loss."""
    return {
        "n": len(p_ai),
        "ece": ece(is_ai, p_ai),
        "ece_by_chance": ece_by_chance(p_ai),
        "brier": brier(is_ai, p_ai),
        "log_loss": log_loss(is_ai, p_ai),
    }


def fit(method: str, is_ai: Booleans, p_ai: Floats) -> Calibrator:
    """Fit one method.

    Temperature and Platt are fitted to Platt's targets, (n + 1) / (n + 2) and 1 / (n + 2) in place of 1 and 0: separable images
    would else make the scores infinitely sure. Isotonic regression stays within the same two.

    Args:
        method: temperature, platt, isotonic or none.
        is_ai: [N], the truth; both classes must be there.
        p_ai: [N], the scores.

    Raises:
        ValueError: where a class is absent, or the method is unknown.
    """
    n_ai, n_human = int(is_ai.sum()), int((~is_ai).sum())
    if not n_ai or not n_human:
        raise ValueError(f"images of both classes are needed; got {n_ai} AI and {n_human} human")
    surely_ai, surely_human = (n_ai + 1) / (n_ai + 2), 1 / (n_human + 2)
    if method == "none":
        return NoCalibration()
    if method == "isotonic":
        line = IsotonicRegression(y_min=surely_human, y_max=surely_ai, out_of_bounds="clip").fit(as_stored(p_ai), is_ai)
        return Isotonic(line.X_thresholds_.tolist(), line.y_thresholds_.tolist())
    logit, target = logits(p_ai), np.where(is_ai, surely_ai, surely_human)
    if method == "temperature":
        found = minimize_scalar(
            lambda log_slope: _loss(np.exp(log_slope), 0.0, logit, target),
            bounds=(np.log(_FLATTEST), np.log(_STEEPEST)),
            method="bounded",
            options={"xatol": 1e-7},
        )
        return Temperature(float(np.exp(-found.x)))
    if method == "platt":
        scale = max(float(logit.std()), 1e-3)  # in units of which the search is as easy in both directions

        def loss_and_gradient(x: Floats) -> tuple[float, Floats]:
            error = (sigmoid(x[0] / scale * logit + x[1]) - target) / len(target)
            return _loss(x[0] / scale, x[1], logit, target), np.array([error @ logit / scale, error.sum()])

        best = minimize(
            loss_and_gradient,
            x0=np.array([scale, 0.0]),
            jac=True,
            method="L-BFGS-B",
            bounds=[(_FLATTEST * scale, _STEEPEST * scale), (None, None)],
            options={"ftol": 1e-13, "gtol": 1e-9},
        )
        return Platt(float(best.x[0] / scale), float(best.x[1]))
    raise ValueError(f"got the calibration method {method!r}; allowed: {', '.join(METHODS[1:])}")


def cross_validate(is_ai: Booleans, p_ai: Floats, method: str = "auto", seed: int = 0) -> dict[str, dict[str, float]]:
    """Cross-validate methods, five folds, four times.

    Args:
        is_ai: [N], the truth.
        p_ai: [N], the scores.
        method: of `METHODS`; what is compared with none. auto: temperature and Platt, and isotonic from
            `ENOUGH_FOR_ISOTONIC` images of each class on.
        seed: of the folds.

    Returns:
        method → ece, brier and log_loss, each the mean over the repeats. Empty with fewer than two images of a class.
    """
    fewest = int(min(is_ai.sum(), (~is_ai).sum()))
    if fewest < 2:
        return {}
    methods = ["none", *(["temperature", "platt"] if method == "auto" else [method] if method != "none" else [])]
    if method == "auto" and fewest >= ENOUGH_FOR_ISOTONIC:
        methods.append("isotonic")
    folds = RepeatedStratifiedKFold(n_splits=min(_FOLDS, fewest), n_repeats=_REPEATS, random_state=seed)
    scores: dict[str, dict[str, list[float]]] = {name: {"ece": [], "brier": [], "log_loss": []} for name in methods}
    calibrated = {name: np.empty(len(p_ai)) for name in methods}
    for number, (others, held_back) in enumerate(folds.split(p_ai, is_ai), start=1):
        for name in methods:
            calibrated[name][held_back] = fit(name, is_ai[others], p_ai[others]).apply(p_ai[held_back])
        if number % folds.cvargs["n_splits"] == 0:  # each image has been held back once
            for name in methods:
                scores[name]["ece"].append(ece(is_ai, calibrated[name]))
                scores[name]["brier"].append(brier(is_ai, calibrated[name]))
                scores[name]["log_loss"].append(log_loss(is_ai, calibrated[name]))
    return {name: {figure: float(np.mean(values)) for figure, values in found.items()} for name, found in scores.items()}


def best_method(cross_validated: Mapping[str, Mapping[str, float]]) -> str:
    """The method with the lowest log loss; none where there is nothing to choose by, or nothing is better than it."""
    return min(cross_validated, key=lambda name: cross_validated[name]["log_loss"], default="none")


def _bins(p_ai: Floats, bins: int | None) -> Indices:
    """Which bin each score stands in, [N]."""
    bins = bins or max(1, min(BINS, len(p_ai) // IN_A_BIN))
    edges = np.unique(np.quantile(p_ai, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, p_ai, side="right").astype(np.int64)


def _loss(slope: float, intercept: float, logit: Floats, target: Floats) -> float:
    """Mean cross-entropy of sigmoid(slope · logit + intercept) and targets between 0 and 1."""
    x = slope * logit + intercept
    return float(np.mean(np.logaddexp(0.0, x) - target * x))
