"""What the verdicts did on images, beside what their rule guarantees; and which groups of images other images lack."""

from typing import Any

import pandas as pd
from scipy.stats import binomtest

from artclf.evaluation.decision import AI, HUMAN, VERDICTS, DecisionRule
from artclf.evaluation.intervals import CONFIDENCE

UNNAMED = frozenset({"", "unknown", AI})  # generators that a source does not name
_NAMED = 5  # groups that a line names
_WORTH_A_LINE = 0.05  # share of a class's training images


def verdict_rates(rows: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Compute the share of each verdict among the images of each label.

    Args:
        rows: label and verdict of each image.

    Returns:
        label → verdict → rate, low and high, by the interval of Clopper and Pearson (Biometrika 26, 1934). It covers at least
        95% even of a few images with rare errors, where Wilson's is too sure.
    """
    return {
        str(label): {verdict: _rate(int((given == verdict).sum()), len(given)) for verdict in VERDICTS}
        for label, given in rows.groupby("label")["verdict"]
    }


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
    found = []
    for label, verdict, threshold in ((HUMAN, AI, rule.false_positives), (AI, HUMAN, rule.false_negatives)):
        given = rows.loc[rows["label"] == label, "verdict"]
        if threshold.guaranteed_rate is None or given.empty:
            continue
        mistakes = int((given == verdict).sum())
        rate = _rate(mistakes, len(given))
        found.append(
            {
                "split": split,
                "error": f"{label} called {verdict}",
                "n": len(given),
                "mistakes": mistakes,
                "observed": rate["rate"],
                "low": rate["low"],
                "high": rate["high"],
                "guaranteed": threshold.guaranteed_rate,
                "target": threshold.target_rate,
                "possible": threshold.high,
                "broken": rate["low"] > threshold.guaranteed_rate,
            }
        )
    return found


def _rate(count: int, n: int) -> dict[str, float]:
    bounds = binomtest(count, n).proportion_ci(CONFIDENCE, method="exact")
    return {"rate": count / n, "low": float(bounds.low), "high": float(bounds.high)}


def seen_in_training(rows: pd.DataFrame, trained: pd.DataFrame) -> dict[str, dict[str, list[str]] | None]:
    """Say which generators of AI images, and which styles, training has seen.

    Args:
        rows: of the images in question: label, generator and style.
        trained: likewise of the images that were trained on; empty or without these columns where that is not known.

    Returns:
        generators and styles: seen, unseen, and unknown (where one of both sides does not name its own); None: not known.
    """
    return {f"{column}s": _compare_names(rows, trained, column) for column in ("generator", "style")}


def _compare_names(rows: pd.DataFrame, trained: pd.DataFrame, column: str) -> dict[str, list[str]] | None:
    if trained.empty or not {"label", column} <= set(trained):
        return None
    here, there = (set((part[part["label"] == AI] if column == "generator" else part)[column]) for part in (rows, trained))
    seen = (here & there) - UNNAMED
    unknown = here - seen if there & UNNAMED else here & UNNAMED
    return {"seen": sorted(seen), "unseen": sorted(here - seen - unknown), "unknown": sorted(unknown)}


def describe_gaps(train: pd.DataFrame, val: pd.DataFrame) -> list[str]:
    """Describe in a line which generators, styles and folders at the top training has, and validation has no images of.

    Groups that together are less than a twentieth of a class's training images are passed over, and classes of which
    validation has no more images than there are groups: that there are few is said elsewhere.
    """
    parts = []
    for label, named in ((HUMAN, "human"), (AI, "AI")):
        ours, theirs = (_with_folder(table[table["label"] == label]) for table in (train, val))
        for column in ("generator", "style", "folder"):
            groups = ours[column].value_counts()
            missing = groups[~groups.index.isin(theirs[column])]
            if column == "folder" and len(groups) == 1:  # that of the split, or of the label
                continue
            if len(theirs) > len(groups) and missing.sum() >= _WORTH_A_LINE * len(ours):
                names = ", ".join(map(str, missing.index[:_NAMED])) + (", …" if len(missing) > _NAMED else "")
                parts.append(f"{named} images of {len(missing)} of {len(groups)} {column}s ({names})")
    rest = "the best weights, the thresholds and the guaranteed rates rest on the others"
    return [f"validation lacks {', and '.join(parts)} that training has: {rest}"] if parts else []


def _with_folder(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(folder=[path.partition("/")[0] if "/" in path else "" for path in table["path"]])
