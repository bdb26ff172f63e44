"""`artclf calibrate`: a new decision rule for a trained model, fitted to labelled images of one's own."""

import logging
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from artclf.data.sources import read_any
from artclf.errors import ArtclfError
from artclf.evaluation.calibration import errors
from artclf.evaluation.conformal import fit_decision_rule, needed
from artclf.evaluation.decision import DecisionRule, truth
from artclf.evaluation.intervals import Estimate, auroc, threshold_interval
from artclf.evaluation.types import Booleans, Floats
from artclf.inference.finished_run import find_run, splits_of
from artclf.inference.predict import load_model
from artclf.inference.score import one_version, score_rows
from artclf.model.checkpoint import write_decision_rule
from artclf.run_folder import as_json, write_text

log = logging.getLogger(__name__)

FEWEST = 5  # images of either class, below which nothing is fitted


@dataclass(frozen=True)
class Recalibration:
    """A decision rule fitted to images, and the scores that it was fitted to."""

    checkpoint: Path  # the model's
    images: Path
    rule: DecisionRule
    replaced: DecisionRule | None  # the rule that the model had, if any
    is_ai: Booleans  # [N] the truth
    p_ai: Floats  # [N] the scores
    unreadable: pd.DataFrame  # path (absolute), reason
    left_out: int  # images that the model was trained on
    auroc: Estimate  # of the scores
    ai_from: tuple[float, float]  # 95% interval of the threshold for ai
    human_below: tuple[float, float]  # 95% interval of the threshold for human

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        rule = self.rule
        return {
            "images": rule.fitted_on,
            "n_human": rule.n_human,
            "n_ai": rule.n_ai,
            "left_out": self.left_out,
            "unreadable": dict(self.unreadable.itertuples(index=False)),
            "before": errors(self.is_ai, self.p_ai),
            "after_cross_validated": rule.cross_validated.get(rule.calibrator.method),
            "auroc": asdict(self.auroc),
            "intervals": {"ai_from": self.ai_from, "human_below": self.human_below},
            "needed": {"human": needed(rule.false_positives.target_rate), "ai": needed(rule.false_negatives.target_rate)},
            "decision_rule": rule.to_json(),
            "replaced": None if self.replaced is None else self.replaced.to_json(),
        }

    def save(self) -> Path | None:
        """Save the rule with the model, and all of it as calibrate_<date>_<time>.json in the run folder, if there is one."""
        write_decision_rule(self.checkpoint, self.rule)
        folder = self.checkpoint.absolute().parent.parent
        if not (folder / "metrics.json").is_file():
            return None
        report = folder / f"calibrate_{datetime.now():%Y-%m-%d_%H-%M-%S}.json"
        write_text(report, as_json(self.to_json()))
        return report


def calibrate(
    run: Path, images: Path, *, method: str = "auto", false_positive_rate: float = 0.01, false_negative_rate: float = 0.05
) -> Recalibration:
    """Fit calibration and thresholds of a model to labelled images, without saving them.

    Args:
        run: a run folder or a checkpoint.
        images: labelled images in any layout that a source reads, such as a folder with ai/ and human/.
        method: of calibration, as in `fit_decision_rule`.
        false_positive_rate: target rate of human images called ai.
        false_negative_rate: target rate of AI images called human.

    Raises:
        ArtclfError: where there is no checkpoint, a file of its run is damaged, a rate is out of range, or there are fewer than
            five readable images of a class.
    """
    for option, rate in (("--false-positive-rate", false_positive_rate), ("--false-negative-rate", false_negative_rate)):
        if not 0 < rate < 1:
            raise ArtclfError(f"{option}: got {rate:g}; allowed: a share between 0 and 1, such as 0.01 for 1%")
    finished = find_run(run)
    manifest = read_any(images)
    if not finished.training_known:  # a checkpoint that was copied away has no run beside it
        log.info("which images trained this model is not known: %s is in no run folder", finished.checkpoint)
    trained = splits_of(finished, manifest) == "train"
    rows = manifest.table[~trained]
    model, replaced, precision = load_model(finished.checkpoint, "auto")
    p_ai, reasons = score_rows(model, manifest.root, rows, one_version(model, model.canonical), precision)
    scored = rows.assign(p_ai=p_ai[:, 0], path=[str(manifest.root / path) for path in rows["path"]], reason=reasons)
    unreadable = scored.loc[scored["reason"] != "", ["path", "reason"]]
    is_ai, scores = truth(scored[scored["reason"] == ""])
    if min(is_ai.sum(), (~is_ai).sum()) < FEWEST:
        known = f" ({int(trained.sum())} more trained this model)" if trained.any() else ""
        raise ArtclfError(
            f"{images}: holds {(~is_ai).sum()} human and {is_ai.sum()} AI images that can be used{known}; allowed: {FEWEST} of "
            "each at least, and about a hundred are of use"
        )
    rule = fit_decision_rule(
        is_ai,
        scores,
        method=method,
        false_positive_rate=false_positive_rate,
        false_negative_rate=false_negative_rate,
        fitted_on=str(images.expanduser().absolute()),
    )
    low, high = threshold_interval(1 - scores[is_ai], rule.false_negatives.guaranteed_rate or false_negative_rate)
    return Recalibration(
        checkpoint=finished.checkpoint,
        images=images,
        rule=rule,
        replaced=replaced,
        is_ai=is_ai,
        p_ai=scores,
        unreadable=unreadable,
        left_out=int(trained.sum()),
        auroc=auroc(is_ai, scores),
        ai_from=threshold_interval(scores[~is_ai], rule.false_positives.guaranteed_rate or false_positive_rate),
        human_below=(1 - high, 1 - low),
    )
