"""How far a score can be taken at its word, and what the verdicts promise."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from artclf.evaluation.calibration import ece, ece_by_chance, reliability
from artclf.report import format as fmt
from artclf.report import style

CAPTION = (
    "Left the network's own scores, right after calibration: of the works scored about 0.8, 80% should be AI, as on the dotted "
    "line. Bars are 95% intervals; below, how many works have which score."
)
_EDGES = np.linspace(0.0, 1.0, 21)
_METHODS = {
    "none": "Scores stay as they are",
    "temperature": "Temperature scaling: all logits divided by one number",
    "platt": "Platt scaling: a logistic regression on the logit",
    "isotonic": "Isotonic regression: a rising line through the validation works",
}


def plot_reliability(predictions: pd.DataFrame) -> Figure:
    """Plot the share of AI against the score, before and after calibration, and the scores below.

    Args:
        predictions: rows of predictions.csv, of one split; columns ``label``, ``p_ai``, ``calibrated``.
    """
    is_ai = (predictions["label"] == "ai").to_numpy(dtype=bool)
    figure = style.paper(style.WIDE, 5.4 if len(is_ai) else 1.8)
    style.heading(figure, "Can a score be taken at its word? Before and after calibration")
    if not len(is_ai):
        style.say(figure.subplots(), "No pictures were judged.")
        return figure
    panels = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=[3.2, 1])
    for column, (name, title) in enumerate((("p_ai", "before: p_ai"), ("calibrated", "after: calibrated"))):
        scores = predictions[name].to_numpy(dtype=float)
        top, bottom = panels[0, column], panels[1, column]
        _draw_bins(top, is_ai, scores)
        error = f"off by {fmt.points(ece(is_ai, scores))} points on average; chance alone: {fmt.points(ece_by_chance(scores))}"
        style.title(top, f"{title}\n{error.replace('+', '')}", loc="left", fontsize=style.NORMAL, color=style.INK)
        _draw_scores(bottom, is_ai, scores)
        bottom.set_xlabel("score, from 0, surely human, to 1, surely AI")
    panels[0, 0].set_ylabel("share of works that are AI")
    panels[1, 0].set_ylabel("works")
    return figure


def _draw_bins(axes: Axes, is_ai: NDArray[np.bool_], scores: NDArray[np.float64]) -> None:
    axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1, linestyle=(0, (2, 3)))
    for group in reliability(is_ai, scores):
        share, low, high = cast(tuple[float, float, float], (group.ai.value, group.ai.low, group.ai.high))
        axes.plot([group.mean, group.mean], [low, high], color=style.shade(style.INK, 0.45), linewidth=2.0)
        axes.plot([group.low, group.high], [share, share], color=style.shade(style.INK, 0.45), linewidth=0.8)
        axes.plot([group.mean], [share], "o", color=style.INK, markersize=6, markeredgecolor=style.PAPER)
    style.tidy(axes, "both")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.03, 1.03))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _draw_scores(axes: Axes, is_ai: NDArray[np.bool_], scores: NDArray[np.float64]) -> None:
    human, ai = (np.histogram(scores[of], _EDGES)[0] for of in (~is_ai, is_ai))
    look: dict[str, Any] = {"width": 0.046, "align": "edge"}
    axes.bar(_EDGES[:-1] + 0.002, human, color=style.HUMAN, label="by people", **look)
    axes.bar(_EDGES[:-1] + 0.002, ai, bottom=human, color=style.AI, label="by AI", **look)
    style.tidy(axes, "y")
    axes.legend(frameon=False, fontsize=style.SMALL, loc="upper center", ncols=2, labelcolor=style.INK)


def calibration_section(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """What section_calibration.html shows of metrics.json; None where a run recorded none of it."""
    judge, calibration = metrics.get("judge"), metrics.get("calibration")
    if not judge or not calibration:
        return None
    names = sorted(calibration.get("splits") or {}, key=lambda name: ({"test": 0, "val": 2}.get(name, 1), name))
    return {
        "judge": judge,
        "method": _METHODS.get(str(calibration.get("method")), calibration.get("method")),
        "how": _how(calibration),
        "calibration": calibration,
        "splits": names,
        "verdicts": [
            (name, label, counts, sum(counts.values()))
            for name in names
            for label, counts in sorted((judge.get("verdicts", {}).get(name) or {}).items(), reverse=True)
        ],
        "points": metrics.get("operating_points") or [],
        "judged": [name for name in names if name != "val"],
    }


def _how(calibration: Mapping[str, Any]) -> str:
    """The fitted numbers, in words; "" where there are none that say anything."""
    parameters = calibration.get("parameters") or {}
    temperature = parameters.get("temperature")
    if temperature is None and parameters.get("slope"):
        temperature = 1 / parameters["slope"]
    if temperature is None:
        return ""
    sure = "too sure of itself" if temperature > 1 else "less sure than it could have been"
    shift = f", and a shift of {parameters['intercept']:+.2f} towards AI" if "intercept" in parameters else ""
    return f"{temperature:.2f}{shift}; the network was {sure}"
