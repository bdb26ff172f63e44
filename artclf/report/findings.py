"""metrics.json as pages read it, and what has to be said first of it, on a page and in the terminal alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from artclf.evaluation.decision import AI, HUMAN, Calibrator, ConformalThreshold
from artclf.evaluation.intervals import Estimate
from artclf.report.format import interval, plural, share
from artclf.report.render import lines

_FEW = 10  # images of a class, and
_SHARE = 0.05  # of all
_NAMED = 8  # runs

Json: TypeAlias = Mapping[str, Any]
Number: TypeAlias = float | None
Counts: TypeAlias = dict[str, dict[str, int]]  # label → generator or verdict → images
Interval: TypeAlias = tuple[float, float, float] | None  # value, low, high


class _Split(TypedDict, total=False):
    n: int
    confusion: Counts
    intervals: dict[str, tuple[Number, Number] | None]
    accuracy: Number
    balanced_accuracy: Number
    auroc: Number
    average_precision: Number
    false_positive_rate: Number
    false_negative_rate: Number
    loss: Number


class _Stage(TypedDict, total=False):
    name: str
    trainable_parameters: Number
    epochs: Number
    best_epoch: Number
    seconds: Number
    score: Number


class _Guarantee(TypedDict):
    split: str
    error: str
    n: int
    mistakes: int
    observed: float
    low: float
    high: float
    guaranteed: float
    possible: float
    broken: bool


class _Threshold(TypedDict):
    target_rate: float
    guaranteed_rate: Number
    low: Number
    high: Number


class _HeldOut(TypedDict):
    group: str
    label: str
    threshold: float
    verdicts: dict[str, int]


class _Rule(TypedDict, total=False):
    calibrator: Calibrator
    human_below: float
    ai_from: float
    false_positives: _Threshold
    false_negatives: _Threshold
    by: str
    held_out: list[_HeldOut]
    held_out_rates: dict[str, dict[str, dict[str, str | float]]]
    fitted_on: str
    n_human: int
    n_ai: int
    cross_validated: dict[str, dict[str, float]]
    verdicts: dict[str, Counts]
    rates: dict[str, dict[str, dict[str, dict[str, float]]]]


@dataclass(frozen=True)
class _OperatingPoint(ConformalThreshold):
    needed: int
    splits: dict[str, dict[str, Estimate]]


class _CanonicalComparison(TypedDict):
    trained_on: str
    form: dict[str, Any]
    n_ai: int
    n_human: int
    as_stored: dict[str, Interval]
    canonical: dict[str, Interval]
    auroc_lost: Interval
    flips: dict[str, dict[str, float]]


class _Data(TypedDict, total=False):
    root: str | None
    counts: dict[str, Counts]
    duplicates: dict[str, int]
    rejected_by: list[dict[str, str | int]]
    left_out: dict[str, str | int | bool] | None


class _Balance(TypedDict, total=False):
    train_counts_before: dict[str, int]
    train_counts_after: dict[str, int]


class _Evaluation(TypedDict, total=False):
    trained_on: Counts | None
    generators: dict[str, list[str]] | None
    styles: dict[str, list[str]] | None
    sources: dict[str, list[str]] | None


class Metrics(TypedDict, total=False):
    """The parts of metrics.json that pages read; each may be missing."""

    splits: dict[str, _Split]
    stages: list[_Stage] | None
    best: dict[str, str | float | None]
    model: dict[str, str | int | None]
    data: _Data
    balance: _Balance
    versions: dict[str, str]
    fallbacks: list[str]
    seconds: Number
    resumed: Number
    evaluation: _Evaluation
    guarantees: list[_Guarantee]
    decision_rule: _Rule
    calibration: dict[str, dict[str, dict[str, Number]]]
    operating_points: list[_OperatingPoint]
    canonical_comparison: _CanonicalComparison | None


def broken_guarantees(metrics: Json) -> list[str]:
    """Name the guaranteed rates of errors that did not hold, a line each."""
    broken = [row for row in metrics.get("guarantees") or () if row["broken"]]
    return lines("guarantees.txt", broken=broken, rule=metrics.get("decision_rule"))


def runs_with_broken_guarantees(metrics: Mapping[str, Json]) -> list[str]:
    """Name the runs (name → metrics.json) of which a guaranteed rate of errors did not hold, in a line, if there are any."""
    names = [name for name, of_run in metrics.items() if broken_guarantees(of_run)]
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    return [f"Guaranteed rate exceeded: {shown}; the report of each says which, and by how much."] if names else []


def guessing(metrics: Json) -> list[str]:
    """Say that a network is no better than chance on its test images, in a line; nothing where it is, or is not known."""
    test = metrics.get("splits", {}).get("test", {})
    bounds = test.get("intervals", {}).get("balanced_accuracy")
    if bounds is None or bounds[0] > 0.5:
        return []
    return [
        f"No better than guessing: the balanced accuracy on the {plural(test['n'], 'test image')} is "
        f"{share(test['balanced_accuracy'])} (95% interval {interval(bounds)}), and guessing gives 50%"
    ]


def measured(metrics: Json) -> dict[str, str]:
    """Say in a sentence what the verdicts were on each split but val, and what a split without images of a class can't tell."""
    rule, found = metrics.get("decision_rule") or {}, {}
    for name, rates in (rule.get("rates") or {}).items():
        if name != "val":
            context = {"sizes": class_sizes(metrics["splits"][name]), "few": has_few(metrics["splits"][name])}
            (found[name],) = lines("measured.txt", name=name, counts=rule["verdicts"][name], rates=rates, **context)
    return found


def limits(metrics: Json, audit: Json | None) -> list[str]:
    """Say what a network can't be relied on for; `audit` is what `audit_section` returns."""
    return lines("limits.txt", metrics=metrics, free=(audit or {}).get("free"))


THRESHOLDS = ("verdict", "target", "guaranteed", "for images", "measured on", "wrong", "worst", "right", "unsure")


def thresholds(metrics: Json) -> list[tuple[str, ...]]:
    """What each threshold guarantees beside what happened, in held-out sources or generators and in each split but val.

    Returns:
        Rows of THRESHOLDS. Wrong are human images called AI (AI images called human), and whether that exceeds or breaks the
        guarantee; right and unsure shares are of AI (human) images; all with 95% intervals.
    """
    rule = metrics.get("decision_rule") or {}
    excess = {
        (row["split"], row["error"].split()[0]): ", broken" if row["low"] > row["possible"] else ", exceeded"
        for row in metrics.get("guarantees") or ()
        if row["broken"]
    }
    by, held_out = rule.get("by", "none"), rule.get("held_out_rates") or {}
    rows = []
    for key, label, right, verdict in (
        ("false_positives", HUMAN, AI, "ai from {ai_from:.4f}"),
        ("false_negatives", AI, HUMAN, "human below {human_below:.4f}"),
    ):
        if not rule or (found := rule[key])["guaranteed_rate"] is None:
            continue
        of, worst, places = f"like those of {rule['fitted_on']}", "", {}
        if label in held_out:
            number = sum(group["label"] == label for group in rule["held_out"])
            of, places = f"of a new {by}", {f"{number} held-out {by}s": held_out}
            worst = f"{held_out[label]['worst']['group']} {_estimate(held_out[label]['worst'])}"
        start = (verdict.format(**rule), share(found["target_rate"]), share(found["guaranteed_rate"]), of)
        places |= {name: rates for name, rates in rule["rates"].items() if name != "val"}
        for place, rates in places.items():
            shares = ((label, right), (right, right), (right, "unsure"))
            wrong, *others = ((rates.get(of) or {}).get(given) for of, given in shares)
            figures = (_estimate(wrong) + excess.get((place, label), ""), worst, *map(_estimate, others))
            rows.append((*start, place, *figures))
            start, worst = ("",) * 4, ""
    return rows


def _estimate(found: Json | None) -> str:
    return f"{share(found['rate'])} ({interval((found['low'], found['high']))})" if found else "–"


def class_sizes(split: Json) -> dict[str, int]:
    """How many images of each class a split of metrics.json has."""
    return {label: sum(row.values()) for label, row in split["confusion"].items()}


def has_few(split: Json) -> bool:
    """Whether there are so few images of a class, human or ai, that an accuracy would hide what happened to them."""
    sizes = class_sizes(split).values()
    return min(sizes) < max(_FEW, _SHARE * sum(sizes))


def findings(metrics: Json) -> list[str]:
    """Name stages whose weights were not tested and, of an evaluation, what training has seen of its images."""
    stages, best, evaluation = metrics.get("stages") or [], metrics.get("best") or {}, metrics.get("evaluation")
    names = [stage["name"] for stage in stages]
    later = [] if evaluation or best.get("stage") not in names else stages[names.index(best["stage"]) + 1 :]
    metric = next((key for key in best if key not in ("stage", "epoch")), None)
    later = [stage for stage in later if metric and stage.get("score") is not None]
    return lines("findings.txt", later=later, best=best, metric=metric, evaluation=evaluation)
