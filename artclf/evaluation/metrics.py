"""The figures of a set of predictions. "Positive" means AI: a false positive is a human image called AI."""

from typing import Any

import pandas as pd
from sklearn.metrics import average_precision_score, confusion_matrix, f1_score, log_loss

from artclf.evaluation.decision import THRESHOLD, truth
from artclf.evaluation.intervals import UNDEFINED, estimate_metrics, wilson
from artclf.evaluation.significance import FIGURES
from artclf.evaluation.types import Booleans, Floats


def binary_metrics(is_ai: Booleans, p_ai: Floats) -> dict[str, Any]:
    """Compute the figures of one split, from the truth [N] and the scores [N]; the verdict is AI from `THRESHOLD` on.

    Returns:
        n, the values of `estimate_metrics` (without recall), average_precision, f1 (of AI), loss (mean negative
        log-likelihood, nats), confusion (truth → verdict → count) and intervals (figure → [low, high]). Where a class is
        absent, what needs it is None.
    """
    called_ai = p_ai >= THRESHOLD
    human, ai = confusion_matrix(is_ai, called_ai, labels=[False, True]).tolist()
    estimates = estimate_metrics(is_ai, p_ai)
    if not (sum(ai) and sum(human)):
        estimates["accuracy"] = UNDEFINED  # of one class it is that class's rate under a grander name
    return {
        "n": len(is_ai),
        **{name: estimates[name].value for name in FIGURES},
        "average_precision": float(average_precision_score(is_ai, p_ai)) if sum(ai) and sum(human) else None,
        "f1": float(f1_score(is_ai, called_ai)) if sum(ai) else None,
        "loss": float(log_loss(is_ai, p_ai, labels=[False, True])),
        "confusion": {"ai": {"ai": ai[1], "human": ai[0]}, "human": {"ai": human[1], "human": human[0]}},
        "intervals": {name: estimates[name].bounds for name in FIGURES},
    }


def split_metrics(predictions: pd.DataFrame) -> dict[str, Any]:
    """Compute the figures of one split's rows of predictions.csv.

    Returns:
        `binary_metrics`; and by_generator and by_style: name → n, label (of a generator), accuracy and its interval.
    """
    is_ai, p_ai = truth(predictions)
    figures = binary_metrics(is_ai, p_ai)
    table = predictions.assign(right=(p_ai >= THRESHOLD) == is_ai)
    for column in ("generator", "style"):
        groups = figures[f"by_{column}"] = {}
        for name, rows in table.groupby(column):
            accuracy = wilson(int(rows["right"].sum()), len(rows))
            label = {"label": rows["label"].iloc[0]} if column == "generator" else {}
            groups[str(name)] = {"n": len(rows), **label, "accuracy": accuracy.value, "interval": accuracy.bounds}
    return figures


def by_split(predictions: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of predictions.csv by split: test before val before the user's own."""
    first = {"test": 0, "val": 1}
    names = sorted(predictions["split"].unique(), key=lambda name: (first.get(name, 2), name))
    return {name: predictions[predictions["split"] == name] for name in names}
