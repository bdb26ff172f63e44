"""How far facts tell the classes apart on pictures that were not learnt from: all together, and each by itself.

All together by a small random forest; each alone by its order or a small tree. Cross-validated, with copies in one fold.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu, norm
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from artclf.evaluation.intervals import Estimate, auroc, rates
from artclf.evaluation.shortcuts import commonest
from artclf.evaluation.significance import LEVEL, holm
from artclf.evaluation.types import Booleans, Floats, Indices

TREES = 40
FOLDS = 5
_MOST_TO_A_TREE = 2_000  # pictures: more make a forest slower, and hardly better at so few facts
_LEAST_AUROC = 0.55  # below which a difference is not worth a word, however sure
SEVERITIES = (("severe", 0.75), ("moderate", 0.6))
"""Words, and what the lower bound of AUROC's interval is at least."""
MET = "met by the canonical form"
"""The severity of what the network is not shown, since all pictures are brought into one form."""

Facts = dict[str, tuple[pd.Series, bool]]
"""Name → values, and whether they are names rather than numbers."""


@dataclass(frozen=True)
class Fact:
    """How far one fact tells the classes apart by itself.

    Attributes:
        name: in words.
        auroc: of its order, or of a small tree on held-out pictures, whichever tells more; 0.5 where it is always the same.
        p: of that by chance, corrected for all facts that were looked at (Holm).
        human: what is typical of human works, in words.
        ai: the same of AI works.
        constant: whether it is the same for all pictures.
        met: whether the canonical form in which pictures are read takes it away.
    """

    name: str
    auroc: Estimate
    p: float
    human: str
    ai: str
    constant: bool
    met: bool = False

    @property
    def notable(self) -> bool:
        """Whether it is more than chance, and enough to be worth a word."""
        return self.p < LEVEL and (self.auroc.value or 0.0) >= _LEAST_AUROC

    @property
    def severity(self) -> str:
        """One of severe, moderate and slight, by what AUROC is at least; `MET`; none where it is not notable."""
        if not self.notable:
            return "none"
        if self.met:
            return MET
        return next((word for word, least in SEVERITIES if (self.auroc.low or 0.0) >= least), "slight")

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "fact": self.name,
            "auroc": _number(self.auroc.value),
            "auroc_interval": _interval(self.auroc),
            "p": _number(self.p),
            "severity": self.severity,
            "human": self.human,
            "ai": self.ai,
            "constant": self.constant,
        }


@dataclass(frozen=True)
class Giveaway:
    """What a small classifier reaches on some facts, on held-out pictures; figures undefined where there are too few.

    Attributes:
        accuracy: share judged rightly.
        balanced_accuracy: both classes count alike.
        auroc: of its scores. Intervals are those of fixed scores; where nothing differs, nine of ten hold the truth.
        p: of that by chance, corrected for all sets of facts that were looked at (Holm).
        facts: each by itself, the most telling first.
    """

    accuracy: Estimate
    balanced_accuracy: Estimate
    auroc: Estimate
    p: float
    facts: list[Fact]

    @property
    def notable(self) -> bool:
        """Whether it is more than chance, and enough to be worth a word."""
        return self.p < LEVEL and (self.auroc.value or 0.0) >= _LEAST_AUROC

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        figures: dict[str, Any] = {}
        for name in ("accuracy", "balanced_accuracy", "auroc"):
            estimate: Estimate = getattr(self, name)
            figures |= {name: _number(estimate.value), f"{name}_interval": _interval(estimate)}
        figures |= {"p": _number(self.p), "notable": self.notable}
        return {**figures, "top": [fact.to_json() for fact in self.facts]}


def deal_folds(is_ai: Booleans, groups: Indices, seed: int) -> Indices:
    """Deal pictures to at most five folds, each with its share of both classes and no group in two.

    Args:
        is_ai: [N], the truth.
        groups: [N], copies of each other have the same number.
        seed: of the order.

    Returns:
        [N], 0 to 4; where a class has fewer groups than five, to so many less one.
    """
    table = pd.DataFrame({"group": groups, "is_ai": is_ai})
    kinds_of = table.groupby("group")["is_ai"].agg(["any", "all"]).sum(axis=1)  # 0 human, 1 both labels, 2 AI
    fewest = int(min(table[table["is_ai"] == label]["group"].nunique() for label in (False, True)))
    order = np.random.default_rng(seed).permutation(len(kinds_of))
    order = order[np.argsort(kinds_of.to_numpy()[order], kind="stable")]
    dealt = pd.Series(np.arange(len(order)) % max(1, min(FOLDS, fewest)), index=kinds_of.index[order])
    fold: Indices = table["group"].map(dealt).to_numpy(dtype=np.int64)
    return fold


def _coded(values: pd.Series) -> Floats:
    """Names as numbers by how common they are, without a look at the classes; those that one file alone has are one.

    Of equally common ones the alphabet decides: tables list one class after the other, so that the order in which names come
    up would tell the class.
    """
    counts = values.map(values.value_counts())
    known = values.where(counts > 1, "a value of its own")
    commonest_first = known.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    places = {name: float(place) for place, name in enumerate(commonest_first.index)}
    coded: Floats = known.map(places).to_numpy(dtype=float)
    return coded


def weigh(sets: Mapping[str, Facts], is_ai: Booleans, folds: Indices, seed: int, trees: int) -> dict[str, Giveaway]:
    """Weigh each set of facts together, and each fact by itself; p-values are corrected over all sets, and over all facts.

    Args:
        sets: name → facts of the same N pictures.
        is_ai: [N], the truth; both classes must be there.
        folds: [N], from `deal_folds`; two at least.
        seed: of the forests and trees.
        trees: of each forest.

    Returns:
        What each set gives away, by its name.
    """
    together = {group: _together(facts, is_ai, folds, seed, trees) for group, facts in sets.items()}
    alone = {
        (group, name): _alone(values, named, is_ai, folds, seed)
        for group, facts in sets.items()
        for name, (values, named) in facts.items()
    }
    chances = holm([_held_out_by_chance(p_ai, is_ai, folds) for p_ai in together.values()])
    p_together = dict(zip(together, chances.tolist(), strict=True))
    corrected = holm([p for _, p in alone.values()])
    facts: dict[str, list[Fact]] = {group: [] for group in sets}
    for ((group, name), (scores, _)), p in zip(alone.items(), corrected, strict=True):
        values, named = sets[group][name]
        constant = values.nunique() == 1
        estimate = auroc(is_ai, scores)
        human, ai = (_typical(values[side], named, name) for side in (~is_ai, is_ai))
        facts[group].append(Fact(name, estimate, float(p), human, ai, constant))
    weighed = {}
    for group, p_ai in together.items():
        verdicts = rates(is_ai, p_ai >= 0.5)
        weighed[group] = Giveaway(
            verdicts.accuracy,
            verdicts.balanced_accuracy,
            auroc(is_ai, p_ai),
            p_together[group],
            sorted(facts[group], key=lambda fact: -(fact.auroc.value or 0.0)),
        )
    return weighed


def _together(facts: Facts, is_ai: Booleans, folds: Indices, seed: int, trees: int) -> Floats:
    """Each picture's probability of AI by a forest on all facts; where all are the same, the share of AI works."""
    columns = [_coded(values) if named else values.to_numpy(dtype=float) for values, named in facts.values()]
    columns = [column for column in columns if len(np.unique(column)) > 1]
    if not columns:
        return np.full(len(is_ai), is_ai.mean())
    forest = RandomForestClassifier(
        trees,
        min_samples_leaf=_least_leaf(is_ai),
        class_weight="balanced",
        max_samples=_MOST_TO_A_TREE if len(is_ai) > 1.5 * _MOST_TO_A_TREE else None,
        random_state=seed,
        n_jobs=1,
    )
    return _held_out(forest, np.column_stack(columns), is_ai, folds)


def _least_leaf(is_ai: Booleans) -> int:
    """How many pictures a leaf of a tree needs: a hundredth of all, so that few do not decide."""
    return max(2, math.ceil(0.01 * len(is_ai)))


def _held_out(model: Any, matrix: Floats, is_ai: Booleans, folds: Indices) -> Floats:
    """Each picture's probability of AI, by a model that saw no picture of its fold."""
    p_ai: Floats = cross_val_predict(model, matrix, is_ai, cv=PredefinedSplit(folds), method="predict_proba")[:, 1]
    return p_ai.round(6)  # what is equal but for rounding is a tie


def _alone(values: pd.Series, named: bool, is_ai: Booleans, folds: Indices, seed: int) -> tuple[Floats, float]:
    """Scores of one fact by itself, the higher the more they speak for AI, and the p-value of their telling the classes apart.

    The order of a number (up or down) and a small tree, which also sees that one class lies between the other's values, are
    both tried; the better one counts, and its p-value twice.
    """
    numbers = _coded(values) if named else values.to_numpy(dtype=float)
    if len(np.unique(numbers)) == 1:
        return numbers, 1.0
    tree = DecisionTreeClassifier(
        max_leaf_nodes=8, min_samples_leaf=_least_leaf(is_ai), class_weight="balanced", random_state=seed
    )
    scores = _held_out(tree, numbers[:, None], is_ai, folds)
    ways = [(scores, _held_out_by_chance(scores, is_ai, folds))]
    if not named:
        above = mannwhitneyu(numbers[is_ai], numbers[~is_ai]).statistic / (is_ai.sum() * (~is_ai).sum())
        ways.append((numbers if above >= 0.5 else -numbers, _by_chance(numbers, is_ai)))
    best, p = min(ways, key=lambda way: way[1])
    return best, min(1.0, p * len(ways))


def _by_chance(scores: Floats, is_ai: Booleans) -> float:
    """The two-sided p-value of Mann and Whitney's test."""
    return 1.0 if len(np.unique(scores)) == 1 else float(mannwhitneyu(scores[is_ai], scores[~is_ai]).pvalue)


def _held_out_by_chance(p_ai: Floats, is_ai: Booleans, folds: Indices) -> float:
    """The p-value of held-out scores that are higher for AI works.

    Those who score the folds have learnt from much the same pictures, and so err together: Mann and Whitney's test would take
    chance for more in one case of ten. Its normal deviate is made smaller as by Nadeau and Bengio (Inference for the
    Generalization Error, 2003): by the root of 1 + k · (pictures in a fold / all others), for k folds.
    """
    if len(np.unique(p_ai)) == 1:
        return 1.0
    k = int(folds.max()) + 1
    deviate = norm.isf(mannwhitneyu(p_ai[is_ai], p_ai[~is_ai], alternative="greater").pvalue)
    return float(norm.sf(deviate / math.sqrt(1 + k / (k - 1))))


def _typical(values: pd.Series, named: bool, name: str) -> str:
    """The commonest of names, the median and the middle half of numbers, in words."""
    if name == "JPEG quality":
        return commonest(values.astype(int).astype(str).where(values >= 0, "no JPEG"))
    if named:
        return commonest(values)
    digits = 0 if name == "size" else 2
    low, middle, high = (f"{values.quantile(share):.{digits}f}" for share in (0.25, 0.5, 0.75))
    return middle if low == high else f"{middle} ({low} to {high})"


def _number(value: float | None) -> float | None:
    """Six digits, which is more than any of these figures has."""
    return None if value is None else float(f"{value:.6g}")


def _interval(estimate: Estimate) -> list[float | None]:
    return [_number(estimate.low), _number(estimate.high)]
