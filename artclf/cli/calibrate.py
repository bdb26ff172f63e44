"""What `artclf calibrate` prints."""

import json
from collections.abc import Iterator

import numpy as np
import typer

from artclf.evaluation.calibration import errors
from artclf.evaluation.conformal import needed
from artclf.evaluation.decision import AI, HUMAN, UNSURE, DecisionRule, percent
from artclf.evaluation.intervals import wilson
from artclf.evaluation.types import Booleans, Floats
from artclf.inference.calibrate import Recalibration
from artclf.report import format as fmt
from artclf.report.terminal import screen, table

GUESSING = 0.5  # AUROC
_WIDE = 0.1  # of a threshold's interval, in p_ai
_FAR = 2.0  # times the target rate: where the upper end of the rate's interval lies above, the guarantee is a weak one


def print_calibration(found: Recalibration) -> None:
    """Print scores, calibration errors, thresholds and verdicts on stdout; unreadable images and warnings on stderr."""
    rule, terminal = found.rule, screen()
    for path, reason in found.unreadable.itertuples(index=False):
        typer.echo(f"error: {path}: {reason}", err=True)
    left_out = f" ({found.left_out} more left out: they trained this model)" if found.left_out else ""
    fitted = rule.calibrator
    is_sigmoid = fitted.method in ("temperature", "platt")
    method = f"{fitted.method}, slope {fitted.slope:.3g}, intercept {fitted.intercept:.3g}" if is_sigmoid else fitted.method
    typer.echo(f"{fmt.plural(len(found.is_ai), 'image')} of {found.images}: {rule.n_human} human, {rule.n_ai} AI{left_out}")
    typer.echo(f"AUROC {fmt.score(found.auroc.value)} (95% interval {fmt.score_range(found.auroc.bounds)})")
    terminal.print(table(f"calibration: {method}", *_calibration(found)))
    title = "one threshold meets both target rates" if rule.ai_from == rule.human_below else "unsure between the thresholds"
    columns = ("verdict", "p_ai", "its own threshold, 95% interval", "error", "target", "guaranteed", "95% interval")
    terminal.print(table(title, columns, _thresholds(found), text=(0, 3)))
    typer.echo(f"verdicts on these images: {_verdicts(rule, found.is_ai, found.p_ai)}")
    if found.replaced is not None:
        typer.echo(f"by the rule that it had:  {_verdicts(found.replaced, found.is_ai, found.p_ai)}")
        typer.echo(f"that rule: {json.dumps(found.replaced.to_json())}")
    for line in _warnings(found):
        typer.echo(f"warning: {line}", err=True)


def _calibration(found: Recalibration) -> tuple[list[str], list[list[str]]]:
    """Columns and rows: how far off the scores are before and after."""
    figures = {"scores": errors(found.is_ai, found.p_ai)}
    figures["perfect scores, by chance"] = {"ece": figures["scores"]["ece_by_chance"]}
    if found.replaced is not None:
        figures["calibrated before"] = errors(found.is_ai, found.replaced.calibrator.apply(found.p_ai))
    if after := found.rule.cross_validated.get(found.rule.calibrator.method):
        figures["calibrated now, cross-validated"] = after
    names = {"ece": "calibration error", "brier": "Brier score", "log_loss": "log loss"}
    rows = [[name, *(f"{of[key]:.4f}" if key in of else "" for of in figures.values())] for key, name in names.items()]
    return ["", *figures], rows


def _thresholds(found: Recalibration) -> Iterator[tuple[str, ...]]:
    rule = found.rule
    for verdict, p_ai, own, (low, high), error in (
        (AI, f"from {rule.ai_from:.4f}", rule.false_positives, found.ai_from, "human images called ai"),
        (HUMAN, f"below {rule.human_below:.4f}", rule.false_negatives, found.human_below, "AI images called human"),
    ):
        rates = (percent(own.target_rate), percent(own.guaranteed_rate), f"{percent(own.low)} to {percent(own.high)}")
        yield verdict, p_ai, f"{own.threshold:.4f}, {low:.4f} to {high:.4f}", error, *rates


def _verdicts(rule: DecisionRule, is_ai: Booleans, p_ai: Floats) -> str:
    """How often each kind of image gets a wrong verdict, and how often none is given."""
    verdicts = np.array(rule.verdicts(p_ai))
    counts = (
        ((verdicts[~is_ai] == AI), "human image", "called ai"),
        ((verdicts[is_ai] == HUMAN), "AI image", "called human"),
        ((verdicts == UNSURE), "image", "unsure"),
    )
    return ", ".join(
        f"{hits.sum()} of {fmt.plural(len(hits), kind)} {what} ({fmt.share_range(wilson(int(hits.sum()), len(hits)).bounds)})"
        for hits, kind, what in counts
    )


def _warnings(found: Recalibration) -> Iterator[str]:
    if found.auroc.low is None or found.auroc.low < GUESSING:
        yield "the scores of these images may be no better than guessing, which no thresholds mend; training on such images can"
    rule = found.rule
    for n, kind, own, (low, high) in (
        (rule.n_human, "human", rule.false_positives, found.ai_from),
        (rule.n_ai, "AI", rule.false_negatives, found.human_below),
    ):
        if not own.is_met:
            yield (
                f"{n} {kind} images can guarantee {percent(own.guaranteed_rate)} at best; {needed(own.target_rate) - n} more "
                f"would be needed for {percent(own.target_rate)}"
            )
        if high - low > _WIDE or (own.high or 0) > _FAR * own.target_rate:
            yield (
                f"{n} {kind} images do not fix the threshold well ({low:.4f} to {high:.4f}), and the rate may be "
                f"{percent(own.high)} in truth; more of them narrow both"
            )
