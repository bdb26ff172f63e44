"""Whether the best run's lead over each other run is larger than chance explains: the tests.

The best run is picked by the very pictures that it is then tested on. So the p-values are corrected for all pairs of the runs,
not only for those with the best: any two of them could have been the pair that is told of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from artclf.evaluation import significance
from artclf.evaluation.intervals import CONFIDENCE, Estimate
from artclf.evaluation.significance import McNemar
from artclf.report.finished_runs import JudgedRun


@dataclass(frozen=True)
class Difference:
    """The best run against another one.

    Attributes:
        best: name of the best run.
        other: name of the other one.
        alike: whether both are of one setting, the seed aside.
        mcnemar: of the best's and the other's verdicts.
        p_corrected: Holm's, over all pairs of the runs.
        figures: figure → best minus other, with its interval; empty for runs that are not shown.
        accuracy: best minus other.
        smallest: the least difference in accuracy that the test could have told.
    """

    best: str
    other: str
    alike: bool
    mcnemar: McNemar
    p_corrected: float
    figures: Mapping[str, Estimate]
    accuracy: float
    smallest: float

    @property
    def larger_than_chance(self) -> bool:
        """Whether the corrected p-value says so."""
        return self.p_corrected <= significance.LEVEL

    @property
    def told(self) -> str:
        """What the test says, in a few words."""
        if self.alike:
            return "one setting, trained anew"
        if not self.larger_than_chance:
            return "could be chance"
        return "larger than chance" if self.accuracy > 0 else "larger than chance, the other one right more often"


@dataclass(frozen=True)
class Differences:
    """The best run against each other run, in the order of the runs.

    Attributes:
        pairs: one less than there are runs.
        tests: the number of pairs that p-values are corrected for.
        pictures: N.
    """

    pairs: tuple[Difference, ...]
    tests: int
    pictures: int

    def to_json(self) -> dict[str, Any]:
        """The pairs and how they were tested, as comparison.json holds them."""
        return {
            "pairs": [self._pair(pair) for pair in self.pairs],
            "method": {
                "test": "McNemar, exact, two-sided",
                "correction": "Holm, over all pairs of the runs",
                "tests": self.tests,
                "level": significance.LEVEL,
                "interval": "paired: Newcombe's method 10 for rates, square-and-add for balanced accuracy, DeLong for AUROC",
                "confidence": CONFIDENCE,
            },
        }

    def _pair(self, pair: Difference) -> dict[str, Any]:
        return {
            "first": pair.best,
            "second": pair.other,
            "same_setting": pair.alike,
            "n": self.pictures,
            "only_first_right": pair.mcnemar.only_first,
            "only_second_right": pair.mcnemar.only_second,
            "p": pair.mcnemar.p,
            "p_corrected": pair.p_corrected,
            "larger_than_chance": pair.larger_than_chance,
            "smallest_accuracy_difference_told": pair.smallest,
            "differences": {
                name: {"difference": estimate.value, "low": estimate.low, "high": estimate.high}
                for name, estimate in pair.figures.items()
            },
        }


def against_the_best(runs: Sequence[JudgedRun], *, shown: int) -> Differences:
    """Test the first run against each other one.

    Args:
        runs: on the same test pictures in the same order, the best first.
        shown: for how many of them intervals are computed; the first ones.
    """
    right = [run.right for run in runs]
    tests = [significance.mcnemar(right[i], right[j]) for i, j in combinations(range(len(runs)), 2)]
    corrected = significance.holm([test.p for test in tests])
    best, pictures = runs[0], len(right[0])
    pairs = []
    for row, (run, test, p) in enumerate(zip(runs[1:], tests, corrected, strict=False), start=1):  # the best's pairs lead
        figures: Mapping[str, Estimate] = {}
        if row < shown:
            p_ai, called = np.stack([best.p_ai, run.p_ai]), np.stack([best.called_ai, run.called_ai])
            figures = significance.paired_differences(best.is_ai, p_ai, called)
        discordant = test.only_first + test.only_second
        pairs.append(
            Difference(
                best=best.name,
                other=run.name,
                alike=best.alike(run),
                mcnemar=test,
                p_corrected=float(p),
                figures=figures,
                accuracy=(test.only_first - test.only_second) / pictures,
                smallest=significance.smallest_difference(discordant, pictures, len(tests)),
            )
        )
    return Differences(tuple(pairs), len(tests), pictures)
