"""The figures of a set of predictions. "Positive" means AI: a false positive is a human image called AI."""

from typing import Any

import pandas as pd

from artclf.evaluation.types import Booleans, Floats

THRESHOLD = 0.5


def binary_metrics(is_ai: Booleans, p_ai: Floats, threshold: float = THRESHOLD) -> dict[str, Any]:
    """Compute the figures of one split.

    Args:
        is_ai: [N], the truth.
        p_ai: [N], the probability of AI, in [0, 1].
        threshold: from which p_ai on the verdict is AI.

    Returns:
        n, accuracy, balanced_accuracy (mean of the two classes' recalls), auroc, average_precision, f1 (of AI),
        false_positive_rate (share of human images called AI), false_negative_rate (share of AI images called human), loss (mean
        negative log-likelihood, nats) and confusion (truth → verdict → count). Where a class is absent, what needs it is None.

    Raises:
        ValueError: where there is nothing, or the shapes differ.
    """
    if is_ai.shape != p_ai.shape or is_ai.ndim != 1 or not len(is_ai):
        raise ValueError(f"is_ai and p_ai are to be of one length, and not empty; got {is_ai.shape} and {p_ai.shape}")
    from sklearn.metrics import (  # noqa: PLC0415 (takes a second to load, and `artclf predict` has no use of it)
        average_precision_score,
        confusion_matrix,
        f1_score,
        log_loss,
        roc_auc_score,
    )

    called_ai = p_ai >= threshold
    (human_human, human_ai), (ai_human, ai_ai) = confusion_matrix(is_ai, called_ai, labels=[False, True]).tolist()
    n_ai, n_human = ai_ai + ai_human, human_ai + human_human
    false_positive_rate = human_ai / n_human if n_human else None
    false_negative_rate = ai_human / n_ai if n_ai else None
    both = bool(n_ai and n_human)
    return {
        "n": len(is_ai),
        "accuracy": (ai_ai + human_human) / len(is_ai),
        "balanced_accuracy": (ai_ai / n_ai + human_human / n_human) / 2 if both else None,
        "auroc": float(roc_auc_score(is_ai, p_ai)) if both else None,
        "average_precision": float(average_precision_score(is_ai, p_ai)) if both else None,
        "f1": float(f1_score(is_ai, called_ai)) if n_ai else None,
        "false_positive_rate": false_positive_rate,
        "false_negative_rate": false_negative_rate,
        "loss": float(log_loss(is_ai, p_ai, labels=[False, True])),
        "confusion": {"ai": {"ai": ai_ai, "human": ai_human}, "human": {"ai": human_ai, "human": human_human}},
    }


def split_metrics(predictions: pd.DataFrame, threshold: float = THRESHOLD) -> dict[str, Any]:
    """Compute the figures of one split's rows of predictions.csv, and accuracy by generator and by style, with 95% intervals.

    Args:
        predictions: the columns label, generator, style and p_ai.
        threshold: from which p_ai on the verdict is AI.

    Returns:
        What `binary_metrics` does; and intervals: figure → [low, high], or None where the figure is (Wilson's for rates,
        DeLong's for AUROC); by_generator and by_style: name → n, label (of a generator), accuracy and its interval.
    """
    from artclf.evaluation.intervals import auroc, rates  # noqa: PLC0415 (scikit-learn, as above)

    is_ai = (predictions["label"] == "ai").to_numpy(dtype=bool)
    p_ai = predictions["p_ai"].to_numpy(dtype=float)
    figures = binary_metrics(is_ai, p_ai, threshold)
    called_ai = p_ai >= threshold
    right, verdicts = called_ai == is_ai, rates(is_ai, called_ai)
    estimates = {
        "accuracy": verdicts.accuracy,
        "balanced_accuracy": verdicts.balanced_accuracy,
        "auroc": auroc(is_ai, p_ai),
        "false_positive_rate": verdicts.false_positive_rate,
        "false_negative_rate": verdicts.false_negative_rate,
    }
    figures["intervals"] = {name: estimate.bounds for name, estimate in estimates.items()}
    judged = pd.DataFrame({name: predictions[name].to_numpy() for name in ("label", "generator", "style")}).assign(right=right)
    figures["by_generator"] = {
        str(name): {"n": len(rows), "label": rows["label"].iloc[0], **_accuracy(rows["right"])}
        for name, rows in judged.groupby("generator")
    }
    figures["by_style"] = {str(name): {"n": len(rows), **_accuracy(rows["right"])} for name, rows in judged.groupby("style")}
    return figures


def _accuracy(right: pd.Series) -> dict[str, Any]:
    from artclf.evaluation.intervals import wilson  # noqa: PLC0415

    estimate = wilson(int(right.sum()), len(right))
    return {"accuracy": estimate.value, "interval": estimate.bounds}
