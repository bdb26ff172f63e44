"""`artclf calibrate`: a new decision rule for a trained model, fitted to labelled images of one's own."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from artclf.data.files import DEFAULT_MAX_PIXELS
from artclf.data.sources import read_any
from artclf.data.splits import drop_copies
from artclf.errors import ArtclfError
from artclf.evaluation import Booleans, Floats
from artclf.evaluation.calibration import errors, fit_decision_rule, needed
from artclf.evaluation.decision import DecisionRule, truth, with_verdicts
from artclf.evaluation.guarantees import check_guarantees, count_verdicts
from artclf.evaluation.intervals import auroc, threshold_interval
from artclf.inference.finished_run import find_run, splits_of
from artclf.inference.score import score_images
from artclf.inference.torch_scorer import load_scorer
from artclf.model.checkpoint import write_decision_rule
from artclf.run_folder import METRICS_FILE, write_json

FEWEST = 5  # images of either class, below which nothing is fitted


@dataclass(frozen=True)
class Recalibration:
    """A decision rule fitted to labelled images, and what was found of these."""

    checkpoint: Path  # the model's
    rule: DecisionRule
    found: dict[str, Any]  # what calibrate_<date>_<time>.json holds

    def save(self) -> list[Path]:
        """Save the rule in the checkpoint, and `found` in the run folder, if there is one; return the files."""
        write_decision_rule(self.checkpoint, self.rule)
        folder = self.checkpoint.absolute().parent.parent
        if not (folder / METRICS_FILE).is_file():
            return [self.checkpoint]
        report = folder / f"calibrate_{datetime.now():%Y-%m-%d_%H-%M-%S}.json"
        write_json(report, self.found)
        return [self.checkpoint, report]


def calibrate(run: Path, images: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS, **options: Any) -> Recalibration:
    """Fit a model's calibration and thresholds to labelled images, with the options of `fit_decision_rule`; save nothing.

    Raises:
        ArtclfError: where there is no checkpoint, a file of its run is damaged, or a class has fewer than five readable images.
    """
    finished = find_run(run)
    manifest = read_any(images)
    known, hashes = splits_of(finished, manifest)
    trained = known == "train"
    scorer, replaced = load_scorer(finished)
    usable = manifest.table[~trained].assign(split="", sha256=hashes[~trained])  # no split is better than another
    scored, unreadable = score_images(scorer, manifest.root, usable, scorer.reader(max_pixels).read)
    scored, duplicates = drop_copies(scored)
    unreadable = pd.concat([unreadable, manifest.rejected[["path", "reason"]]])
    is_ai, p_ai = truth(scored)
    if min(is_ai.sum(), (~is_ai).sum()) < FEWEST:
        why = f" ({trained.sum()} more trained this model)" if trained.any() else ""
        why += f" ({duplicates})" if duplicates.files else ""
        raise ArtclfError(
            f"{images}: holds {(~is_ai).sum()} human and {is_ai.sum()} AI images that can be used{why}; allowed: {FEWEST} of "
            "each at least, and about a hundred are of use"
        )
    rule = fit_decision_rule(is_ai, p_ai, fitted_on=str(images.expanduser().absolute()), **options)
    found = {
        "left_out": int(trained.sum()) if finished.training_known else None,
        "duplicates": asdict(duplicates),
        "unreadable": {str(manifest.root / path): reason for path, reason in unreadable.itertuples(index=False)},
        **_describe(rule, is_ai, p_ai),
        **_try(rule, scored),
        "replaced": replaced.to_json() if replaced else None,
    }
    if replaced is not None:
        found["replaced_errors"] = errors(is_ai, replaced.calibrator.apply(p_ai))
        found |= {f"replaced_{key}": value for key, value in _try(replaced, scored).items()}
    return Recalibration(finished.checkpoint, rule, found)


def _try(rule: DecisionRule, scored: pd.DataFrame) -> dict[str, Any]:
    """The verdicts of a rule on these images, and what it guarantees beside what they do."""
    rows = with_verdicts(scored, rule)
    return {"verdicts": count_verdicts(rows), "guarantees": check_guarantees(rule, rows, "these images")}


def _describe(rule: DecisionRule, is_ai: Booleans, p_ai: Floats) -> dict[str, Any]:
    """What was found of the images [N] that a rule was fitted to; intervals are of 95%."""
    positives, negatives = rule.false_positives, rule.false_negatives
    low, high = threshold_interval(1 - p_ai[is_ai], negatives.guaranteed_rate or negatives.target_rate)
    return {
        "images": rule.fitted_on,
        "n_human": rule.n_human,
        "n_ai": rule.n_ai,
        "before": errors(is_ai, p_ai),
        "after_cross_validated": rule.cross_validated.get(rule.calibrator.method),
        "auroc": asdict(auroc(is_ai, p_ai)),
        "intervals": {
            "ai_from": threshold_interval(p_ai[~is_ai], positives.guaranteed_rate or positives.target_rate),
            "human_below": (1 - high, 1 - low),
        },
        "needed": {"human": needed(positives.target_rate), "ai": needed(negatives.target_rate)},
        "decision_rule": rule.to_json(),
    }
