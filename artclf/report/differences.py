"""Whether the best run's lead over each other run is larger than chance explains: the tests, and what they say in words.

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
from artclf.report import format as fmt
from artclf.report.finished_runs import JudgedRun

_NAMED = 8  # runs that a sentence names; more are counted


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


def standings(runs: Sequence[JudgedRun], differs: Sequence[str], differences: Differences) -> list[str]:
    """Say which run comes first, and which one accuses the fewest artists; of seeds alone, how far they spread.

    Args:
        runs: the best first.
        differs: what each run's command says that not all others say.
        differences: of the best from each other run.
    """
    best = runs[0]
    balanced, accused = (fmt.share(best.figures[name]) for name in ("balanced_accuracy", "false_positive_rate"))
    if len(runs) == 1:
        return [f"Run {best.name}: a balanced accuracy of {balanced}; it calls {accused} of the human works AI."]
    if all(pair.alike for pair in differences.pairs):
        seeds = fmt.listed(sorted({run.seed for run in runs}, key=lambda seed: (len(seed), seed)))
        last = fmt.share(runs[-1].figures["balanced_accuracy"])
        return [f"All {len(runs)} runs are one setting (seeds: {seeds}), with balanced accuracies from {last} to {balanced}."]
    what = f" ({differs[0]})" if differs[0] else ""
    sentences = [
        f"The best balanced accuracy is that of run {best.name}{what}: {balanced}; it calls {accused} of the human works AI."
    ]
    rates = [run.figures["false_positive_rate"] for run in runs]
    if None not in rates and min(rates) < rates[0]:
        row = rates.index(min(rates))
        gentle = runs[row]
        interval = differences.pairs[row - 1].figures.get("false_positive_rate")
        fewer = (
            f", {fmt.points(interval.value, signed=False)} points fewer "
            f"(95% interval {fmt.points(interval.low)} to {fmt.points(interval.high)})"
            if interval
            else ""
        )
        sentences.append(
            f"The fewest false accusations are those of run {gentle.name}: {fmt.share(rates[row])} of the human works"
            f"{fewer}, at a balanced accuracy of {fmt.share(gentle.figures['balanced_accuracy'])}."
        )
    return sentences


def verdicts(differences: Differences) -> list[str]:
    """What the tests say, in plain words: which leads are larger than chance explains, and which could be chance."""
    others = [pair for pair in differences.pairs if not pair.alike]
    sentences = []
    if len(differences.pairs) == 1 and others:
        sentences.append(_of_two(others[0], differences.pictures))
    elif others:
        sentences += _of_many(others, differences)
    seeds = [pair for pair in differences.pairs if pair.alike]
    if seeds:
        sentences.append(_of_seeds(seeds, differences))
    return sentences


def _of_two(pair: Difference, pictures: int) -> str:
    test = pair.mcnemar
    if not test.only_first + test.only_second:
        return f"Runs {pair.best} and {pair.other} get the very same pictures right: nothing tells them apart."
    alone = (
        f"{fmt.plural(test.only_first, 'picture is', 'pictures are')} judged rightly by run {pair.best} alone, "
        f"{fmt.count(test.only_second)} by run {pair.other} alone"
    )
    interval = pair.figures["accuracy"]
    between = (
        f"{fmt.points(interval.value)} points of accuracy, "
        f"95% interval {fmt.points(interval.low)} to {fmt.points(interval.high)}"
    )
    if pair.larger_than_chance:
        ahead = pair.best if pair.accuracy > 0 else pair.other
        return (
            f"{alone}: run {ahead} is right more often, and the difference is larger than chance explains "
            f"({between}; McNemar's exact test, {_p(test.p)})."
        )
    return (
        f"{alone}: the difference could be chance ({between}; McNemar's exact test, {_p(test.p)}). {_limit([pair], pictures)}"
    )


def _of_many(others: Sequence[Difference], differences: Differences) -> list[str]:
    told = [pair for pair in others if pair.larger_than_chance]
    ahead = [pair for pair in told if pair.accuracy > 0]
    behind = [pair for pair in told if pair.accuracy < 0]
    chance = [pair for pair in others if not pair.larger_than_chance]
    best = others[0].best
    by = f"McNemar's exact test, corrected for the {fmt.plural(differences.tests, 'pair')} of runs"
    sentences = []
    if ahead:
        worst = max(pair.p_corrected for pair in ahead)
        sentences.append(
            f"Run {best} is right more often than {_runs(ahead)}: the difference is larger than chance explains "
            f"({by}: {'each ' if len(ahead) > 1 else ''}{_p(worst, at_most=len(ahead) > 1)})."
        )
    if behind:
        sentences.append(
            f"{_capital(_runs(behind))} {'is' if len(behind) == 1 else 'are'} right more often than run {best}, by more "
            f"than chance explains ({by}), though not in balanced accuracy: the labels are not equally many."
        )
    if chance:
        least = min(pair.p_corrected for pair in chance)
        at_least = "each p ≥ " if len(chance) > 1 else "p = "
        sentences.append(
            f"Between run {best} and {_runs(chance)} the difference could be chance "
            f"({by}: {at_least}{fmt.p_value(least)}). {_limit(chance, differences.pictures)}"
        )
    return sentences


def _of_seeds(seeds: Sequence[Difference], differences: Differences) -> str:
    best = seeds[0].best
    furthest = max(seeds, key=lambda pair: abs(pair.accuracy))
    how_far = f"{fmt.points(abs(furthest.accuracy), signed=False)} points of accuracy"
    start = (
        f"Run {best} and {_runs(seeds)} are one setting trained anew: what lies between them "
        f"({'up to ' if len(seeds) > 1 else ''}{how_far}) is no merit of the one or the other."
    )
    larger = [pair for pair in seeds if pair.larger_than_chance]
    if larger:
        p = _p(min(pair.p_corrected for pair in larger))
        return (
            f"{start} It is larger than the chance of these pictures explains ({p}), so"
            " training anew alone moves the verdicts that far."
        )
    return f"{start} It could be the chance of these {fmt.plural(differences.pictures, 'picture')} alone."


def cautions(runs: Sequence[JudgedRun], differences: Differences) -> list[str]:
    """What the tests do not say, and what they rest on."""
    if not differences.pairs:
        return []
    sentences = [
        f"The tests are about these {fmt.plural(differences.pictures, 'picture')} and these trained weights. How another "
        "training of the same settings would come out, or other pictures, they do not say"
    ]
    spread = _seed_spread(runs)
    if spread is None:
        sentences[0] += "; several seeds of each setting tell more."
    else:
        sentences[0] += (
            f": seeds of one setting lie up to {fmt.points(spread, signed=False)} points of accuracy apart here, and a "
            "difference between settings that is no larger need not be the setting's doing."
        )
    if len(runs) > 2 and not all(pair.alike for pair in differences.pairs):
        sentences.append(
            f"Run {runs[0].name} was picked as the best of {len(runs)} by these very pictures, which flatters its figures. "
            f"The p-values are corrected for that, by Holm's method over all {fmt.plural(differences.tests, 'pair')}; each "
            "interval stands for itself."
        )
    return sentences


def _seed_spread(runs: Sequence[JudgedRun]) -> float | None:
    """The largest difference in accuracy between two runs of one setting; None where no setting was run twice."""
    apart = [
        abs(one.figures["accuracy"] - other.figures["accuracy"]) for one, other in combinations(runs, 2) if one.alike(other)
    ]
    return max(apart, default=None)


def _limit(pairs: Sequence[Difference], pictures: int) -> str:
    smallest = max(pair.smallest for pair in pairs)
    if smallest >= 1:
        return f"{fmt.plural(pictures, 'picture')} are too few to tell any two runs apart."
    return (
        f"On these {fmt.plural(pictures, 'picture')} differences under about {fmt.points(smallest, signed=False)} points "
        "of accuracy can't be told apart."
    )


def _runs(pairs: Sequence[Difference]) -> str:
    names = [pair.other for pair in pairs]
    if len(names) > _NAMED:
        return f"{len(names)} other runs"
    return f"{'run' if len(names) == 1 else 'runs'} {fmt.listed(names)}"


def _p(p: float, *, at_most: bool = False) -> str:
    text = fmt.p_value(p)
    return f"p {text}" if text.startswith("<") else f"p {'≤' if at_most else '='} {text}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
