"""`artclf calibrate`: the probabilities and verdicts of a trained model, fitted anew to labelled pictures of one's own."""

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from artclf.data.sources import read_any
from artclf.errors import ArtclfError
from artclf.evaluation.calibration import errors
from artclf.evaluation.conformal import fit_decision_rule, needed
from artclf.evaluation.decision import AI, HUMAN, UNSURE, DecisionRule, percent
from artclf.evaluation.intervals import Estimate, auroc, threshold_interval, wilson
from artclf.evaluation.types import Booleans, Floats
from artclf.inference.finished_run import find_subject, splits_of
from artclf.inference.predict import Prediction, predict_pictures
from artclf.model.checkpoint import read_decision_rule, write_decision_rule
from artclf.report import format as fmt
from artclf.run_folder import as_json, write_text

log = logging.getLogger(__name__)

GUESSING = 0.5  # AUROC
FEWEST = 5  # works of either class, below which nothing is fitted
_WIDE = 0.1  # of a threshold's interval, in p_ai
_FAR = 2.0  # times the rate that is asked: where the upper end of its interval lies above, the promise is a weak one


@dataclass(frozen=True)
class Recalibration:
    """What a calibration found, and where it went.

    Attributes:
        checkpoint: the model's.
        images: which pictures.
        judge: fitted to them.
        replaced: the judge that the model had; None where it had none.
        is_ai: [N], the truth of the pictures.
        p_ai: [N], their scores.
        unreadable: pictures that can't be read.
        left_out: how many were not used because the model was trained on them.
        auroc: how well the scores order the pictures.
        ai_from: 95% interval of the threshold for ai.
        human_below: that of the threshold for human.
        report: the JSON file beside the run; None where there is none.
        saved: whether it was saved with the model.
    """

    checkpoint: Path
    images: Path
    judge: DecisionRule
    replaced: DecisionRule | None
    is_ai: Booleans
    p_ai: Floats
    unreadable: list[Prediction]
    left_out: int
    auroc: Estimate
    ai_from: tuple[float, float]
    human_below: tuple[float, float]
    report: Path | None = None
    saved: bool = False


def calibrate(
    run: Path,
    images: Path,
    *,
    method: str = "auto",
    false_positive_rate: float = 0.01,
    false_negative_rate: float = 0.05,
    precision: str = "auto",
    dry_run: bool = False,
) -> Recalibration:
    """Fit calibration and thresholds of a model to labelled pictures, and save them with it.

    Args:
        run: a run folder or a checkpoint.
        images: labelled pictures in any layout that a source reads, such as a folder with ai/ and human/.
        method: of calibration, as in `fit_decision_rule`.
        false_positive_rate: human works called ai that can be borne.
        false_negative_rate: AI works called human that can be borne.
        precision: as `artclf predict` has it.
        dry_run: whether to write nothing.

    Raises:
        ArtclfError: where there is no checkpoint, a file of its run is damaged, a rate is none, or there are fewer than five
            readable pictures of a class.
    """
    for option, rate in (("--false-positive-rate", false_positive_rate), ("--false-negative-rate", false_negative_rate)):
        if not 0 < rate < 1:
            raise ArtclfError(f"{option}: got {rate:g}; allowed: a share between 0 and 1, such as 0.01 for 1%")
    subject = find_subject(run)
    replaced = read_decision_rule(subject.checkpoint)
    manifest = read_any(images)
    if not subject.training_known:  # a checkpoint that was copied away has no run beside it
        log.info("which pictures trained this model is not known: %s is in no run folder", subject.checkpoint)
    trained = splits_of(subject, manifest) == "train"
    table, left_out = manifest.table[~trained], int(trained.sum())
    with closing(predict_pictures(run, [manifest.root / path for path in table["path"]], precision, tell=False)) as found:
        predictions = list(found)
    readable = np.array([not prediction.reason for prediction in predictions], dtype=bool)
    is_ai = (table["label"] == AI).to_numpy(dtype=bool)[readable]
    p_ai = np.array([prediction.p_ai for prediction in predictions], dtype=np.float64)[readable]
    n_ai, n_human = int(is_ai.sum()), int((~is_ai).sum())
    if min(n_ai, n_human) < FEWEST:
        raise ArtclfError(
            f"{images}: holds {fmt.plural(n_human, 'picture')} by people and {n_ai} by AI that can be used"
            f"{f' ({left_out} more trained this model)' if left_out else ''}; allowed: {FEWEST} of each at least, and about a "
            "hundred are of use"
        )
    judge = fit_decision_rule(
        is_ai,
        p_ai,
        method=method,
        false_positive_rate=false_positive_rate,
        false_negative_rate=false_negative_rate,
        fitted_on=str(images.expanduser().absolute()),
    )
    low, high = threshold_interval(1 - p_ai[is_ai], judge.false_negatives.guaranteed_rate or false_negative_rate)
    done = Recalibration(
        checkpoint=subject.checkpoint,
        images=images,
        judge=judge,
        replaced=replaced,
        is_ai=is_ai,
        p_ai=p_ai,
        unreadable=[prediction for prediction in predictions if prediction.reason],
        left_out=left_out,
        auroc=auroc(is_ai, p_ai),
        ai_from=threshold_interval(p_ai[~is_ai], judge.false_positives.guaranteed_rate or false_positive_rate),
        human_below=(1 - high, 1 - low),
    )
    return done if dry_run else _saved(done)


def told(done: Recalibration) -> Iterator[str]:
    """Yield what to print of it, a line each; warnings begin with that word."""
    judge, n_human, n_ai = done.judge, int((~done.is_ai).sum()), int(done.is_ai.sum())
    yield f"{fmt.plural(len(done.is_ai), 'picture')} of {done.images}: {n_human} by people, {n_ai} by AI"
    if done.left_out:
        yield f"left out: {fmt.plural(done.left_out, 'picture')} that trained this model, and that it knows"
    parameters = {name: value for name, value in judge.calibrator.to_json().items() if isinstance(value, float)}
    value, low, high = (fmt.score(figure) for figure in (done.auroc.value, done.auroc.low, done.auroc.high))
    yield f"AUROC {value} (95% interval {low} to {high})"
    yield f"calibration: {judge.calibrator.method}{''.join(f', {name} {value:.3g}' for name, value in parameters.items())}"
    yield from _table(done)
    for verdict, side, threshold, bounds, promise, error in (
        (AI, "from", judge.ai_from, done.ai_from, judge.false_positives, "human works called ai"),
        (HUMAN, "below", judge.human_below, done.human_below, judge.false_negatives, "AI works called human"),
    ):
        kept, low, high, asked = (
            percent(rate) for rate in (promise.guaranteed_rate, promise.low, promise.high, promise.target_rate)
        )
        own = "" if threshold == promise.threshold else f" of {promise.threshold:.4f}, which would do"  # where the two cross
        yield (
            f"verdict {verdict:<5} {side:<5} p_ai {threshold:.4f} (95% interval{own} {_interval(*bounds)}); "
            f"{error}: {kept} promised ({low} to {high}), {asked} asked"
        )
    zone = judge.ai_from > judge.human_below
    yield "verdict unsure between the two" if zone else "one threshold keeps both promises: no verdict is unsure"
    verdicts = np.array(judge.verdicts(done.p_ai))
    found, unsure = int((verdicts[done.is_ai] == AI).sum()), int((verdicts == UNSURE).sum())
    yield f"so {_share(found, n_ai, 'AI work')} are called ai, and {_share(unsure, len(verdicts), 'picture')} stay unsure"
    if done.replaced is not None:
        accused, missed = _errors_of(done.replaced, done.is_ai, done.p_ai)
        yield (
            f"on these pictures, the verdicts that the model had call {_share(accused, n_human, 'human work')} ai, and "
            f"{_share(missed, n_ai, 'AI work')} human"
        )
    yield from _warnings(done)


def _warnings(done: Recalibration) -> Iterator[str]:
    judge = done.judge
    if done.auroc.low is None or done.auroc.low < GUESSING:
        yield (
            "warning: on these pictures the scores may be no better than guessing; thresholds do not mend that, "
            "training on such pictures can"
        )
    for n, kind, found, bounds in (
        (judge.n_human, "human", judge.false_positives, done.ai_from),
        (judge.n_ai, "AI", judge.false_negatives, done.human_below),
    ):
        if not found.is_met:
            more = needed(found.target_rate) - n
            yield (
                f"warning: {n} {kind} works can promise {percent(found.guaranteed_rate)} at best: "
                f"{fmt.plural(more, 'more', 'more')} would be needed for {percent(found.target_rate)}"
            )
        if bounds[1] - bounds[0] > _WIDE or (found.high or 0) > _FAR * found.target_rate:
            yield (
                f"warning: these {kind} works leave the threshold open ({_interval(*bounds)}), and the rate may be "
                f"{percent(found.high)} in truth; more of them narrow it"
            )


def _table(done: Recalibration) -> Iterator[str]:
    columns = {"p_ai": errors(done.is_ai, done.p_ai)}
    if done.replaced is not None:
        columns["as it was"] = errors(done.is_ai, done.replaced.calibrator.apply(done.p_ai))
    after = done.judge.cross_validated.get(done.judge.calibrator.method)
    if after is not None:
        columns["now, on works held back"] = after
    yield "  ".join([f"{'':<18}", *[f"{name:>9}" for name in columns]])
    for figure, name in (("ece", "calibration error"), ("brier", "Brier score"), ("log_loss", "log loss")):
        yield "  ".join([f"{name:<18}", *[f"{values[figure]:>{max(9, len(of))}.4f}" for of, values in columns.items()]])
    yield f"(a perfect calibration shows an error of about {columns['p_ai']['ece_by_chance']:.3f} on so few)"


def _errors_of(judge: DecisionRule, is_ai: Booleans, p_ai: Floats) -> tuple[int, int]:
    """How many human works a judge calls ai, and how many AI works human."""
    verdicts = np.array(judge.verdicts(p_ai))
    return int((verdicts[~is_ai] == AI).sum()), int((verdicts[is_ai] == HUMAN).sum())


def _share(errors: int, n: int, kind: str) -> str:
    rate: Estimate = wilson(errors, n)
    value, low, high = (percent(figure) for figure in (rate.value, rate.low, rate.high))
    return f"{errors} of {fmt.plural(n, kind)} ({value}, 95% interval {low} to {high})"


def _interval(low: float, high: float) -> str:
    return f"{low:.4f} to {high:.4f}"


def _saved(done: Recalibration) -> Recalibration:
    write_decision_rule(done.checkpoint, done.judge)
    folder = done.checkpoint.absolute().parent.parent
    report = folder / f"calibrate_{datetime.now():%Y-%m-%d_%H-%M-%S}.json" if (folder / "metrics.json").is_file() else None
    if report is not None:
        write_text(report, as_json(to_json(done)))
    return replace(done, report=report, saved=True)


def to_json(done: Recalibration) -> dict[str, Any]:
    """All of it as plain values."""
    return {
        "images": done.judge.fitted_on,
        "n_human": int((~done.is_ai).sum()),
        "n_ai": int(done.is_ai.sum()),
        "left_out": done.left_out,
        "unreadable": {str(prediction.path): prediction.reason for prediction in done.unreadable},
        "before": errors(done.is_ai, done.p_ai),
        "after_cross_validated": done.judge.cross_validated.get(done.judge.calibrator.method),
        "auroc": asdict(done.auroc),
        "intervals": {"ai_from": done.ai_from, "human_below": done.human_below},
        "needed": {
            "human": needed(done.judge.false_positives.target_rate),
            "ai": needed(done.judge.false_negatives.target_rate),
        },
        "judge": done.judge.to_json(),
        "replaced": None if done.replaced is None else done.replaced.to_json(),
    }
