"""How well images of a generator (or style) are classified by a network that never saw any, and by networks that did.

The images that one run left out are scored by its network ("unseen") and by those of the other runs ("seen").
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Literal

import numpy as np
import pandas as pd

from artclf.errors import ArtclfError
from artclf.evaluation.decision import truth
from artclf.evaluation.gap import FIGURES, Figures, Row, figures_of
from artclf.evaluation.intervals import Estimate, auroc_difference


@dataclass(frozen=True)
class HoldoutRun:
    """A run that has left something out of training."""

    leave: str  # what was left out
    predictions: pd.DataFrame  # its predictions.csv, with all columns
    split: str = "unseen"  # of the test images of what was left out


def holdout_results(runs: Sequence[HoldoutRun], by: Literal["generator", "style"]) -> list[list[Row]]:
    """Compute how well each left-out generator (or style) is classified, in the order of the runs, all of the same data.

    A generator's images are compared with all human test images, a style's with the human ones of that style.

    Returns:
        Of each: `unseen`, its images by the run that was not trained on it, with the paired difference in AUROC; `seen`, the
        same images by the runs that were trained on it, if there are any; `others`, the test images of all that the first run
        was trained on, if there are AI images among them.

    Raises:
        ArtclfError: where a run has no predictions of what it left out, or the runs were tested on different images.
    """
    return [_result(run, [other for other in runs if other is not run], by) for run in runs]


def _result(run: HoldoutRun, others: Sequence[HoldoutRun], by: str) -> list[Row]:
    table = run.predictions
    is_test, is_left_out = table["split"] == "test", table["split"] == run.split
    if not is_left_out.any():
        raise ArtclfError(f"{run.leave}: its run has no predictions of a split {run.split}; train it again")
    rows = table[is_left_out | (is_test & (table["label"] == "human"))] if by == "generator" else table[is_left_out]
    trained_on = [Row(run.leave, "others", figures_of(table[is_test]))] if (table["label"][is_test] == "ai").any() else []
    if not others:
        return [Row(run.leave, "unseen", figures_of(rows)), *trained_on]
    of_others = [_same_images(other, rows["path"]) for other in others]
    is_ai, p_ai = truth(rows)
    gap = auroc_difference(is_ai, np.stack([p_ai, *(same["p_ai"].to_numpy() for same in of_others)]))
    seen = Row(run.leave, "seen", _mean([figures_of(same) for same in of_others]), runs=len(others))
    return [Row(run.leave, "unseen", figures_of(rows), gap), seen, *trained_on]


def _same_images(other: HoldoutRun, paths: pd.Series) -> pd.DataFrame:
    """Another run's predictions of these images, in their order."""
    table = other.predictions[other.predictions["split"].isin(("test", other.split))].set_index("path")
    missing = paths[~paths.isin(table.index)]
    if len(missing):
        raise ArtclfError(
            f"{other.leave}: its run was not tested on {missing.iloc[0]} ({len(missing)} such images), and another run "
            "was; the images have changed in between: train all of them again"
        )
    return table.loc[paths.to_list()]


def _mean(figures: Sequence[Figures]) -> Figures:
    """The means of several networks' figures; their bounds' are wide enough: a mean's deviation is at most the mean one."""

    def mean(values: Iterable[float | None]) -> float | None:
        found = np.mean(np.array(list(values), dtype=float))
        return None if np.isnan(found) else float(found)

    bounds = {name: zip(*(astuple(one.estimates[name]) for one in figures), strict=True) for name in FIGURES}
    estimates = {name: Estimate(*map(mean, each)) for name, each in bounds.items()}
    return Figures(figures[0].ai, figures[0].human, estimates, mean(one.ece_by_chance for one in figures))
