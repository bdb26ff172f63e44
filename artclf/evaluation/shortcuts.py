"""Shortcuts: how well facts of the files, or statistics of whole images, tell the classes apart without a look at the art.

What a small cross-validated model reaches on such facts, the data gives away for free: a network is to be compared with that.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from scipy.stats import mannwhitneyu, norm
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import PredefinedSplit, StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from artclf.evaluation import Booleans, Floats, Indices
from artclf.evaluation.intervals import Estimate, auroc, estimate_metrics
from artclf.evaluation.significance import LEVEL, holm

DENSITY = "bytes per pixel"
SEVERITIES = {"severe": 0.75, "moderate": 0.6, "slight": 0.0}  # least lower bound of AUROC's interval
FEWEST = 5  # images of each class below which nothing is compared
TREES = 40
FIGURES = ("accuracy", "balanced_accuracy", "auroc")
_FOLDS = 5
_MOST_TO_A_TREE = 2_000  # images: more make a forest slower, and hardly better at so few facts
_LEAST_AUROC = 0.55  # below which a difference is not reported, however sure
_COMMON = 0.1  # share of the files from which on a commonest value is worth naming

Fact = dict[str, Any]
"""How well one fact alone tells the classes apart, as audit.json holds it: fact (its name); auroc and auroc_interval, of its
order, or of a small tree on held-out images, whichever is the more significant; p, corrected for all facts that were compared
(Holm); severity, one of `SEVERITIES` or "none"; human and ai, what is typical of each class; constant, the same for all."""


def find_shortcuts(files: pd.DataFrame) -> list[Fact]:
    """Compare the classes by each fact of the files' headers alone; nothing where a class has fewer than `FEWEST` files.

    Args:
        files: a row a file: label and the columns of `artclf.data.facts.FileFacts`.
    """
    is_ai = (files["label"] == "ai").to_numpy(dtype=bool)
    if min(is_ai.sum(), (~is_ai).sum()) < FEWEST:
        return []
    return _measure_alone({"file": file_facts(files)}, is_ai, assign_folds(is_ai), seed=0)["file"]


def assign_folds(is_ai: Booleans, groups: Indices | None = None, seed: int = 0) -> Indices:
    """Assign images to five folds, [N]: each with its share of both classes, and no group of copies in two."""
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    folds = np.empty(len(is_ai), dtype=np.int64)
    for number, (_, fold) in enumerate(kind(_FOLDS, shuffle=True, random_state=seed).split(is_ai, is_ai, groups)):
        folds[fold] = number
    return folds


def measure_facts(
    sets: Mapping[str, pd.DataFrame], is_ai: Booleans, folds: Indices, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Measure each set of facts together, and each fact alone; p-values are corrected over all sets, and over all facts.

    Args:
        sets: name → a column a fact, of the same N images; what is not numeric is a category.
        is_ai: [N], the truth; both classes must be there.
        folds: [N], from `assign_folds`.
        seed: of the models.

    Returns:
        What audit.json holds of each set: what a random forest reaches on held-out images (`FIGURES` and their intervals, which
        are those of fixed scores, and somewhat narrow), p, notable, and top: each `Fact` alone, the highest AUROC first.
    """
    alone = _measure_alone(sets, is_ai, folds, seed)
    most = _MOST_TO_A_TREE if len(is_ai) > 1.5 * _MOST_TO_A_TREE else None
    forest = RandomForestClassifier(TREES, max_samples=most, random_state=seed)
    scores = [_held_out(forest, facts.apply(_numbers).to_numpy(), is_ai, folds) for facts in sets.values()]
    corrected = holm([_held_out_p(p_ai, is_ai, folds) for p_ai in scores])
    measured = {}
    for name, p_ai, p in zip(sets, scores, corrected, strict=True):
        found = estimate_metrics(is_ai, p_ai)
        measured[name] = {"p": p, "notable": _severity(p, found["auroc"]) != "none", "top": alone[name]}
        for figure in FIGURES:
            measured[name] |= {figure: found[figure].value, f"{figure}_interval": found[figure].bounds}
    return measured


def file_facts(files: pd.DataFrame) -> pd.DataFrame:
    """What is known of a file without its pixels; not EXIF, which no network sees."""
    facts = {
        "size": (files["width"] * files["height"]) ** 0.5,
        "aspect": files["width"] / files["height"],
        DENSITY: bytes_per_pixel(files),
        "format": files["format"],
        "colour mode": files["mode"],
        "JPEG quality": files["jpeg_quality"].astype("Float64").fillna(-1.0).astype(float),  # no JPEG: below all that there are
        "JPEG tables": files["tables"].astype(object).fillna("none"),
        "chroma subsampling": files["subsampling"].astype(object).fillna("none"),
    }
    return pd.DataFrame(facts)


def bytes_per_pixel(files: pd.DataFrame) -> pd.Series:
    """Size of the file over the number of its pixels."""
    density: pd.Series = files["bytes"] / (files["width"] * files["height"])
    return density


def commonest(values: pd.Series) -> str:
    """The commonest value and its share: "JPEG (80%)"; how many different ones there are where none is common."""
    shares = values.value_counts(normalize=True)
    scattered = shares.iloc[0] < _COMMON and len(shares) > 1
    return f"{len(shares):,} different" if scattered else f"{shares.index[0]} ({shares.iloc[0]:.0%})"


def _measure_alone(sets: Mapping[str, pd.DataFrame], is_ai: Booleans, folds: Indices, seed: int) -> dict[str, list[Fact]]:
    """Each fact of each set, the highest AUROC first; p-values are corrected over all of them."""
    columns = [(key, str(name), facts[name]) for key, facts in sets.items() for name in facts]
    measured = [_score_alone(values, is_ai, folds, seed) for _, _, values in columns]
    corrected = holm([p for _, p in measured])
    found: dict[str, list[Fact]] = {key: [] for key in sets}
    for (key, name, values), (scores, _), p in zip(columns, measured, corrected, strict=True):
        estimate = auroc(is_ai, scores)
        fact = {"fact": name, "auroc": estimate.value, "auroc_interval": estimate.bounds, "p": p}
        fact |= {label: _typical(values[side], name) for label, side in (("human", ~is_ai), ("ai", is_ai))}
        found[key].append({**fact, "severity": _severity(p, estimate), "constant": values.nunique() == 1})
    return {key: sorted(facts, key=lambda fact: -fact["auroc"]) for key, facts in found.items()}


def _score_alone(values: pd.Series, is_ai: Booleans, folds: Indices, seed: int) -> tuple[Floats, float]:
    """Scores of one fact alone, higher for AI, and their p-value: of a small tree or a number's order, doubled for choosing."""
    numbers = _numbers(values).to_numpy()
    tree = DecisionTreeClassifier(max_leaf_nodes=8, random_state=seed)
    scores = _held_out(tree, numbers[:, None], is_ai, folds)
    ways = [(scores, _held_out_p(scores, is_ai, folds))]
    if is_numeric_dtype(values) and np.ptp(numbers):
        test = mannwhitneyu(numbers[is_ai], numbers[~is_ai])
        upwards = test.statistic >= is_ai.sum() * (~is_ai).sum() / 2
        ways.append((numbers if upwards else -numbers, float(test.pvalue)))
    best, p = min(ways, key=lambda way: way[1])
    return best, min(1.0, p * len(ways))


def _numbers(values: pd.Series) -> pd.Series:
    """Values as numbers; categories by how common they are in both classes, then by name; those of one file alone are one."""
    if is_numeric_dtype(values):
        return values.astype(float)
    known = values.where(values.map(values.value_counts()) > 1, "a value of its own")
    commonest_first = known.value_counts().sort_index().sort_values(ascending=False, kind="stable").index
    return known.astype(pd.CategoricalDtype(commonest_first)).cat.codes.astype(float)


def _held_out(model: Any, matrix: Floats, is_ai: Booleans, folds: Indices) -> Floats:
    """Each image's probability of AI, by a model that saw no image of its fold; rounded, so that ties are ties."""
    if not np.ptp(matrix, axis=0).any():
        return np.full(len(is_ai), 0.5)
    few = max(2, math.ceil(0.01 * len(is_ai)))  # a hundredth of all, so that a few images do not decide
    model.set_params(min_samples_leaf=few, class_weight="balanced")
    p_ai: Floats = cross_val_predict(model, matrix, is_ai, cv=PredefinedSplit(folds), method="predict_proba")[:, 1]
    return p_ai.round(6)


def _held_out_p(p_ai: Floats, is_ai: Booleans, folds: Indices) -> float:
    """The p-value of held-out scores that are higher for AI images, by Mann and Whitney's test."""
    if len(np.unique(p_ai)) == 1:
        return 1.0
    k = int(folds.max()) + 1  # models of k folds learn from much the same images, and so err together (Nadeau and Bengio 2003)
    deviate = norm.isf(mannwhitneyu(p_ai[is_ai], p_ai[~is_ai], alternative="greater").pvalue)
    return float(norm.sf(deviate / math.sqrt(1 + k / (k - 1))))


def _typical(values: pd.Series, name: str) -> str:
    """The commonest of categories; the median and the middle half of numbers."""
    if name == "JPEG quality":
        return commonest(values.astype(int).astype(str).where(values >= 0, "no JPEG"))
    if not is_numeric_dtype(values):
        return commonest(values)
    digits = 0 if name == "size" else 2
    low, middle, high = (f"{values.quantile(share):.{digits}f}" for share in (0.25, 0.5, 0.75))
    return middle if low == high else f"{middle} ({low} to {high})"


def _severity(p: float, estimate: Estimate) -> str:
    """One of `SEVERITIES` by AUROC's lower bound; none where it may be chance, or is too little to be reported."""
    if p >= LEVEL or (estimate.value or 0.0) < _LEAST_AUROC:
        return "none"
    return next(name for name, least in SEVERITIES.items() if (estimate.low or 0.0) >= least)
