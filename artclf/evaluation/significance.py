"""Whether classifiers differ by more than chance on the same images: McNemar's exact test and paired intervals.

Both are about these images and these trained weights, not about how another training of the same settings would come out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, binomtest

from artclf.evaluation.intervals import Estimate, delong, mean_of, paired_difference
from artclf.evaluation.types import Booleans, Floats

FIGURES = ("accuracy", "balanced_accuracy", "auroc", "false_positive_rate", "false_negative_rate")
LEVEL = 0.05  # p-values below it are significant


@dataclass(frozen=True)
class McNemar:
    """How many images only the first and only the second classifier gets right, and the two-sided p-value."""

    only_first: int
    only_second: int
    p: float


def mcnemar(first_right: Booleans, second_right: Booleans) -> McNemar:
    """Test whether two classifiers are right equally often on the same images [N] (McNemar 1947; exact, binomial)."""
    only_first, only_second = int((first_right & ~second_right).sum()), int((second_right & ~first_right).sum())
    discordant = only_first + only_second
    return McNemar(only_first, only_second, float(binomtest(only_first, discordant).pvalue) if discordant else 1.0)


def holm(p: Sequence[float]) -> Floats:
    """Correct the p-values of all tests for their number (Holm 1979), [M] → [M]."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate((len(values) - np.arange(len(values))) * values[order]), 1.0)
    return corrected


def smallest_difference(discordant: int, images: int, tests: int = 1) -> float:
    """Return the smallest difference in accuracy that McNemar's exact test would find significant.

    Args:
        discordant: on how many images one classifier alone is right; raised to the fewest for which any outcome is significant.
        images: N.
        tests: how many p-values are corrected together; the strictest step (`LEVEL` / tests) counts.

    Returns:
        A share of the images; above 1 where there are too few for any difference.
    """
    strict = LEVEL / tests
    needed = math.ceil(1 - math.log2(strict))  # all of so many on one side: p = 2 · 0.5^needed
    number = max(discordant, needed)
    significant = np.flatnonzero(2 * binom.cdf(np.arange(number // 2 + 1), number, 0.5) <= strict)
    return float(number - 2 * int(significant[-1])) / images


def paired_differences(is_ai: Booleans, p_ai: Floats, called_ai: Booleans) -> dict[str, Estimate]:
    """Compute by how much the first classifier's `FIGURES` exceed the second's on the same images, with paired intervals.

    Of the truth [N], scores [2, N] and verdicts [2, N]. Figures that need a class that is absent are `UNDEFINED`.
    """
    right = called_ai == is_ai
    recall, specificity = (paired_difference(right[0, of], right[1, of]) for of in (is_ai, ~is_ai))
    return {
        "accuracy": paired_difference(*right),
        "balanced_accuracy": mean_of(recall, specificity),
        "auroc": delong(is_ai, p_ai).difference(0, 1),
        "false_positive_rate": paired_difference(*~right[:, ~is_ai]),
        "false_negative_rate": paired_difference(*~right[:, is_ai]),
    }
