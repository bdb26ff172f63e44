"""Seen and unseen images side by side: the same figures of each, and by how much AUROC differs (the generalisation gap)."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from artclf.evaluation.calibration import errors
from artclf.evaluation.decision import AI, HUMAN, UNSURE, truth
from artclf.evaluation.guarantees import verdict_rates
from artclf.evaluation.intervals import UNDEFINED, Estimate, auroc, recall_at

FIGURES = {  # figure → its heading
    "auroc": "AUROC",
    "recall_at_1": "found at FPR 1%",
    "recall_at_5": "found at FPR 5%",
    "ece": "ECE",
    "false_positive_rate": "human called AI",
    "recall": "AI found",
    "unsure": "unsure",
}
"""AUROC; the share of AI images found where at most 1% or 5% of these human images are called AI; the expected calibration
error; and, of the verdicts, the share of human images called AI, of AI images called AI, and of all images that are unsure."""


Images = Literal["seen", "unseen", "paired", "others"]  # as in `holdout_results`; of data sets, seen or unseen


@dataclass(frozen=True)
class Row:
    """The figures of images by a network for which they are seen or unseen."""

    name: str  # of the data set, or of what was left out of training
    images: Images
    ai: int  # how many
    human: int
    estimates: dict[str, Estimate]  # each of `FIGURES`; of several runs the means
    ece_by_chance: float | None  # of perfect scores of as many images
    gap: Estimate = UNDEFINED  # AUROC of these unseen images minus that of the seen ones
    runs: int = 1  # whose means these are


def row_of(name: str, images: Images, predictions: pd.DataFrame) -> Row:
    """Compute `FIGURES` from rows of predictions.csv, with the columns label, p_ai, calibrated and verdict.

    Intervals: DeLong's for AUROC, `recall_at` for the recalls over all thresholds, Clopper and Pearson's for rates of verdicts
    (`verdict_rates`); the calibration error has none. What needs a class that is absent is `UNDEFINED`.
    """
    is_ai, p_ai = truth(predictions)
    of_verdicts = verdict_rates(pd.concat([predictions, predictions.assign(label="all")]))
    rates = {
        name: Estimate(*of_verdicts[label][verdict].values()) if label in of_verdicts else UNDEFINED
        for name, label, verdict in (("false_positive_rate", HUMAN, AI), ("recall", AI, AI), ("unsure", "all", UNSURE))
    }
    calibration = errors(*truth(predictions, "calibrated")) if len(predictions) else {}
    found = {
        "auroc": auroc(is_ai, p_ai),
        "recall_at_1": recall_at(is_ai, p_ai, 0.01),
        "recall_at_5": recall_at(is_ai, p_ai, 0.05),
        "ece": Estimate(calibration.get("ece"), None, None),
        **rates,
    }
    return Row(name, images, int(is_ai.sum()), int((~is_ai).sum()), found, calibration.get("ece_by_chance"))


def lowest_first(row: Row) -> float:
    """What rows are sorted by: their AUROC, and last those that have none."""
    value = row.estimates["auroc"].value
    return math.inf if value is None else value


def as_table(rows: list[Row]) -> pd.DataFrame:
    """Each figure of each row, with `_low` and `_high`."""
    table = []
    for row in rows:
        line: dict[str, Any] = {name: getattr(row, name) for name in ("name", "images", "runs", "ai", "human")}
        for name, estimate in {**row.estimates, "auroc_gap": row.gap}.items():
            line |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        table.append({**line, "ece_by_chance": row.ece_by_chance})
    return pd.DataFrame(table).drop(columns=["ece_low", "ece_high"])
