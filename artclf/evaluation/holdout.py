"""How well images of a generator (style, source, period) are classified by a network that never saw any, and by some that did.

All images that one run left out are scored by its network ("unseen"). Those that the other runs have among their test images
are compared: by its network ("paired"), and by theirs ("seen").
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
import pandas as pd

from artclf.data.holdout import By
from artclf.errors import ArtclfError
from artclf.evaluation.decision import truth
from artclf.evaluation.gap import FIGURES, Row, row_of
from artclf.evaluation.intervals import Estimate, auroc_difference


@dataclass(frozen=True)
class HoldoutRun:
    """A run that has left something out of training."""

    leave: str  # what was left out
    predictions: pd.DataFrame  # its predictions.csv, with all columns
    split: str = "unseen"  # of the images of what was left out


def holdout_results(runs: Sequence[HoldoutRun], by: By) -> list[list[Row]]:
    """Compute how well each left-out generator (style, source, period) is classified, in the order of the runs.

    All runs are of the same data. The AI images of a generator or a period are compared with all human test images (and the
    human ones of the period), those of a style or source with its own human ones. No other run was trained on all years of a
    period, so it has no `paired` and `seen`.

    Returns:
        Of each: `unseen`, all its images by the run that was not trained on it; `paired`, its test images by the same run,
        with the paired difference in AUROC, and `seen`, these by the runs that were trained on it, if there are any;
        `others`, the test images of all that the first run was trained on, if there are AI images among them.

    Raises:
        ArtclfError: where a run has no predictions of what it left out, or the runs were tested on different images.
    """
    return [_result(run, [other for other in runs if other is not run and by != "period"], by) for run in runs]


def _result(run: HoldoutRun, others: Sequence[HoldoutRun], by: By) -> list[Row]:
    table = run.predictions
    is_test, is_left_out = table["split"] == "test", table["split"] == run.split
    if not is_left_out.any():
        raise ArtclfError(f"{run.leave}: its run has no predictions of a split {run.split}; train it again")
    rows = table[is_left_out | (is_test & (table["label"] == "human") & (by in ("generator", "period")))]
    unseen = row_of(run.leave, "unseen", rows)
    trained_on = [row_of(run.leave, "others", table[is_test])] if (table["label"][is_test] == "ai").any() else []
    tested = {path for other in others for path in other.predictions.loc[other.predictions["split"] == "test", "path"]}
    paired = rows[rows["path"].isin(tested)]
    if not (paired["split"] == run.split).any():
        return [unseen, *trained_on]
    of_others = [_same_images(other, paired["path"]) for other in others]
    is_ai, p_ai = truth(paired)
    gap = auroc_difference(is_ai, np.stack([p_ai, *(same["p_ai"].to_numpy() for same in of_others)]))
    seen = _mean([row_of(run.leave, "seen", same) for same in of_others])
    return [unseen, replace(row_of(run.leave, "paired", paired), gap=gap), seen, *trained_on]


def _same_images(other: HoldoutRun, paths: pd.Series) -> pd.DataFrame:
    """Another run's predictions of these images, in their order."""
    table = other.predictions[other.predictions["split"] == "test"].set_index("path")
    missing = paths[~paths.isin(table.index)]
    if len(missing):
        raise ArtclfError(
            f"{other.leave}: its run was not tested on {missing.iloc[0]} ({len(missing)} such images), and another run "
            "was; the images have changed in between: train all of them again"
        )
    return table.loc[paths.to_list()]


def _mean(rows: Sequence[Row]) -> Row:
    """The means of several networks' figures; their bounds' are wide enough: a mean's deviation is at most the mean one."""

    def mean(values: Iterable[float | None]) -> float | None:
        found = np.mean(np.array(list(values), dtype=float))
        return None if np.isnan(found) else float(found)

    bounds = {name: zip(*(astuple(row.estimates[name]) for row in rows), strict=True) for name in FIGURES}
    estimates = {name: Estimate(*map(mean, each)) for name, each in bounds.items()}
    return replace(rows[0], estimates=estimates, ece_by_chance=mean(row.ece_by_chance for row in rows), runs=len(rows))
