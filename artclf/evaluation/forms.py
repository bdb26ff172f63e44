"""The same pictures as they are stored and in canonical form: how far a network's figures rest on how files were stored."""

from typing import Any

import numpy as np

from artclf.evaluation.intervals import auroc, of_difference, rates
from artclf.evaluation.metrics import THRESHOLD
from artclf.evaluation.significance import bootstrap, mcnemar
from artclf.evaluation.types import Booleans, Floats

FORMS = ("as_stored", "canonical")


def compare_forms(
    is_ai: Booleans, as_stored: Floats, canonical: Floats, *, threshold: float = THRESHOLD, seed: int = 0
) -> dict[str, Any]:
    """Put figures of both forms side by side.

    Args:
        is_ai: [N], the truth.
        as_stored: [N], p_ai of the files as they are.
        canonical: [N], p_ai of the same ones in canonical form.
        threshold: from which p_ai on the verdict is AI.
        seed: of the bootstrap.

    Returns:
        n_ai and n_human; for each of `FORMS`: recall, false_positive_rate, balanced_accuracy and auroc, each [value, low, high]
        (None where a class is absent); auroc_lost, AUROC as stored minus canonical with the interval of a paired bootstrap;
        and flips, how many verdicts differ: of human works to_ai and to_human, of AI works the same, with p
        of McNemar's exact test: whether as many turn one way as the other.

    Raises:
        ValueError: where the shapes differ.
    """
    if not is_ai.shape == as_stored.shape == canonical.shape:
        raise ValueError(f"each picture needs two scores; got {is_ai.shape}, {as_stored.shape} and {canonical.shape}")
    scores = np.stack([as_stored, canonical])
    called = scores >= threshold
    both = bool(is_ai.any() and not is_ai.all())
    told: dict[str, Any] = {"n_ai": int(is_ai.sum()), "n_human": int((~is_ai).sum())}
    for form, p_ai, called_ai in zip(FORMS, scores, called, strict=True):
        verdicts = rates(is_ai, called_ai)
        estimates = {
            "recall": verdicts.recall,
            "false_positive_rate": verdicts.false_positive_rate,
            "balanced_accuracy": verdicts.balanced_accuracy,
            "auroc": auroc(is_ai, p_ai, seed=seed),
        }
        told[form] = {
            name: None if estimate.value is None else [estimate.value, estimate.low, estimate.high]
            for name, estimate in estimates.items()
        }
    told["auroc_lost"] = None
    if both:
        drawn = bootstrap(is_ai, scores, called, seed=seed)
        stored, formed = drawn.observed["auroc"].tolist()
        differences = drawn.resampled["auroc"][0] - drawn.resampled["auroc"][1]
        lost = of_difference(stored - formed, differences, min(told["n_ai"], told["n_human"]))
        told["auroc_lost"] = [lost.difference, lost.low, lost.high]
    told["flips"] = {
        label: {
            "to_ai": int((of_label & ~called[0] & called[1]).sum()),
            "to_human": int((of_label & called[0] & ~called[1]).sum()),
            "p": mcnemar(called[1][of_label], called[0][of_label]).p,
        }
        for label, of_label in (("human", ~is_ai), ("ai", is_ai))
    }
    return told
