"""What a decision rule did on images, beside what it guarantees; and which groups of images other images lack."""

from dataclasses import asdict
from typing import Any

import pandas as pd
from scipy.stats import binomtest

from artclf.evaluation import Booleans, Floats
from artclf.evaluation.calibration import VALIDATION, errors, needed
from artclf.evaluation.decision import AI, HUMAN, VERDICTS, DecisionRule, truth
from artclf.evaluation.intervals import CONFIDENCE, mean_of, wilson
from artclf.evaluation.metrics import by_split

UNNAMED = frozenset({"", "unknown", AI})  # generators that a source does not name
_NAMED = 5  # groups that a line names
_WORTH_A_LINE = 0.05  # share of a class's training images


def decision_metrics(predictions: pd.DataFrame, rule: DecisionRule) -> dict[str, Any]:
    """Compute what metrics.json holds of calibration, thresholds and verdicts.

    Args:
        predictions: predictions.csv, with the columns calibrated and verdict (see `with_verdicts`). The split val are the
            images that the model was validated on.
        rule: that gave these two.

    Returns:
        decision_rule: the rule, what happened to held-out groups if any set it (`held_out_rates`), how many verdicts each
        split has, and their rates (`verdict_rates`); guarantees, as
        `check_guarantees` returns them, of each split but the one that the rule was fitted to; calibration: errors of each
        split before and after (which flatters that split); operating_points: the rule's, with the rates on each split but val.
    """
    splits = by_split(predictions)
    tested = {name: rows for name, rows in splits.items() if name != "val"}
    held_out = {"held_out_rates": held_out_rates(rule)} if rule.held_out else {}
    return {
        "decision_rule": {
            **rule.to_json(),
            **held_out,
            "verdicts": {name: count_verdicts(rows) for name, rows in splits.items()},
            "rates": {name: verdict_rates(rows) for name, rows in splits.items()},
        },
        "guarantees": [
            checked
            for name, rows in (tested if rule.fitted_on == VALIDATION else splits).items()
            for checked in check_guarantees(rule, rows, name)
        ],
        "calibration": {
            name: {when: errors(*truth(rows, column)) for when, column in (("before", "p_ai"), ("after", "calibrated"))}
            for name, rows in splits.items()
        },
        "operating_points": [
            {
                **asdict(point),
                "is_met": point.is_met,
                "needed": needed(point.target_rate),
                "splits": {name: _rates_above(*truth(rows), point.threshold) for name, rows in tested.items()},
            }
            for point in rule.points
            if point.threshold is not None
        ],
    }


def _rates_above(is_ai: Booleans, p_ai: Floats, threshold: float) -> dict[str, dict[str, float | None]]:
    """How many images of each class a threshold calls AI."""
    classes = {"false_positive_rate": p_ai[~is_ai], "recall": p_ai[is_ai]}
    return {name: {**asdict(wilson(int((p >= threshold).sum()), len(p))), "n": len(p)} for name, p in classes.items()}


def count_verdicts(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count the images of each label by their verdict: label → verdict → number, from the columns label and verdict."""
    return {
        str(label): {verdict: int((given == verdict).sum()) for verdict in VERDICTS}
        for label, given in rows.groupby("label")["verdict"]
    }


def verdict_rates(rows: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Compute the share of each verdict among the images of each label.

    Returns:
        label → verdict → rate, low and high, by the interval of Clopper and Pearson (Biometrika 26, 1934). It covers at least
        95% even of a few images with rare errors, where Wilson's is too sure.
    """
    return {
        label: {verdict: _rate(count, sum(counts.values())) for verdict, count in counts.items()}
        for label, counts in count_verdicts(rows).items()
    }


def _rate(count: int, n: int) -> dict[str, float]:
    bounds = binomtest(count, n).proportion_ci(CONFIDENCE, method="exact")
    return {"rate": count / n, "low": float(bounds.low), "high": float(bounds.high)}


def held_out_rates(rule: DecisionRule) -> dict[str, dict[str, Any]]:
    """Compute the rate of each verdict for images of sources (or generators) that were left out, by the others' thresholds.

    Returns:
        label → verdict → rate, low and high, the mean over groups, each counting alike (Wilson, square-and-add: an interval for
        these groups, not for new ones); worst: the group with the most wrong verdicts, its n, mistakes, rate, low and high.
    """
    found: dict[str, dict[str, Any]] = {}
    for label, wrong in ((HUMAN, AI), (AI, HUMAN)):
        if groups := rule.groups(label):
            means = {name: mean_of(*(wilson(group.verdicts[name], group.n) for group in groups)) for name in VERDICTS}
            found[label] = {name: {"rate": mean.value, "low": mean.low, "high": mean.high} for name, mean in means.items()}
            worst = max(groups, key=lambda group: group.verdicts[wrong] / group.n)
            mistakes = worst.verdicts[wrong]
            found[label]["worst"] = {"group": worst.group, "n": worst.n, "mistakes": mistakes, **_rate(mistakes, worst.n)}
    return found


def check_guarantees(rule: DecisionRule, rows: pd.DataFrame, split: str) -> list[dict[str, Any]]:
    """Compare the rates of errors that a rule guarantees with those of its verdicts on images.

    Args:
        rule: that gave the verdicts.
        rows: label and verdict of each image.
        split: what the images are called.

    Returns:
        For each kind of error that has a guaranteed rate, and images: split, error, n, mistakes, observed (rate), its low and
        high (95%, Clopper and Pearson), guaranteed and target rate, possible (the upper 95% bound of the guaranteed rate, with
        the images at hand that set the threshold), and broken: whether low lies above guaranteed.
    """
    found, counts = [], count_verdicts(rows)
    for label, verdict, threshold in ((HUMAN, AI, rule.false_positives), (AI, HUMAN, rule.false_negatives)):
        if threshold.guaranteed_rate is None or label not in counts:
            continue
        mistakes, n = counts[label][verdict], sum(counts[label].values())
        rate = _rate(mistakes, n)
        row = {"split": split, "error": f"{label} called {verdict}", "n": n, "mistakes": mistakes, "observed": rate.pop("rate")}
        guaranteed = {"guaranteed": threshold.guaranteed_rate, "target": threshold.target_rate, "possible": threshold.high}
        found.append({**row, **rate, **guaranteed, "broken": rate["low"] > threshold.guaranteed_rate})
    return found


def seen_in_training(rows: pd.DataFrame, trained: pd.DataFrame) -> dict[str, dict[str, list[str]] | None]:
    """Say which generators of AI images, which styles, and which sources (where the images have that column) training has seen.

    Args:
        rows: of the images in question: label, generator, style and maybe source.
        trained: likewise of the images that were trained on; empty or without these columns where that is not known.

    Returns:
        generators, styles and maybe sources: seen, unseen, and unknown (where one of both sides does not name its own); None:
        not known.
    """
    found: dict[str, dict[str, list[str]] | None] = {}
    for column in ("generator", "style", *(["source"] if "source" in rows else [])):
        found[f"{column}s"] = None
        if len(trained) and {"label", column} <= set(trained):
            sides = (part[part["label"] == AI] if column == "generator" else part for part in (rows, trained))
            here, there = (set(part[column]) for part in sides)
            seen = (here & there) - UNNAMED
            unknown = here - seen if there & UNNAMED else here & UNNAMED
            found[f"{column}s"] = {"seen": sorted(seen), "unseen": sorted(here - seen - unknown), "unknown": sorted(unknown)}
    return found


def describe_gaps(train: pd.DataFrame, val: pd.DataFrame) -> list[str]:
    """Describe in a line which generators, styles and sources training has, and validation has no images of.

    Where the images have no column source, the folders at the top are taken for sources.

    Groups that together are less than a twentieth of a class's training images are passed over, and classes of which
    validation has no more images than there are groups: that there are few is said elsewhere.
    """
    parts = []
    for label, named in ((HUMAN, "human"), (AI, "AI")):
        ours, theirs = (table[table["label"] == label] for table in (train, val))
        ours, theirs = (rows.assign(folder=rows["path"].str.extract("^([^/]*)/")[0].fillna("")) for rows in (ours, theirs))
        for column in ("generator", "style", "source" if "source" in train else "folder"):
            groups = ours[column].value_counts()
            missing = groups[~groups.index.isin(theirs[column])]
            if column == "folder" and len(groups) == 1:  # that of the split, or of the label
                continue
            if len(theirs) > len(groups) and missing.sum() >= _WORTH_A_LINE * len(ours):
                names = ", ".join(name or "none given" for name in missing.index[:_NAMED])
                names += ", …" if len(missing) > _NAMED else ""
                parts.append(f"{named} images of {len(missing)} of {len(groups)} {column}s ({names})")
    rest = "the best weights, the thresholds and the guaranteed rates rest on the others"
    return [f"validation lacks {', and '.join(parts)} that training has: {rest}"] if parts else []
