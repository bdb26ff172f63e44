"""How works of a generator (or of a style) are judged by a network that has never seen any, and by one that has.

Networks are trained with one generator left out each. The works of the one left out are judged by the network that has not
seen it ("unseen") and by all the others, which have ("seen"): the same works, against the same human works. Beside them stand
the works of the generators that the first network has seen ("others"): what a report would tell of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from artclf.errors import ArtclfError
from artclf.evaluation.intervals import RESAMPLES, UNDEFINED, Estimate, auroc, of_difference, rates, recall_at
from artclf.evaluation.metrics import THRESHOLD
from artclf.evaluation.significance import Interval, bootstrap
from artclf.evaluation.types import Booleans, Floats

FIGURES = ("recall", "false_positive_rate", "balanced_accuracy", "auroc", "recall_at_1", "recall_at_5")
"""At the threshold: the share of AI works found, that of human works accused, balanced accuracy. Over all thresholds: AUROC,
and the share of AI works found where at most 1% or 5% of these human works are accused."""

LOST = ("recall", "balanced_accuracy", "auroc")  # of which it is told, with a paired interval, what being unseen costs


@dataclass(frozen=True)
class HoldoutRun:
    """A run that has left something out of training.

    Attributes:
        leave: what.
        predictions: its predictions.csv: the columns path, label, generator, style, split and p_ai.
        split: what the split of the test pictures of what was left out is called.
        threshold: from which p_ai on its verdict is AI.
    """

    leave: str
    predictions: pd.DataFrame
    split: str = "unseen"
    threshold: float = THRESHOLD


@dataclass(frozen=True)
class Figures:
    """How some works were judged, in figures.

    Attributes:
        ai: number of AI works.
        human: number of human works.
        estimates: each of `FIGURES`, with its interval; of several runs the means.
    """

    ai: int
    human: int
    estimates: dict[str, Estimate]


@dataclass(frozen=True)
class Unseen:
    """How the works of one generator (or style) are judged.

    Attributes:
        leave: its name.
        unseen: by the run that was not trained on it.
        others: by the same run, the test works of all that it was trained on; None where there are none.
        seen: the pictures of `unseen`, by the runs that were trained on it (means over these); None where there are none.
        seen_by: how many runs that are.
        lost: for each of `LOST`, unseen minus seen, with the interval of this difference on the same pictures; nothing where
            `seen` is None, or a class is absent.
    """

    leave: str
    unseen: Figures
    others: Figures | None
    seen: Figures | None
    seen_by: int
    lost: dict[str, Interval]


def unseen_figures(
    runs: Sequence[HoldoutRun], by: Literal["generator", "style"], *, resamples: int = RESAMPLES, seed: int = 0
) -> list[Unseen]:
    """Compute how each left-out generator (or style) is judged, in the order of the runs.

    Args:
        runs: one for each that was left out, all of the same data.
        by: what was left out. Of generators only AI works are left out, and they are held against all human test works; of
            styles the works of both classes, which are held against each other.
        resamples: of each bootstrap.
        seed: of the drawing.

    Raises:
        ArtclfError: where a run has no predictions of what it left out, or the runs were tested on different pictures.
    """
    return [_unseen(run, [other for other in runs if other is not run], by, resamples, seed) for run in runs]


def figures_of(is_ai: Booleans, p_ai: Floats, threshold: float, *, resamples: int = RESAMPLES, seed: int = 0) -> Figures:
    """Compute all of `FIGURES`; those that need a class that is absent are `UNDEFINED`.

    Args:
        is_ai: [N], the truth.
        p_ai: [N], the probability of AI.
        threshold: from which p_ai on the verdict is AI.
        resamples: of each bootstrap.
        seed: of the drawing.
    """
    verdicts = rates(is_ai, p_ai >= threshold)
    options = {"resamples": resamples, "seed": seed}
    return Figures(
        verdicts.n_ai,
        verdicts.n_human,
        {
            "recall": verdicts.recall,
            "false_positive_rate": verdicts.false_positive_rate,
            "balanced_accuracy": verdicts.balanced_accuracy,
            "auroc": auroc(is_ai, p_ai, **options),
            "recall_at_1": recall_at(is_ai, p_ai, 0.01, **options),
            "recall_at_5": recall_at(is_ai, p_ai, 0.05, **options),
        },
    )


def _unseen(run: HoldoutRun, others: Sequence[HoldoutRun], by: str, resamples: int, seed: int) -> Unseen:
    """One of `unseen_figures`."""
    rows = _of_left_out(run, by)
    is_ai = (rows["label"] == "ai").to_numpy(dtype=bool)
    p_ai = rows["p_ai"].to_numpy(dtype=float)
    unseen = figures_of(is_ai, p_ai, run.threshold, resamples=resamples, seed=seed)

    tested = run.predictions[run.predictions["split"] == "test"]
    trained_on = (
        figures_of(
            (tested["label"] == "ai").to_numpy(dtype=bool),
            tested["p_ai"].to_numpy(dtype=float),
            run.threshold,
            resamples=resamples,
            seed=seed,
        )
        if (tested["label"] == "ai").any()
        else None
    )
    scores = [_same_works(other, rows["path"]) for other in others]
    if not scores:
        return Unseen(run.leave, unseen, trained_on, None, 0, {})
    each = [
        figures_of(is_ai, score, other.threshold, resamples=resamples, seed=seed)
        for score, other in zip(scores, others, strict=True)
    ]
    seen = Figures(unseen.ai, unseen.human, {name: _mean([run.estimates[name] for run in each]) for name in FIGURES})
    thresholds = [run.threshold, *(other.threshold for other in others)]
    lost = _lost(is_ai, np.stack([p_ai, *scores]), np.array(thresholds), resamples, seed)
    return Unseen(run.leave, unseen, trained_on, seen, len(others), lost)


def _of_left_out(run: HoldoutRun, by: str) -> pd.DataFrame:
    """The works that were left out and, of a generator, the human test works that they are held against."""
    table = run.predictions
    rows = table["split"] == run.split
    if not rows.any():
        raise ArtclfError(f"{run.leave}: its run has no predictions of a split {run.split}; train it again")
    if by == "generator":
        rows |= (table["split"] == "test") & (table["label"] == "human")
    return table[rows].sort_values("path", kind="stable")


def _same_works(other: HoldoutRun, paths: pd.Series) -> Floats:
    """What another run has given these pictures, in their order."""
    table = other.predictions[other.predictions["split"].isin(("test", other.split))].set_index("path")["p_ai"]
    missing = paths[~paths.isin(table.index)]
    if len(missing):
        raise ArtclfError(
            f"{other.leave}: its run was not tested on {missing.iloc[0]} ({len(missing)} such pictures), and another run "
            "was; the pictures have changed in between: train all of them again"
        )
    return np.asarray(table.loc[paths.to_list()], dtype=float)


def _mean(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of figures of several networks on the same pictures.

    The bounds are averaged as well. Figures on the same pictures go together, and the standard deviation of a mean is at most
    the mean of the standard deviations, so the interval is wide enough, and wider than needed where the networks differ.
    """
    bounds = np.array([(estimate.value, estimate.low, estimate.high) for estimate in estimates], dtype=float)
    if np.isnan(bounds).any():  # None has become NaN
        return UNDEFINED
    value, low, high = bounds.mean(axis=0).tolist()
    return Estimate(value, low, high)


def _lost(is_ai: Booleans, p_ai: Floats, thresholds: Floats, resamples: int, seed: int) -> dict[str, Interval]:
    """The first network's figures minus the mean of the others', with the interval of a paired bootstrap (`of_difference`).

    Args:
        is_ai: [N], the truth.
        p_ai: [K, N], the scores.
        thresholds: [K], each network's.
        resamples: how many.
        seed: of the drawing.
    """
    if not is_ai.any() or is_ai.all():
        return {}
    drawn = bootstrap(is_ai, p_ai, p_ai >= thresholds[:, None], resamples=resamples, seed=seed)
    lost = {}
    for name in LOST:
        figure, sign = ("false_negative_rate", -1.0) if name == "recall" else (name, 1.0)
        observed, resampled = drawn.observed[figure], drawn.resampled[figure]
        difference = float(sign * (observed[0] - observed[1:].mean())) + 0.0  # never -0.0
        differences = sign * (resampled[0] - resampled[1:].mean(axis=0))
        lost[name] = of_difference(difference, differences, min(int(is_ai.sum()), int((~is_ai).sum())))
    return lost
