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
        if name != "val":
            context = {"sizes": class_sizes(metrics["splits"][name]), "few": has_few(metrics["splits"][name])}
            (found[name],) = lines("measured.txt", name=name, counts=rule["verdicts"][name], rates=rates, **context)
    return found


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


def runs_with_broken_guarantees(metrics: Mapping[str, Json]) -> list[str]:
    """Name the runs (name → metrics.json) of which a guaranteed rate of errors did not hold, in a line, if there are any."""
    names = [name for name, of_run in metrics.items() if any(row["broken"] for row in of_run.get("guarantees") or ())]
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    return [f"Guaranteed rate exceeded: {shown}; the report of each says which, and by how much."] if names else []
