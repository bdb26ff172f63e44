"""Shortcuts: how well facts of the files, or statistics of whole images, tell the classes apart without a look at the art.

What a small cross-validated model reaches on such facts, the data gives away for free: a network is to be compared with that.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from scipy.stats import mannwhitneyu, norm
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import PredefinedSplit, StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from artclf.evaluation.intervals import UNDEFINED, Estimate, auroc, rates
from artclf.evaluation.significance import LEVEL, holm
from artclf.evaluation.types import Booleans, Floats, Indices

DENSITY = "bytes per pixel"
SEVERITIES = (("severe", 0.75), ("moderate", 0.6))
"""Names, and the least lower bound of AUROC's interval."""
MET = "met by the canonical form"
"""The severity of what the network is not shown, since all images are brought into one form."""
FEWEST = 5  # images of each class below which nothing is compared
TREES = 40
_FOLDS = 5
_MOST_TO_A_TREE = 2_000  # images: more make a forest slower, and hardly better at so few facts
_LEAST_AUROC = 0.55  # below which a difference is not reported, however sure
_COMMON = 0.1  # share of the files from which on a commonest value is worth naming

Facts = dict[str, pd.Series]
"""Name → values of N images; what is not numeric is a category."""


@dataclass(frozen=True)
class Fact:
    """How well one fact tells the classes apart by itself.

    Attributes:
        name: in words.
        auroc: of its order, or of a small tree on held-out images, whichever is the more significant.
        p: its p-value, corrected for all facts that were looked at (Holm).
        human, ai: what is typical of images of the class, in words.
        constant: whether it is the same for all images.
        met: whether the canonical form in which images are read takes it away.
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
        """Whether it is more than chance, and enough to be reported."""
        return _notable(self.p, self.auroc)

    @property
    def severity(self) -> str:
        """One of severe, moderate and slight, by AUROC's lower bound; `MET`; none where it is not notable."""
        if not self.notable:
            return "none"
        if self.met:
            return MET
        return next((name for name, least in SEVERITIES if (self.auroc.low or 0.0) >= least), "slight")

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "fact": self.name,
            **_plain("auroc", self.auroc),
            "p": _rounded(self.p),
            "severity": self.severity,
            "human": self.human,
            "ai": self.ai,
            "constant": self.constant,
        }


@dataclass(frozen=True)
class FactSet:
    """What a random forest reaches on several facts, on held-out images, and each fact by itself, the highest AUROC first.

    The intervals are those of fixed scores, and somewhat narrow for cross-validated ones. p is corrected for all sets of facts
    (Holm).
    """

    accuracy: Estimate = UNDEFINED
    balanced_accuracy: Estimate = UNDEFINED
    auroc: Estimate = UNDEFINED
    p: float = 1.0
    facts: tuple[Fact, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            **_plain("accuracy", self.accuracy),
            **_plain("balanced_accuracy", self.balanced_accuracy),
            **_plain("auroc", self.auroc),
            "p": _rounded(self.p),
            "notable": _notable(self.p, self.auroc),
            "top": [fact.to_json() for fact in self.facts],
        }


def find_shortcuts(facts: pd.DataFrame) -> list[Fact]:
    """Compare the classes by each fact of the files alone, from their headers.

    Args:
        facts: a row a file: label and the columns of `artclf.data.facts.FileFacts`.

    Returns:
        The highest AUROC first; none where a class has fewer than `FEWEST` files.
    """
    is_ai = (facts["label"] == "ai").to_numpy(dtype=bool)
    if min(is_ai.sum(), (~is_ai).sum()) < FEWEST:
        return []
    return sorted(_each(file_facts(facts).items(), is_ai, deal_folds(is_ai), seed=0), key=_most_telling)


def deal_folds(is_ai: Booleans, groups: Indices | None = None, seed: int = 0) -> Indices:
    """Deal images to five folds, [N]: each with its share of both classes, and no group of copies in two."""
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(_FOLDS, shuffle=True, random_state=seed)
    folds = np.empty(len(is_ai), dtype=np.int64)
    for number, (_, fold) in enumerate(splitter.split(is_ai, is_ai, groups)):
        folds[fold] = number
    return folds


def measure_facts(sets: Mapping[str, Facts], is_ai: Booleans, folds: Indices, seed: int, trees: int) -> dict[str, FactSet]:
    """Measure each set of facts together and each fact alone; p-values are corrected over all sets, and over all facts.

    Args:
        sets: name → facts of the same N images.
        is_ai: [N], the truth; both classes must be there.
        folds: [N], from `deal_folds`.
        seed: of the forests and trees.
        trees: of each forest.
    """
    scores = {name: _forest_scores(facts, is_ai, folds, seed, trees) for name, facts in sets.items()}
    p = dict(zip(scores, holm([_held_out_p(p_ai, is_ai, folds) for p_ai in scores.values()]).tolist(), strict=True))
    every = iter(_each([fact for facts in sets.values() for fact in facts.items()], is_ai, folds, seed))
    measured = {}
    for name, p_ai in scores.items():
        verdicts = rates(is_ai, p_ai >= 0.5)
        own = tuple(sorted(islice(every, len(sets[name])), key=_most_telling))
        measured[name] = FactSet(verdicts.accuracy, verdicts.balanced_accuracy, auroc(is_ai, p_ai), p[name], own)
    return measured


def file_facts(rows: pd.DataFrame) -> Facts:
    """What is known of a file without its pixels; not EXIF, which no network sees."""
    quality = rows["jpeg_quality"].astype("Float64").fillna(-1.0).astype(float)  # "no JPEG", below all that there are
    return {
        "size": (rows["width"] * rows["height"]) ** 0.5,
        "aspect": rows["width"] / rows["height"],
        DENSITY: bytes_per_pixel(rows),
        "format": rows["format"],
        "colour mode": rows["mode"],
        "JPEG quality": quality,
        "JPEG tables": rows["tables"].astype(object).fillna("none"),
        "chroma subsampling": rows["subsampling"].astype(object).fillna("none"),
    }


def bytes_per_pixel(facts: pd.DataFrame) -> pd.Series:
    """Size of the file over the number of its pixels."""
    density: pd.Series = facts["bytes"] / (facts["width"] * facts["height"])
    return density


def commonest(values: pd.Series) -> str:
    """The commonest value and its share, in words; how many there are where none is common."""
    shares = values.value_counts(normalize=True)
    scattered = shares.iloc[0] < _COMMON and len(shares) > 1
    return f"{len(shares):,} different" if scattered else f"{shares.index[0]} ({shares.iloc[0]:.0%})"


def _each(facts: Iterable[tuple[str, pd.Series]], is_ai: Booleans, folds: Indices, seed: int) -> list[Fact]:
    """Each fact by itself, in order; p-values are corrected over all."""
    facts = list(facts)
    alone = [_alone(values, is_ai, folds, seed) for _, values in facts]
    found = []
    for (name, values), (scores, _), p in zip(facts, alone, holm([p for _, p in alone]), strict=True):
        human, ai = (_typical(values[side], name) for side in (~is_ai, is_ai))
        found.append(Fact(name, auroc(is_ai, scores), float(p), human, ai, constant=values.nunique() == 1))
    return found


def _most_telling(fact: Fact) -> float:
    return -(fact.auroc.value or 0.0)


def _forest_scores(facts: Facts, is_ai: Booleans, folds: Indices, seed: int, trees: int) -> Floats:
    """Each image's probability of AI by a forest on all facts; where all are the same, the share of AI images."""
    columns = [column for column in map(_numbers, facts.values()) if len(np.unique(column)) > 1]
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


def _alone(values: pd.Series, is_ai: Booleans, folds: Indices, seed: int) -> tuple[Floats, float]:
    """Scores of one fact by itself, the higher the more they speak for AI, and their p-value.

    Tried are a small tree and the order of a number, up or down; the better one counts, and its p-value twice.
    """
    numbers = _numbers(values)
    if len(np.unique(numbers)) == 1:
        return numbers, 1.0
    tree = DecisionTreeClassifier(
        max_leaf_nodes=8, min_samples_leaf=_least_leaf(is_ai), class_weight="balanced", random_state=seed
    )
    scores = _held_out(tree, numbers[:, None], is_ai, folds)
    ways = [(scores, _held_out_p(scores, is_ai, folds))]
    if is_numeric_dtype(values):
        test = mannwhitneyu(numbers[is_ai], numbers[~is_ai])
        upwards = test.statistic >= is_ai.sum() * (~is_ai).sum() / 2
        ways.append((numbers if upwards else -numbers, float(test.pvalue)))
    best, p = min(ways, key=lambda way: way[1])
    return best, min(1.0, p * len(ways))


def _numbers(values: pd.Series) -> Floats:
    """Values as numbers; categories by how common they are, without a look at the classes; those of one file alone are one.

    Of equally common ones the alphabet decides, not the order of the table, which lists one class after the other.
    """
    if is_numeric_dtype(values):
        numbers: Floats = values.to_numpy(dtype=float)
        return numbers
    counts = values.map(values.value_counts())
    known = values.where(counts > 1, "a value of its own")
    commonest_first = known.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    places = {name: float(place) for place, name in enumerate(commonest_first.index)}
    coded: Floats = known.map(places).to_numpy(dtype=float)
    return coded


def _least_leaf(is_ai: Booleans) -> int:
    """How many images a leaf of a tree needs: a hundredth of all, so that few do not decide."""
    return max(2, math.ceil(0.01 * len(is_ai)))


def _held_out(model: Any, matrix: Floats, is_ai: Booleans, folds: Indices) -> Floats:
    """Each image's probability of AI, by a model that saw no image of its fold; rounded, so that ties are ties."""
    p_ai: Floats = cross_val_predict(model, matrix, is_ai, cv=PredefinedSplit(folds), method="predict_proba")[:, 1]
    return p_ai.round(6)


def _held_out_p(p_ai: Floats, is_ai: Booleans, folds: Indices) -> float:
    """The p-value of held-out scores that are higher for AI images.

    Models of the folds learnt from much the same images, and so err together: the normal deviate of Mann and Whitney's test is
    divided by the root of 1 + k · (images in a fold / all others), for k folds (Nadeau and Bengio, Inference for the
    Generalization Error, 2003).
    """
    if len(np.unique(p_ai)) == 1:
        return 1.0
    k = int(folds.max()) + 1
    deviate = norm.isf(mannwhitneyu(p_ai[is_ai], p_ai[~is_ai], alternative="greater").pvalue)
    return float(norm.sf(deviate / math.sqrt(1 + k / (k - 1))))


def _typical(values: pd.Series, name: str) -> str:
    """The commonest of categories, the median and the middle half of numbers, in words."""
    if name == "JPEG quality":
        return commonest(values.astype(int).astype(str).where(values >= 0, "no JPEG"))
    if not is_numeric_dtype(values):
        return commonest(values)
    digits = 0 if name == "size" else 2
    low, middle, high = (f"{values.quantile(share):.{digits}f}" for share in (0.25, 0.5, 0.75))
    return middle if low == high else f"{middle} ({low} to {high})"


def _notable(p: float, auroc: Estimate) -> bool:
    return p < LEVEL and (auroc.value or 0.0) >= _LEAST_AUROC


def _plain(name: str, estimate: Estimate) -> dict[str, Any]:
    return {name: _rounded(estimate.value), f"{name}_interval": [_rounded(estimate.low), _rounded(estimate.high)]}


def _rounded(value: float | None) -> float | None:
    """Six digits, which is more than any of these figures has."""
    return None if value is None else float(f"{value:.6g}")
