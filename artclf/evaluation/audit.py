"""What a classifier could cheat with: how far the files alone, and the pictures' overall looks alone, give the classes away.

A small random forest on facts of the files, and one on statistics of the whole picture, cross-validated: what they reach, the
data gives away for free, and a network is to be judged against that. Each fact is also judged by itself.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from artclf.evaluation import remedies
from artclf.evaluation.duplicates import Duplicates, find_duplicates
from artclf.evaluation.intervals import UNDEFINED, Estimate, auroc, mean_of, wilson
from artclf.evaluation.shortcuts import bytes_per_pixel, commonest, kinds, qualities
from artclf.evaluation.significance import LEVEL, Booleans, Floats, Indices, holm

STATISTICS = {
    "brightness": "brightness",
    "contrast": "contrast",
    "saturation": "colour saturation",
    "saturation_spread": "spread of colour saturation",
    "red": "cast of red",
    "green": "cast of green",
    "blue": "cast of blue",
}
"""Column → name, of the statistics of the whole picture that are judged."""

TREES = 40
FOLDS = 5
_FEWEST = 5  # works of each class below which nothing is judged
_MOST_TO_A_TREE = 2_000  # pictures: more make a forest slower, and hardly better at so few facts
_LEAST_AUROC = 0.55  # below which a difference is not worth a word, however sure
_SEVERITIES = (("severe", 0.75), ("moderate", 0.6))  # by the lower bound of AUROC's interval
NO_CHANCE_FOR_IT = "none for this network"
_TRAINED_ON = ("", "train", "val", "test")

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
    """

    name: str
    auroc: Estimate
    p: float
    human: str
    ai: str
    constant: bool

    @property
    def notable(self) -> bool:
        """Whether it is more than chance, and enough to be worth a word."""
        return self.p < LEVEL and (self.auroc.value or 0.0) >= _LEAST_AUROC

    @property
    def severity(self) -> str:
        """One of severe, moderate and slight, by what AUROC is at least; none where it is not notable."""
        if not self.notable:
            return "none"
        return next((word for word, least in _SEVERITIES if (self.auroc.low or 0.0) >= least), "slight")


@dataclass(frozen=True)
class Judged:
    """What a small classifier reaches on some facts, on held-out pictures; figures undefined where there are too few.

    Attributes:
        accuracy: share judged rightly.
        balanced_accuracy: both classes count alike.
        auroc: of its scores.
        p: of that by chance, corrected with all facts that were looked at.
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
        return {**figures, "top": [_fact_json(fact) for fact in self.facts]}


@dataclass(frozen=True)
class Audit:
    """What a classifier could cheat with.

    Attributes:
        file_facts: on what is known of a file without its pixels.
        pixel_statistics: on statistics of the whole picture.
        canonical: the same on canonical pictures; None where these were not measured.
        exif: the one fact that no network sees; None where there is nothing to compare.
        duplicates: copies among all pictures.
        shortcuts: fact, severity, remedy and what is typical, the most severe first.
        compared: how many human and AI works were compared.
        left_out: copies of others that were not.
        splits: the splits that they are of.
        other_splits: the splits whose pictures are not compared, since nothing is trained on them.
        folds: of the cross-validation; 0 where nothing was judged.
        unjudged: why nothing was; "" where it was.
        makers: what is typical for each class and generator, a row each.
        read_canonical: whether the pictures are read with data.canonical=true.
    """

    file_facts: Judged
    pixel_statistics: Judged
    canonical: Judged | None
    exif: Fact | None
    duplicates: Duplicates
    shortcuts: list[dict[str, Any]]
    compared: dict[str, int]
    left_out: int
    splits: list[str]
    other_splits: list[str]
    folds: int
    unjudged: str
    makers: list[dict[str, Any]]
    read_canonical: bool

    def to_json(self) -> dict[str, Any]:
        """As plain values, for audit.json."""
        return {
            "file_facts": self.file_facts.to_json(),
            "pixel_statistics": self.pixel_statistics.to_json(),
            "canonical_pixel_statistics": self.canonical.to_json() if self.canonical else None,
            "exif": _fact_json(self.exif) if self.exif else None,
            "duplicates": self.duplicates.to_json(),
            "shortcuts": self.shortcuts,
            "compared": self.compared,
            "copies_left_out": self.left_out,
            "splits": self.splits,
            "other_splits": self.other_splits,
            "folds": self.folds,
            "unjudged": self.unjudged,
            "makers": self.makers,
            "canonical": self.read_canonical,
        }


def audit(
    table: pd.DataFrame, after: pd.DataFrame | None = None, *, canonical: bool = False, seed: int = 0, trees: int = TREES
) -> Audit:
    """Find what a classifier could cheat with.

    Compared are the pictures that something is trained or tested on (splits train, val, test and unnamed ones), where these
    have both classes; of pictures that are copies of each other, one of each label; and all copies are in one fold.

    Args:
        table: a row a picture: path, label, generator, style, split; the facts of the file (`artclf.data.facts.FileFacts`);
            sha256, hash, and the columns of `STATISTICS`.
        after: [same rows] the columns of `STATISTICS` of the canonical pictures; None where they were not measured.
        canonical: whether the pictures are read with data.canonical=true.
        seed: of the folds and the forests.
        trees: of each forest.
    """
    duplicates = find_duplicates(table)
    used = table["split"].isin(_TRAINED_ON).to_numpy()
    if table.loc[used, "label"].nunique() < 2:
        used = np.ones(len(table), dtype=bool)
    keys = pd.DataFrame({"group": duplicates.group, "label": table["label"].to_numpy()})
    kept = np.flatnonzero(used & ~keys[used].duplicated().reindex(keys.index, fill_value=False).to_numpy())
    rows = table.iloc[kept].reset_index(drop=True)
    is_ai = (rows["label"] == "ai").to_numpy(dtype=bool)
    folds = deal_folds(is_ai, duplicates.group[kept], seed)
    unjudged = _why_not(is_ai, int(folds.max(initial=-1)) + 1)
    judged = {name: Judged(UNDEFINED, UNDEFINED, UNDEFINED, 1.0, []) for name in ("file", "pixel")}
    exif: list[Fact] = []
    if not unjudged:
        sets = {"file": _file_facts(rows), "exif": _exif(rows), "pixel": _statistics(rows)}
        if after is not None:
            sets["canonical"] = _statistics(after.iloc[kept].reset_index(drop=True))
        judged = _judge(sets, is_ai, folds, seed, trees)
        exif = judged.pop("exif").facts
    later = judged.get("canonical")
    seen = later if canonical and later else judged["pixel"]
    alone = [*judged["file"].facts, *seen.facts, *exif]
    return Audit(
        file_facts=judged["file"],
        pixel_statistics=judged["pixel"],
        canonical=later,
        exif=exif[0] if exif else None,
        duplicates=duplicates,
        shortcuts=[*_shortcuts(alone, canonical), *_copies(duplicates, table, canonical)],
        compared={label: int((is_ai == (label == "ai")).sum()) for label in ("human", "ai")},
        left_out=int(used.sum()) - len(kept),
        splits=sorted(table["split"][used].unique().tolist()),
        other_splits=sorted(table["split"][~used].unique().tolist()),
        folds=0 if unjudged else int(folds.max()) + 1,
        unjudged=unjudged,
        makers=describe_makers(table),
        read_canonical=canonical,
    )


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


def _why_not(is_ai: Booleans, folds: int) -> str:
    """Why nothing can be judged; "" where it can."""
    counts = {"human works": int((~is_ai).sum()), "AI works": int(is_ai.sum())}
    for name, number in counts.items():
        if number == 0:
            other = next(other for other in counts if other != name)
            return f"there are {other} alone: nothing to compare them with" if counts[other] else "no picture could be read"
    short = next((f"{number} {name}" for name, number in counts.items() if number < _FEWEST), None)
    if short is None and folds < 2:
        short = "copies of one picture"
    return f"there are only {short} (copies count once), and at least {_FEWEST} of each class are needed" if short else ""


def _file_facts(rows: pd.DataFrame) -> Facts:
    """What is known of a file without its pixels; not EXIF, which no network sees."""
    across, down = rows["width"], rows["height"]
    quality = rows["jpeg_quality"].astype("Float64").fillna(-1.0).astype(float)  # "no JPEG", below all that there are
    return {
        "size": ((across * down) ** 0.5, False),
        "aspect": (across / down, False),
        "bytes per pixel": (bytes_per_pixel(rows), False),
        "format": (rows["format"], True),
        "colour mode": (rows["mode"], True),
        "JPEG quality": (quality, False),
        "JPEG tables": (rows["tables"].astype(object).fillna("none"), True),
        "chroma subsampling": (rows["subsampling"].astype(object).fillna("none"), True),
    }


def _exif(rows: pd.DataFrame) -> Facts:
    return {remedies.EXIF: (rows["exif"].map({True: "with", False: "without"}), True)}


def _statistics(rows: pd.DataFrame) -> Facts:
    return {name: (rows[column], False) for column, name in STATISTICS.items()}


def _coded(values: pd.Series) -> Floats:
    """Names as numbers by how common they are, without a look at the classes; those that one file alone has are one."""
    counts = values.map(values.value_counts())
    known = values.where(counts > 1, "a value of its own")
    places = {name: float(place) for place, name in enumerate(known.value_counts().index)}
    coded: Floats = known.map(places).to_numpy(dtype=float)
    return coded


def _judge(sets: Mapping[str, Facts], is_ai: Booleans, folds: Indices, seed: int, trees: int) -> dict[str, Judged]:
    """Judge each set of facts together, and each fact by itself; p-values are corrected over all that is looked at."""
    together = {group: _together(facts, is_ai, folds, seed, trees) for group, facts in sets.items()}
    alone = {
        (group, name): _alone(values, named, is_ai, folds, seed)
        for group, facts in sets.items()
        for name, (values, named) in facts.items()
    }
    chances = [_by_chance(p_ai, is_ai, "greater") for p_ai in together.values()] + [p for _, p in alone.values()]
    corrected = iter(holm(chances))
    p_together = {group: float(next(corrected)) for group in together}
    facts: dict[str, list[Fact]] = {group: [] for group in sets}
    for ((group, name), (scores, _)), p in zip(alone.items(), corrected, strict=True):
        values, named = sets[group][name]
        constant = values.nunique() == 1
        estimate = Estimate(0.5, 0.5, 0.5) if constant else auroc(is_ai, scores, seed=seed)
        human, ai = (_typical(values[side], named, name) for side in (~is_ai, is_ai))
        facts[group].append(Fact(name, estimate, float(p), human, ai, constant))
    judged = {}
    for group, p_ai in together.items():
        right = (p_ai >= 0.5) == is_ai
        found, spared = (wilson(int(right[side].sum()), int(side.sum())) for side in (is_ai, ~is_ai))
        judged[group] = Judged(
            wilson(int(right.sum()), len(right)),
            mean_of(found, spared),
            auroc(is_ai, p_ai, seed=seed) if len(np.unique(p_ai)) > 1 else Estimate(0.5, 0.5, 0.5),
            p_together[group],
            sorted(facts[group], key=lambda fact: -(fact.auroc.value or 0.0)),
        )
    return judged


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
    ways = [(scores, _by_chance(scores, is_ai, "greater"))]
    if not named:
        above = mannwhitneyu(numbers[is_ai], numbers[~is_ai]).statistic / (is_ai.sum() * (~is_ai).sum())
        ways.append((numbers if above >= 0.5 else -numbers, _by_chance(numbers, is_ai, "two-sided")))
    best, p = min(ways, key=lambda way: way[1])
    return best, min(1.0, p * len(ways))


def _by_chance(scores: Floats, is_ai: Booleans, alternative: str) -> float:
    """The p-value of Mann and Whitney's test."""
    if len(np.unique(scores)) == 1:
        return 1.0
    return float(mannwhitneyu(scores[is_ai], scores[~is_ai], alternative=alternative).pvalue)


def _typical(values: pd.Series, named: bool, name: str) -> str:
    """The commonest of names, the median and the middle half of numbers, in words."""
    if name == "JPEG quality":
        return commonest(values.astype(int).astype(str).where(values >= 0, "no JPEG"))
    if named:
        return commonest(values)
    digits = 0 if name == "size" else 2
    low, middle, high = (f"{values.quantile(share):.{digits}f}" for share in (0.25, 0.5, 0.75))
    return middle if low == high else f"{middle} ({low} to {high})"


def _shortcuts(facts: list[Fact], canonical: bool) -> list[dict[str, Any]]:
    """What is notable, the most telling first; the JPEG's tables only where they tell more than its quality."""
    known = {fact.name: fact for fact in facts}
    quality = known.get("JPEG quality")
    if quality and quality.notable and (known["JPEG tables"].auroc.value or 0.0) <= (quality.auroc.value or 0.0) + 0.02:
        del known["JPEG tables"]
    order = [word for word, _ in _SEVERITIES]
    notable = sorted(
        (fact for fact in known.values() if fact.notable),
        key=lambda fact: (order.index(fact.severity) if fact.severity in order else len(order), -(fact.auroc.value or 0.0)),
    )
    return [
        {
            **_fact_json(fact),
            "severity": NO_CHANCE_FOR_IT if fact.name == remedies.EXIF else fact.severity,
            "remedy": remedies.remedy(fact.name, canonical=canonical),
        }
        for fact in notable
    ]


def _copies(duplicates: Duplicates, table: pd.DataFrame, canonical: bool) -> list[dict[str, Any]]:
    """Copies that make figures flatter, or that nothing can be learnt from."""
    found = []
    held_out = int((table["split"] != "train").sum())
    for fact, copies in ((remedies.NEAR_COPIES, duplicates.near), (remedies.EXACT_COPIES, duplicates.exact)):
        if copies.test_files:
            share = copies.test_files / held_out
            severity = "severe" if share >= 0.1 else "moderate" if share >= 0.01 else "slight"
            severity = NO_CHANCE_FOR_IT if fact == remedies.EXACT_COPIES else severity
            found.append({"fact": fact, "severity": severity, "files": copies.test_files, "share": round(share, 6)})
    contradictory = duplicates.near.across_labels + duplicates.exact.across_labels
    if contradictory:
        found.append({"fact": remedies.BOTH_LABELS, "severity": "moderate", "groups": contradictory})
    return [{**row, "remedy": remedies.remedy(str(row["fact"]), canonical=canonical)} for row in found]


def describe_makers(table: pd.DataFrame) -> list[dict[str, Any]]:
    """What is typical for each class and generator: people first, then the generators by number of pictures."""
    rows = []
    for (label, generator), part in table.groupby(["label", "generator"]):
        rows.append(
            {
                "label": label,
                "generator": generator,
                "pictures": len(part),
                "size": commonest(part["width"].astype(str) + "×" + part["height"].astype(str)),
                "aspect": f"{(part['width'] / part['height']).median():.2f}",
                "bytes per pixel": f"{bytes_per_pixel(part).median():.2f}",
                "stored as": commonest(kinds(part)),
                "JPEG quality": commonest(qualities(part)),
                "JPEG tables": commonest(part["tables"].astype(object).fillna("none")),
                "EXIF": f"{part['exif'].mean():.0%}",
                "colour saturation": f"{part['saturation'].median():.2f}",
                "brightness": f"{part['brightness'].median():.2f}",
                "contrast": f"{part['contrast'].median():.2f}",
            }
        )
    return sorted(rows, key=lambda row: (row["label"] != "human", -row["pictures"], row["generator"]))


def _fact_json(fact: Fact) -> dict[str, Any]:
    return {
        "fact": fact.name,
        "auroc": _number(fact.auroc.value),
        "auroc_interval": _interval(fact.auroc),
        "p": _number(fact.p),
        "severity": fact.severity,
        "human": fact.human,
        "ai": fact.ai,
        "constant": fact.constant,
    }


def _number(value: float | None) -> float | None:
    """Six digits, which is more than any of these figures has."""
    return None if value is None else float(f"{value:.6g}")


def _interval(estimate: Estimate) -> list[float | None]:
    return [_number(estimate.low), _number(estimate.high)]
