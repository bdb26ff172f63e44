"""How well images of a generator (style, source, period) are classified by a network that never saw any, and by some that did.

All images that one run left out are scored by its network ("unseen"). Those that the other runs have among their test images
are compared: by its network ("paired"), and by theirs ("seen").
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from artclf.data.holdout import By
from artclf.errors import ArtclfError
from artclf.evaluation import Booleans, Floats
from artclf.evaluation.decision import truth
from artclf.evaluation.intervals import UNDEFINED, Estimate, estimate_metrics, recall_at
from artclf.evaluation.significance import paired_differences

FIGURES = ("recall", "false_positive_rate", "balanced_accuracy", "auroc", "recall_at_1", "recall_at_5")
"""At the threshold: the share of AI images found, that of human images called AI, and balanced accuracy. Over all thresholds:
AUROC, and the share of AI images found where at most 1% or 5% of these human images are called AI."""
_LOST = ("recall", "balanced_accuracy", "auroc")


@dataclass(frozen=True)
class HoldoutRun:
    """A run that has left something out of training."""

    leave: str  # what was left out
    predictions: pd.DataFrame  # its predictions.csv: the columns path, label, generator, style, split and p_ai
    split: str = "unseen"  # of the images of what was left out


@dataclass(frozen=True)
class Figures:
    """Each of `FIGURES` (of several runs the means), and how many AI and human images they are of."""

    ai: int
    human: int
    estimates: dict[str, Estimate]


@dataclass(frozen=True)
class HoldoutResult:
    """How well the images of one generator (style, source, period) are classified."""

    leave: str
    unseen: Figures  # all its images, by the run that was not trained on it
    others: Figures | None  # by the same run, on the test images of all that it was trained on; None without AI images
    paired: Figures | None = None  # its test images, by the run that was not trained on it; None where `seen` is
    seen: Figures | None = None  # its test images, by the runs that were trained on it; None where there are none
    seen_by: int = 0  # how many runs that are
    lost: dict[str, Estimate] = field(default_factory=dict)  # paired minus seen; empty where a class is absent


def holdout_results(runs: Sequence[HoldoutRun], by: By) -> list[HoldoutResult]:
    """Compute how well each left-out generator (style, source, period) is classified, in the order of the runs.

    All runs are of the same data. The AI images of a generator or a period are compared with all human test images (and the
    human ones of the period), those of a style or source with its own human ones. No other run was trained on all years of a
    period, so it has no `paired` and `seen`.

    Raises:
        ArtclfError: where a run has no predictions of what it left out, or the runs were tested on different images.
    """
    return [_result(run, [other for other in runs if other is not run and by != "period"], by) for run in runs]


def _result(run: HoldoutRun, others: Sequence[HoldoutRun], by: By) -> HoldoutResult:
    table = run.predictions
    is_test, is_left_out = table["split"] == "test", table["split"] == run.split
    if not is_left_out.any():
        raise ArtclfError(f"{run.leave}: its run has no predictions of a split {run.split}; train it again")
    rows = table[is_left_out | (is_test & (table["label"] == "human") & (by in ("generator", "period")))]
    unseen = _figures(*truth(rows))
    trained_on = _figures(*truth(table[is_test])) if (table["label"][is_test] == "ai").any() else None
    tested = {path for other in others for path in other.predictions.loc[other.predictions["split"] == "test", "path"]}
    rows = rows[rows["path"].isin(tested)]
    if not (rows["split"] == run.split).any():
        return HoldoutResult(run.leave, unseen, trained_on)
    is_ai, p_ai = truth(rows)
    paired, scores = _figures(is_ai, p_ai), np.stack([_scores_of(other, rows["path"]) for other in others])
    each = [_figures(is_ai, score).estimates for score in scores]
    seen = Figures(paired.ai, paired.human, {name: _mean([estimates[name] for estimates in each]) for name in FIGURES})
    differences = paired_differences(is_ai, np.stack([p_ai, *scores]))
    lost = {name: differences[name] for name in _LOST if paired.ai and paired.human}
    return HoldoutResult(run.leave, unseen, trained_on, paired, seen, len(others), lost)


def _figures(is_ai: Booleans, p_ai: Floats) -> Figures:
    found = estimate_metrics(is_ai, p_ai)
    found |= {"recall_at_1": recall_at(is_ai, p_ai, 0.01), "recall_at_5": recall_at(is_ai, p_ai, 0.05)}
    return Figures(int(is_ai.sum()), int((~is_ai).sum()), {name: found[name] for name in FIGURES})


def _scores_of(other: HoldoutRun, paths: pd.Series) -> Floats:
    """Another run's scores of these test images, in their order."""
    table = other.predictions[other.predictions["split"] == "test"].set_index("path")["p_ai"]
    missing = paths[~paths.isin(table.index)]
    if len(missing):
        raise ArtclfError(
            f"{other.leave}: its run was not tested on {missing.iloc[0]} ({len(missing)} such images), and another run "
            "was; the images have changed in between: train all of them again"
        )
    return np.asarray(table.loc[paths.to_list()], dtype=float)


def _mean(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of several networks' figures; its bounds' mean is wide enough, as a mean's deviation is at most the mean one."""
    bounds = np.array([(estimate.value, estimate.low, estimate.high) for estimate in estimates], dtype=float)
    return UNDEFINED if np.isnan(bounds).any() else Estimate(*bounds.mean(axis=0).tolist())
