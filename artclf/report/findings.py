"""What has to be said first of a run or an evaluation, on its page and in the terminal alike, by metrics.json."""

from collections.abc import Mapping
from typing import Any

from artclf.report.render import lines

_FEW = 10  # images of a class, and
_SHARE = 0.05  # of all
_NAMED = 8  # runs

Json = Mapping[str, Any]


def broken_guarantees(metrics: Json) -> list[str]:
    """Name the guaranteed rates of errors that did not hold, a line each."""
    broken = [row for row in metrics.get("guarantees") or () if row["broken"]]
    return lines("guarantees.txt", broken=broken, rule=metrics.get("decision_rule"))


def measured(metrics: Json) -> dict[str, str]:
    """Say in a sentence what the verdicts were on each split but val, and what a split without images of a class can't tell."""
    rule, found = metrics.get("decision_rule") or {}, {}
    for name, rates in (rule.get("rates") or {}).items():
        counts = rule["verdicts"][name]
        of_label = {label: sum(counts.get(label, {}).values()) for label in ("human", "ai")}
        if name != "val":
            few = has_few(of_label)
            (found[name],) = lines("measured.txt", name=name, counts=counts, rates=rates, of_label=of_label, few=few)
    return found


def has_few(of_label: Mapping[str, int]) -> bool:
    """Whether there are so few images of a class, human or ai, that an accuracy would hide what happened to them."""
    return min(of_label.values()) < max(_FEW, _SHARE * sum(of_label.values()))


def findings(metrics: Json) -> list[str]:
    """Name stages whose weights were not tested and, of an evaluation, what training has seen of its images."""
    stages, best, evaluation = metrics.get("stages") or [], metrics.get("best") or {}, metrics.get("evaluation")
    names = [stage["name"] for stage in stages]
    later = [] if evaluation or best.get("stage") not in names else stages[names.index(best["stage"]) + 1 :]
    metric = next((key for key in best if key not in ("stage", "epoch")), None)
    later = [stage for stage in later if metric and stage.get("score") is not None]
    return lines("findings.txt", later=later, best=best, metric=metric, evaluation=evaluation)


def runs_with_broken_guarantees(metrics: Mapping[str, Json]) -> list[str]:
    """Name the runs (name → metrics.json) of which a guaranteed rate of errors did not hold, in a line, if there are any."""
    names = [name for name, of_run in metrics.items() if broken_guarantees(of_run)]
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    return [f"Guarantee broken: {shown}; the report of each says which rate of errors, and by how much."] if names else []
