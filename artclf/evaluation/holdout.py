"""How images of a generator (or style) are judged by a network that never saw any, and by networks that did.

Each network is trained with one generator left out. The images of the one left out are judged by that network ("unseen") and
by the others ("seen"): the same images against the same human images. "Others" are the images of the generators that the first
network was trained on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from artclf.errors import ArtclfError
from artclf.evaluation.decision import truth
from artclf.evaluation.intervals import (
    UNDEFINED,
    Estimate,
    auroc,
    delong,
    mean_of,
    paired_difference,
    rates,
    recall_at,
)
from artclf.evaluation.metrics import THRESHOLD
from artclf.evaluation.types import Booleans, Floats

FIGURES = ("recall", "false_positive_rate", "balanced_accuracy", "auroc", "recall_at_1", "recall_at_5")
"""At the threshold: the share of AI images found, that of human images accused, balanced accuracy. Over all thresholds: AUROC,
and the share of AI images found where at most 1% or 5% of these human images are accused."""

LOST = ("recall", "balanced_accuracy", "auroc")  # what being unseen costs, with a paired interval


@dataclass(frozen=True)
class HoldoutRun:
    """A run that has left something out of training.

    Attributes:
        leave: what.
        predictions: its predictions.csv: the columns path, label, generator, style, split and p_ai.
        split: what the split of the test images of what was left out is called.
        threshold: from which p_ai on its verdict is AI.
    """

    leave: str
    predictions: pd.DataFrame
    split: str = "unseen"
    threshold: float = THRESHOLD


@dataclass(frozen=True)
class Figures:
    """Each of `FIGURES` (of several runs the means), and how many AI and human images they are of."""

    ai: int
    human: int
    estimates: dict[str, Estimate]


@dataclass(frozen=True)
class HoldoutResult:
    """How the images of one generator (or style) are judged.

    Attributes:
        leave: its name.
        unseen: by the run that was not trained on it.
        others: by the same run, the test images of all that it was trained on; None where there are none.
        seen: the images of `unseen`, by the runs that were trained on it (means over these); None where there are none.
        seen_by: how many runs that are.
        lost: for each of `LOST`, unseen minus seen, with the interval of this difference on the same images; nothing where
            `seen` is None, or a class is absent.
    """

    leave: str
    unseen: Figures
    others: Figures | None
    seen: Figures | None
    seen_by: int
    lost: dict[str, Estimate]


def holdout_results(runs: Sequence[HoldoutRun], by: Literal["generator", "style"]) -> list[HoldoutResult]:
    """Compute how each left-out generator (or style) is judged, in the order of the runs.

    Args:
        runs: one for each that was left out, all of the same data.
        by: what was left out. Of generators only AI images are left out, and they are held against all human test images; of
            styles the images of both classes, which are held against each other.

    Raises:
        ArtclfError: where a run has no predictions of what it left out, or the runs were tested on different images.
    """
    return [_result(run, [other for other in runs if other is not run], by) for run in runs]


def figures_of(is_ai: Booleans, p_ai: Floats, threshold: float) -> Figures:
    """Compute all of `FIGURES` at a threshold of p_ai; those that need a class that is absent are `UNDEFINED`."""
    verdicts = rates(is_ai, p_ai >= threshold)
    estimates = {
        "recall": verdicts.recall,
        "false_positive_rate": verdicts.false_positive_rate,
        "balanced_accuracy": verdicts.balanced_accuracy,
        "auroc": auroc(is_ai, p_ai),
        "recall_at_1": recall_at(is_ai, p_ai, 0.01),
        "recall_at_5": recall_at(is_ai, p_ai, 0.05),
    }
    return Figures(verdicts.n_ai, verdicts.n_human, estimates)


def _result(run: HoldoutRun, others: Sequence[HoldoutRun], by: str) -> HoldoutResult:
    """The result of one run."""
    rows = _of_left_out(run, by)
    is_ai, p_ai = truth(rows)
    unseen = figures_of(is_ai, p_ai, run.threshold)
    tested = run.predictions[run.predictions["split"] == "test"]
    trained_on = figures_of(*truth(tested), run.threshold) if (tested["label"] == "ai").any() else None
    if not others:
        return HoldoutResult(run.leave, unseen, trained_on, None, 0, {})
    scores = [_same_images(other, rows["path"]) for other in others]
    each = [figures_of(is_ai, score, other.threshold).estimates for score, other in zip(scores, others, strict=True)]
    seen = Figures(unseen.ai, unseen.human, {name: _mean([estimates[name] for estimates in each]) for name in FIGURES})
    thresholds = np.array([run.threshold, *(other.threshold for other in others)])
    return HoldoutResult(run.leave, unseen, trained_on, seen, len(others), _lost(is_ai, np.stack([p_ai, *scores]), thresholds))


def _of_left_out(run: HoldoutRun, by: str) -> pd.DataFrame:
    """The images that were left out and, of a generator, the human test images that they are held against."""
    table = run.predictions
    rows = table["split"] == run.split
    if not rows.any():
        raise ArtclfError(f"{run.leave}: its run has no predictions of a split {run.split}; train it again")
    if by == "generator":
        rows |= (table["split"] == "test") & (table["label"] == "human")
    return table[rows].sort_values("path", kind="stable")


def _same_images(other: HoldoutRun, paths: pd.Series) -> Floats:
    """What another run has given these images, in their order."""
    table = other.predictions[other.predictions["split"].isin(("test", other.split))].set_index("path")["p_ai"]
    missing = paths[~paths.isin(table.index)]
    if len(missing):
        raise ArtclfError(
            f"{other.leave}: its run was not tested on {missing.iloc[0]} ({len(missing)} such images), and another run "
            "was; the images have changed in between: train all of them again"
        )
    return np.asarray(table.loc[paths.to_list()], dtype=float)


def _mean(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of figures of several networks on the same images.

    The bounds are averaged as well: the standard deviation of a mean is at most the mean of the standard deviations.
    """
    bounds = np.array([(estimate.value, estimate.low, estimate.high) for estimate in estimates], dtype=float)
    if np.isnan(bounds).any():  # None has become NaN
        return UNDEFINED
    value, low, high = bounds.mean(axis=0).tolist()
    return Estimate(value, low, high)


def _lost(is_ai: Booleans, p_ai: Floats, thresholds: Floats) -> dict[str, Estimate]:
    """The first network's figures minus the mean of the others', on the same images.

    Args:
        is_ai: [N], the truth.
        p_ai: [K, N], the scores.
        thresholds: [K], each network's.
    """
    if not is_ai.any() or is_ai.all():
        return {}
    right = (p_ai >= thresholds[:, None]) == is_ai
    first, others = right[0], right[1:].mean(axis=0)
    recall, specificity = (paired_difference(first[of], others[of]) for of in (is_ai, ~is_ai))
    return {
        "recall": recall,
        "balanced_accuracy": mean_of(recall, specificity),
        "auroc": delong(is_ai, p_ai).difference(*range(len(p_ai))),
    }
