"""Whether the best of several classifiers leads by more than chance, on the images that all of them were tested on.

The best is chosen on these very images. So p-values are corrected for all pairs of classifiers, not only for those with the
best.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from artclf.evaluation.intervals import CONFIDENCE
from artclf.evaluation.metrics import THRESHOLD
from artclf.evaluation.significance import LEVEL, holm, mcnemar, paired_differences, smallest_difference
from artclf.evaluation.types import Booleans, Floats


@dataclass(frozen=True)
class Classifier:
    """A classifier's scores, and how it was trained."""

    name: str
    p_ai: Floats  # [N], the same images in the same order for all classifiers
    setting: Collection[str] | None  # what was configured, the seed aside; None where that is unknown


def compare_with_best(classifiers: Sequence[Classifier], is_ai: Booleans, intervals: int) -> dict[str, Any]:
    """Test the first classifier against each other one.

    Args:
        classifiers: the best first.
        is_ai: [N], the truth.
        intervals: for how many of the first classifiers the differences get intervals.

    Returns:
        What comparison.json holds: `pairs`, the first classifier against each other one, in their order; and `method`.
        A pair's `verdict` is "same setting", "chance", or "ahead" or "behind", where the first is right more or less often
        than the other by more than chance explains.
    """
    called_ai = [classifier.p_ai >= THRESHOLD for classifier in classifiers]
    right = [called == is_ai for called in called_ai]
    tests = [mcnemar(one, other) for one, other in combinations(right, 2)]
    corrected = holm([test.p for test in tests])
    best, *others = classifiers
    pairs = []
    for row, other in enumerate(others):
        test, p = tests[row], float(corrected[row])  # the pairs with the first come first
        same = best.setting is not None and other.setting is not None and set(best.setting) == set(other.setting)
        lead = "ahead" if test.only_first > test.only_second else "behind"
        figures = {}
        if row + 1 < intervals:
            scores, called = np.stack([best.p_ai, other.p_ai]), np.stack([called_ai[0], called_ai[row + 1]])
            figures = paired_differences(is_ai, scores, called)
        pair = {
            "first": best.name,
            "second": other.name,
            "same_setting": same,
            "n": len(is_ai),
            "only_first_right": test.only_first,
            "only_second_right": test.only_second,
            "p": test.p,
            "p_corrected": p,
            "larger_than_chance": p <= LEVEL,
            "verdict": "same setting" if same else lead if p <= LEVEL else "chance",
            "smallest_accuracy_difference_told": smallest_difference(
                test.only_first + test.only_second, len(is_ai), len(tests)
            ),
            "differences": {
                name: {"difference": figure.value, "low": figure.low, "high": figure.high} for name, figure in figures.items()
            },
        }
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
