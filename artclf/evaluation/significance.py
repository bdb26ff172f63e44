"""Whether classifiers differ by more than chance on the same images: McNemar's exact test and paired intervals.

Both are about these images and these trained weights, not about how another training of the same settings would come out.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binom, binomtest

from artclf.evaluation import Booleans, Floats
from artclf.evaluation.decision import THRESHOLD
from artclf.evaluation.intervals import CONFIDENCE, Estimate, auroc_difference, mean_of, paired_difference

FIGURES = ("accuracy", "balanced_accuracy", "auroc", "false_positive_rate", "false_negative_rate")
LEVEL = 0.05  # p-values below it are significant


class McNemar(NamedTuple):
    """How many images only the first and only the second classifier gets right, and the two-sided p-value."""

    only_first: int
    only_second: int
    p: float


def mcnemar(first_right: Booleans, second_right: Booleans) -> McNemar:
    """Test whether two classifiers are right equally often on the same images [N] (McNemar 1947; exact, binomial)."""
    only_first, only_second = int((first_right & ~second_right).sum()), int((second_right & ~first_right).sum())
    discordant = only_first + only_second
    return McNemar(only_first, only_second, float(binomtest(only_first, discordant).pvalue) if discordant else 1.0)


def holm(p: Sequence[float]) -> list[float]:
    """Correct the p-values of all tests for their number (Holm 1979), [M] → [M]."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    corrected = np.empty_like(values)
    corrected[order] = np.maximum.accumulate(np.arange(len(values), 0, -1) * values[order]).clip(max=1.0)
    return [float(value) for value in corrected]


def smallest_difference(discordant: int, images: int, tests: int = 1) -> float:
    """Return the smallest difference in accuracy that McNemar's exact test finds significant; above 1 where there is none.

    Args:
        discordant: on how many images exactly one classifier is right; raised to the minimum at which significance is possible.
        images: N.
        tests: how many p-values are corrected together; the strictest step (`LEVEL` / tests) counts.
    """
    strict = LEVEL / tests
    needed = math.ceil(1 - math.log2(strict))  # all of so many on one side: p = 2 · 0.5^needed
    number = max(discordant, needed)
    significant = np.flatnonzero(2 * binom.cdf(np.arange(number // 2 + 1), number, 0.5) <= strict)
    return float(number - 2 * int(significant[-1])) / images


def paired_differences(is_ai: Booleans, p_ai: Floats, confidence: float = CONFIDENCE) -> dict[str, Estimate]:
    """Compute by how much the figures of the first of K classifiers exceed the mean of the others', on the same images.

    Args:
        is_ai: [N], the truth.
        p_ai: [K, N], the scores; the verdict is AI from `THRESHOLD` on.
        confidence: of the intervals.

    Returns:
        `FIGURES`; `UNDEFINED` where a class that they need is absent.
    """
    wrong = (p_ai >= THRESHOLD) != is_ai
    first, others = wrong[0].astype(float), wrong[1:].mean(axis=0)
    recall, specificity = (paired_difference(1 - first[of], 1 - others[of], confidence) for of in (is_ai, ~is_ai))
    return {
        "accuracy": paired_difference(1 - first, 1 - others, confidence),
        "balanced_accuracy": mean_of(recall, specificity),
        "auroc": auroc_difference(is_ai, p_ai, confidence),
        "false_positive_rate": paired_difference(first[~is_ai], others[~is_ai], confidence),
        "false_negative_rate": paired_difference(first[is_ai], others[is_ai], confidence),
    }


@dataclass(frozen=True)
class Classifier:
    """A classifier's scores, and how it was trained."""

    name: str
    p_ai: Floats  # [N], the same images in the same order for all classifiers
    setting: Collection[str] | None  # what was configured, the seed aside; None where that is unknown


def compare_with_best(classifiers: Sequence[Classifier], is_ai: Booleans, intervals: int) -> dict[str, Any]:
    """Test the first classifier against each other one.

    The first was chosen as the best on these very images, so p-values are corrected for all pairs of classifiers.

    Args:
        classifiers: the best first.
        is_ai: [N], the truth.
        intervals: for how many of the first classifiers the differences get intervals.

    Returns:
        What comparison.json holds: `pairs`, the first classifier against each other one, in their order; and `method`.
        A pair's `verdict` is "same setting", "chance", or "better" or "worse", where the first is right more or less often
        than the other by more than chance explains.
    """
    p_ai = np.stack([classifier.p_ai for classifier in classifiers])
    right = (p_ai >= THRESHOLD) == is_ai
    tests = [mcnemar(one, other) for one, other in combinations(right, 2)]  # those of the first come first
    corrected = holm([test.p for test in tests])
    best, *others = classifiers
    pairs = []
    for number, (other, test, p) in enumerate(zip(others, tests, corrected, strict=False), start=1):
        same = best.setting is not None and other.setting is not None and set(best.setting) == set(other.setting)
        lead = "better" if test.only_first > test.only_second else "worse"
        found = paired_differences(is_ai, p_ai[[0, number]]) if number < intervals else {}
        found = {name: found[name] for name in FIGURES if found}
        pair = {"first": best.name, "second": other.name, "same_setting": same, "n": len(is_ai)}
        pair |= {"only_first_right": test.only_first, "only_second_right": test.only_second, "p": test.p, "p_corrected": p}
        pair["larger_than_chance"] = p <= LEVEL
        pair["verdict"] = "same setting" if same else lead if p <= LEVEL else "chance"
        discordant = test.only_first + test.only_second
        pair["smallest_detectable_difference"] = smallest_difference(discordant, len(is_ai), len(tests))
        pair["differences"] = {name: {"difference": one.value, "low": one.low, "high": one.high} for name, one in found.items()}
        pairs.append(pair)
    method = {
        "test": "McNemar, exact, two-sided",
        "correction": "Holm, over all pairs of the runs",
        "tests": len(tests),
        "level": LEVEL,
        "interval": "paired: Newcombe's method 10 for rates, square-and-add for balanced accuracy, DeLong for AUROC",
        "confidence": CONFIDENCE,
    }
    return {"pairs": pairs, "method": method}
