"""Test pictures judged as they are stored and in canonical form, by a network that was trained on one of the two."""

import logging
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from artclf.data.canonical import Canonical
from artclf.data.sampling import draw_test_pictures
from artclf.evaluation.decision import as_stored
from artclf.evaluation.robustness import compare_forms
from artclf.inference.score import score_files
from artclf.model.classifier import ArtClassifier

log = logging.getLogger(__name__)


def judge_both_forms(
    model: ArtClassifier,
    root: Path,
    predictions: pd.DataFrame,
    canonical: Canonical,
    precision: str,
    *,
    pictures: int,
    seed: int,
) -> dict[str, Any] | None:
    """DecisionRule test pictures a second time, in the form that the network was not trained on.

    Args:
        model: in eval mode, on its device.
        root: the folder that paths are relative to.
        predictions: predictions.csv, of the form that it was trained on.
        canonical: the form; of a network trained on canonical pictures, its own is taken.
        precision: one of PRECISIONS.
        pictures: how many at most, half of them of either class where there are so many, drawn by lot.
        seed: of the random sample.

    Returns:
        What metrics.json tells under `forms`: see `compare_forms`, with trained_on ("as_stored" or "canonical") and form
        (side and quality of the canonical one); None where there are no test pictures.
    """
    if not (predictions["split"] == "test").any():
        return None
    rows = draw_test_pictures(predictions, pictures, seed)
    form = None if model.canonical else canonical
    other: list[float] = []
    with closing(score_files(model, [root / path for path in rows["path"]], precision, form)) as batches:
        for batch in batches:
            for file, p_ai, reason in zip(batch.files, batch.p_ai, batch.reasons, strict=True):
                if reason:
                    log.warning("%s: is not judged in both forms: %s", file, reason)
                other.append(float("nan") if reason else p_ai)
    read = ~np.isnan(other)
    is_ai = (rows["label"] == "ai").to_numpy(dtype=bool)[read]
    own, others = rows["p_ai"].to_numpy(dtype=float)[read], as_stored(np.array(other))[read]
    plain, formed = (others, own) if model.canonical else (own, others)
    return {
        "trained_on": "canonical" if model.canonical else "as_stored",
        "form": (model.canonical or canonical).to_json(),
        **compare_forms(is_ai, plain, formed),
    }
