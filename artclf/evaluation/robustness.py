"""How verdicts hold when images are altered, at a threshold that stays where it is.

*Fragility* is what is lost when all images are altered. *Bias* is where altering one class alone harms more than altering the
other: the classifier takes the alteration itself for a sign of the class. A score does not depend on the other images, so that
one class alone altered is made up of scores that there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from artclf.data.distortions import NOTHING
from artclf.evaluation.intervals import Aurocs, Estimate, delong, mean_of, paired_difference, rates
from artclf.evaluation.metrics import THRESHOLD
from artclf.evaluation.significance import LEVEL, holm, mcnemar
from artclf.evaluation.types import Booleans, Floats

FORMS = ("as_stored", "canonical")
WHO = ("both", "ai", "human")  # whose images are altered
_FEWEST = 5  # images of each class below which nothing is said to be beyond chance
Version = tuple[str, str, float | None]  # first, distortion, level


@dataclass(frozen=True)
class Flips:
    """Verdicts that an alteration changes: human images accused or cleared of being AI, AI images missed or found."""

    accused: int
    cleared: int
    missed: int
    found: int


@dataclass(frozen=True)
class Altered:
    """The figures under one alteration.

    Attributes:
        first: what was done to all images before; `NOTHING` for nothing.
        distortion: what was done then; `NOTHING` for nothing.
        level: how strongly; None without a distortion.
        false_positive_rate: of human images, when they are altered.
        recall: of AI images, when they are altered.
        balanced_accuracy, auroc: by whose images are altered (`WHO`).
        flips: against the same images without the distortion.
        p: McNemar's exact test of right verdicts without and with it (both classes altered), corrected by Holm over the levels
            of all distortions with the same `first`; None for what is not altered.
        fragile: whether AUROC falls beyond chance when both classes are altered; None where a class has under five images.
        biased: "ai" where altering makes images look more like AI (altering human images alone lowers AUROC beyond chance, and
            more than altering AI images alone), "human" for the other way round, "" for neither; None as above.
        shifted: whether balanced accuracy falls beyond chance though AUROC does not: the threshold is in the wrong place; None
            as above.
    """

    first: str
    distortion: str
    level: float | None
    false_positive_rate: Estimate
    recall: Estimate
    balanced_accuracy: dict[str, Estimate]
    auroc: dict[str, Estimate]
    flips: Flips
    p: float | None
    fragile: bool | None
    biased: str | None
    shifted: bool | None


@dataclass(frozen=True)
class Robustness:
    """What `measure_robustness` finds: the threshold, how many human and AI images, and the levels, unaltered images first."""

    threshold: float
    human: int
    ai: int
    levels: list[Altered]

    @property
    def clean(self) -> Altered:
        """The images as they are."""
        return self.levels[0]

    @property
    def firsts(self) -> list[str]:
        """What was done to all images first, `NOTHING` before others."""
        return list(dict.fromkeys(level.first for level in self.levels))

    def of(self, distortion: str, first: str = NOTHING) -> list[Altered]:
        """The levels of one distortion, in their order."""
        return [level for level in self.levels if (level.first, level.distortion) == (first, distortion)]

    def distortions(self, first: str = NOTHING) -> list[str]:
        """The names of the distortions."""
        names = dict.fromkeys(level.distortion for level in self.levels if level.first == first)
        return [name for name in names if name != NOTHING]


def measure_robustness(scores: pd.DataFrame, threshold: float) -> Robustness:
    """Compute the figures under each alteration, and what changes.

    "Beyond chance" means that the interval of a paired difference lies above 0, at a confidence of 1 - 0.05 / number of levels
    (Bonferroni), so that among many levels few are named by chance.

    Args:
        scores: the columns path, label, first, distortion, level (NaN without a distortion) and p_ai: each path in each
            version, levels from the weakest on, and each `first` also without a distortion.
        threshold: from which p_ai on the verdict is AI.

    Raises:
        ValueError: where an image lacks a version, or stands in one twice.
    """
    versions, labels, p_ai = _as_arrays(scores)
    is_ai = labels == "ai"
    rows = {key: row for row, key in enumerate(versions)}
    mixed: list[Floats] = []
    for (first, _, _), altered in zip(versions, p_ai, strict=True):
        unaltered = p_ai[rows[first, NOTHING, None]]
        mixed += [altered, np.where(is_ai, altered, unaltered), np.where(is_ai, unaltered, altered)]
    called_ai = np.array(mixed) >= threshold
    aurocs = delong(is_ai, np.array(mixed))
    corrected = _mcnemar(versions, rows, called_ai[::3] == is_ai)
    rarer = min(int(is_ai.sum()), int((~is_ai).sum()))
    levels = []
    for row, (first, distortion, level) in enumerate(versions):
        start = rows[NOTHING, NOTHING, None] if distortion == NOTHING else rows[first, NOTHING, None]
        verdicts = {who: rates(is_ai, called_ai[3 * row + place]) for place, who in enumerate(WHO)}
        tests = sum(key[0] == first and key[1] != NOTHING for key in versions)
        found = _beyond_chance(is_ai, called_ai, aurocs, 3 * row, 3 * start, 1 - LEVEL / max(tests, 1))
        levels.append(
            Altered(
                first,
                distortion,
                level,
                false_positive_rate=verdicts["both"].false_positive_rate,
                recall=verdicts["both"].recall,
                balanced_accuracy={who: verdicts[who].balanced_accuracy for who in WHO},
                auroc={who: aurocs.estimate(3 * row + place) for place, who in enumerate(WHO)},
                flips=_flips(is_ai, called_ai[3 * start], called_ai[3 * row]),
                p=corrected.get((first, distortion, level)),
                **(dict.fromkeys(("fragile", "biased", "shifted")) if row == start or rarer < _FEWEST else found),
            )
        )
    return Robustness(threshold, int((~is_ai).sum()), int(is_ai.sum()), levels)


def _as_arrays(scores: pd.DataFrame) -> tuple[list[Version], np.ndarray[Any, Any], Floats]:
    """The versions, unaltered ones first, the labels [N], and the scores [versions, N]."""
    keys = [
        (str(first), str(distortion), None if distortion == NOTHING else float(level))
        for first, distortion, level in scores[["first", "distortion", "level"]].itertuples(index=False)
    ]
    versions = list(dict.fromkeys(keys))
    if (NOTHING, NOTHING, None) not in versions or any((first, NOTHING, None) not in versions for first, _, _ in versions):
        raise ValueError("scores without a distortion are needed, and of each `first`")
    versions.sort(key=lambda key: (key[0] != NOTHING, key[0], key[1] != NOTHING))  # stable: levels keep their order
    place = {key: number for number, key in enumerate(versions)}
    images = scores.drop_duplicates("path")
    p_ai = np.full((len(versions), len(images)), np.nan)
    p_ai[[place[key] for key in keys], pd.Index(images["path"]).get_indexer(scores["path"])] = scores["p_ai"]
    if len(scores) != p_ai.size or np.isnan(p_ai).any():
        raise ValueError(f"{len(images)} pictures in {len(versions)} versions are {p_ai.size} scores; got {len(scores)}")
    return versions, images["label"].to_numpy(), p_ai


def _beyond_chance(
    is_ai: Booleans, called_ai: Booleans, aurocs: Aurocs, both: int, start: int, confidence: float
) -> dict[str, Any]:
    """What is beyond chance; `both` and `start` are the rows of both classes altered, and those of one alone follow."""

    def exceeds(first: int, second: int) -> bool:
        return (aurocs.difference(first, second, confidence=confidence).low or 0.0) > 0

    right = called_ai[[start, both]] == is_ai
    lost = mean_of(*(paired_difference(right[0, of], right[1, of], confidence) for of in (is_ai, ~is_ai)))
    ai_alone, human_alone = both + 1, both + 2
    fragile = exceeds(start, both)
    lower = {"ai": (human_alone, ai_alone), "human": (ai_alone, human_alone)}
    biased = [towards for towards, (harmed, other) in lower.items() if exceeds(other, harmed) and exceeds(start, harmed)]
    return {
        "fragile": fragile,
        "biased": biased[0] if biased else "",
        "shifted": not fragile and (lost.low or 0.0) > 0,
    }


def _flips(is_ai: Booleans, before: Booleans, after: Booleans) -> Flips:
    to_ai, to_human = ~before & after, before & ~after
    return Flips(
        accused=int((to_ai & ~is_ai).sum()),
        cleared=int((to_human & ~is_ai).sum()),
        missed=int((to_human & is_ai).sum()),
        found=int((to_ai & is_ai).sum()),
    )


def _mcnemar(versions: Sequence[Version], rows: Mapping[Version, int], right: Booleans) -> dict[Version, float]:
    """Corrected p-values of the levels, for each `first` by itself."""
    found: dict[Version, float] = {}
    for first in dict.fromkeys(key[0] for key in versions):
        keys = [key for key in versions if key[0] == first and key[1] != NOTHING]
        tests = [mcnemar(right[rows[first, NOTHING, None]], right[rows[key]]).p for key in keys]
        found.update(zip(keys, holm(tests).tolist(), strict=True))
    return found


def from_json(content: Mapping[str, Any]) -> Robustness:
    """Build what `dataclasses.asdict` made of a Robustness; further keys are passed over.

    Raises:
        LookupError, TypeError: where it is something else.
    """

    def altered(level: Mapping[str, Any]) -> Altered:
        return Altered(
            **{
                **level,
                **{name: Estimate(**level[name]) for name in ("false_positive_rate", "recall")},
                **{name: {who: Estimate(**level[name][who]) for who in WHO} for name in ("balanced_accuracy", "auroc")},
                "flips": Flips(**level["flips"]),
            }
        )

    levels = [altered(level) for level in content["levels"]]
    return Robustness(float(content["threshold"]), int(content["human"]), int(content["ai"]), levels)


def compare_forms(is_ai: Booleans, as_stored: Floats, canonical: Floats, *, threshold: float = THRESHOLD) -> dict[str, Any]:
    """Compare the figures of the same images as they are stored and in canonical form.

    Args:
        is_ai: [N], the truth.
        as_stored: [N], p_ai of the files as they are.
        canonical: [N], p_ai of the same ones in canonical form.
        threshold: from which p_ai on the verdict is AI.

    Returns:
        n_ai and n_human; for each of `FORMS`: recall, false_positive_rate, balanced_accuracy and auroc, each [value, low, high]
        (None where a class is absent); auroc_lost, AUROC as stored minus canonical; and flips, how many verdicts differ: of
        human images to_ai and to_human, of AI images the same, with p of McNemar's exact test of both directions.

    Raises:
        ValueError: where the shapes differ.
    """
    if not is_ai.shape == as_stored.shape == canonical.shape:
        raise ValueError(f"each picture needs two scores; got {is_ai.shape}, {as_stored.shape} and {canonical.shape}")
    scores = np.stack([as_stored, canonical])
    called = scores >= threshold
    aurocs = delong(is_ai, scores)
    compared: dict[str, Any] = {"n_ai": int(is_ai.sum()), "n_human": int((~is_ai).sum())}
    for place, form in enumerate(FORMS):
        verdicts = rates(is_ai, called[place])
        compared[form] = {
            "recall": _plain(verdicts.recall),
            "false_positive_rate": _plain(verdicts.false_positive_rate),
            "balanced_accuracy": _plain(verdicts.balanced_accuracy),
            "auroc": _plain(aurocs.estimate(place)),
        }
    compared["auroc_lost"] = _plain(aurocs.difference(0, 1))
    compared["flips"] = {
        label: {
            "to_ai": int((of_label & ~called[0] & called[1]).sum()),
            "to_human": int((of_label & called[0] & ~called[1]).sum()),
            "p": mcnemar(called[1][of_label], called[0][of_label]).p,
        }
        for label, of_label in (("human", ~is_ai), ("ai", is_ai))
    }
    return compared


def _plain(estimate: Estimate) -> list[float | None] | None:
    return None if estimate.value is None else [estimate.value, estimate.low, estimate.high]
