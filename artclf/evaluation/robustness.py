"""How verdicts hold when images are altered, at a threshold that stays where it is.

*Fragility* is what is lost when all images are altered. *Bias* is where altering one class alone harms more than altering the
other: the classifier takes the alteration itself for a sign of the class. A score does not depend on the other images, so that
figures with one class altered need no further scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from artclf.data.distortions import NOTHING
from artclf.evaluation.decision import THRESHOLD
from artclf.evaluation.intervals import Estimate, delong, estimate_metrics, mean_of, paired_difference
from artclf.evaluation.significance import LEVEL, holm, mcnemar
from artclf.evaluation.types import Booleans, Floats

FORMS = ("as_stored", "canonical")
WHO = ("both", "ai", "human")  # whose images are altered
_FEWEST = 5  # images of each class below which nothing is tested
Version = tuple[str, str, float | None]  # first, distortion, level


@dataclass(frozen=True)
class Flips:
    """Verdicts that an alteration changes."""

    accused: int  # human images, now called AI
    cleared: int  # human images, now called human
    missed: int  # AI images, now called human
    found: int  # AI images, now called AI


@dataclass(frozen=True)
class Altered:
    """The figures under one alteration; fragile, biased and shifted are None without a distortion, or with few images."""

    first: str  # preprocessing of all images before the distortion; `NOTHING` if none
    distortion: str  # `NOTHING` if none
    level: float | None  # how strongly; None without a distortion
    false_positive_rate: Estimate  # of human images, when they are altered
    recall: Estimate  # of AI images, when they are altered
    balanced_accuracy: dict[str, Estimate]  # by whose images are altered (`WHO`)
    auroc: dict[str, Estimate]
    flips: Flips  # against the same images without the distortion
    p: float | None  # McNemar's exact test of right verdicts without and with it, corrected by Holm over all levels of `first`
    fragile: bool | None = None  # AUROC falls when both classes are altered
    biased: str | None = None  # "ai": altered human images alone lower AUROC, more than AI ones do; "human": the reverse; or ""
    shifted: bool | None = None  # balanced accuracy falls though AUROC does not: the threshold is in the wrong place


@dataclass(frozen=True)
class Robustness:
    """What `measure_robustness` finds."""

    threshold: float
    human: int  # images
    ai: int
    levels: list[Altered]  # unaltered images first

    @property
    def clean(self) -> Altered:
        """The images as they are."""
        return self.levels[0]

    def of(self, distortion: str, first: str = NOTHING) -> list[Altered]:
        """The levels of one distortion, in their order."""
        return [level for level in self.levels if (level.first, level.distortion) == (first, distortion)]


def measure_robustness(scores: pd.DataFrame, threshold: float) -> Robustness:
    """Compute the figures under each alteration, and what changes.

    A figure "falls" where the interval of a paired difference lies above 0, at a confidence of 1 - 0.05 / number of levels
    (Bonferroni), so that among many levels few are named by chance.

    Args:
        scores: the columns path, label, first, distortion, level (NaN without a distortion) and p_ai: each path in each
            version, or ValueError; levels from the weakest on, and each `first` also without a distortion.
        threshold: from which p_ai on the verdict is AI.
    """
    is_ai, p_ai = _by_version(scores)
    few = min(is_ai.sum(), (~is_ai).sum()) < _FEWEST
    right = {version: (values >= threshold) == is_ai for version, values in p_ai.items()}
    p: dict[Version, float] = {}
    for first in {version[0] for version in p_ai}:
        altered = [version for version in p_ai if version[0] == first and version[1] != NOTHING]
        tests = [mcnemar(right[first, NOTHING, None], right[version]).p for version in altered]
        p |= dict(zip(altered, holm(tests).tolist(), strict=True))
    levels = []
    for version, both in p_ai.items():
        first, distortion, level = version
        unaltered = p_ai[first, NOTHING, None]
        before = p_ai[NOTHING, NOTHING, None] if distortion == NOTHING else unaltered
        mixed = {"both": both, "ai": np.where(is_ai, both, unaltered), "human": np.where(is_ai, unaltered, both)}
        figures = {who: estimate_metrics(is_ai, scored, threshold) for who, scored in mixed.items()}
        confidence = 1 - LEVEL / max(sum(key[0] == first for key in p), 1)
        tested = before is not both and not few
        found = Altered(
            first,
            distortion,
            level,
            false_positive_rate=figures["both"]["false_positive_rate"],
            recall=figures["both"]["recall"],
            balanced_accuracy={who: figures[who]["balanced_accuracy"] for who in WHO},
            auroc={who: figures[who]["auroc"] for who in WHO},
            flips=_flips(is_ai, before >= threshold, both >= threshold),
            p=p.get(version),
            **(_tests(is_ai, before, mixed, threshold, confidence) if tested else {}),
        )
        levels.append(found)
    return Robustness(threshold, int((~is_ai).sum()), int(is_ai.sum()), levels)


def _by_version(scores: pd.DataFrame) -> tuple[Booleans, dict[Version, Floats]]:
    """The truth [N] and each version's scores [N], unaltered images first, and of each `first` what is not distorted."""
    images = scores.drop_duplicates("path").set_index("path")["label"]
    p_ai: dict[Version, Floats] = {}
    for (first, distortion, level), rows in scores.groupby(["first", "distortion", "level"], sort=False, dropna=False):
        version = str(first), str(distortion), None if distortion == NOTHING else float(str(level))
        p_ai[version] = rows.set_index("path")["p_ai"].reindex(images.index).to_numpy(dtype=float)
    versions = sorted(p_ai, key=lambda key: (key[0] != NOTHING, key[0], key[1] != NOTHING))  # stable: levels keep their order
    return (images == "ai").to_numpy(dtype=bool), {version: p_ai[version] for version in versions}


def _tests(is_ai: Booleans, before: Floats, mixed: Mapping[str, Floats], threshold: float, confidence: float) -> dict[str, Any]:
    """Which effects are statistically significant: fragile, biased, shifted, as in `Altered`."""

    def auroc_falls(higher: Floats, lower: Floats) -> bool:
        return (delong(is_ai, np.stack([higher, lower])).difference(0, 1, confidence=confidence).low or 0.0) > 0

    right, right_after = ((p_ai >= threshold) == is_ai for p_ai in (before, mixed["both"]))
    lost = mean_of(*(paired_difference(right[of], right_after[of], confidence) for of in (is_ai, ~is_ai)))
    fragile = auroc_falls(before, mixed["both"])
    biased = ""
    for towards, altered, other in (("ai", "human", "ai"), ("human", "ai", "human")):
        if auroc_falls(mixed[other], mixed[altered]) and auroc_falls(before, mixed[altered]):
            biased = towards
    return {"fragile": fragile, "biased": biased, "shifted": not fragile and (lost.low or 0.0) > 0}


def _flips(is_ai: Booleans, before: Booleans, after: Booleans) -> Flips:
    to_ai, to_human = ~before & after, before & ~after
    parts = {"accused": to_ai & ~is_ai, "cleared": to_human & ~is_ai, "missed": to_human & is_ai, "found": to_ai & is_ai}
    return Flips(**{name: int(part.sum()) for name, part in parts.items()})


def from_json(content: Mapping[str, Any]) -> Robustness:
    """Build what `dataclasses.asdict` made of a Robustness; ValueError where it is something else."""
    return TypeAdapter(Robustness).validate_python(content)


def compare_forms(is_ai: Booleans, as_stored: Floats, canonical: Floats) -> dict[str, Any]:
    """Compare the figures of the same images [N], as they are stored and in canonical form.

    Returns:
        n_ai and n_human; the figures of each of `FORMS` as [value, low, high] (None where a class is absent); auroc_lost, as
        stored minus canonical; and flips: of each class, how many verdicts turn to_ai and to_human, with p of McNemar's test.
    """
    scores = np.stack([as_stored, canonical])
    before, after = scores >= THRESHOLD
    compared: dict[str, Any] = {"n_ai": int(is_ai.sum()), "n_human": int((~is_ai).sum())}
    for form, p_ai in zip(FORMS, scores, strict=True):
        found = estimate_metrics(is_ai, p_ai, THRESHOLD)
        compared[form] = {name: _plain(found[name]) for name in ("recall", "false_positive_rate", "balanced_accuracy", "auroc")}
    compared["auroc_lost"] = _plain(delong(is_ai, scores).difference(0, 1))
    compared["flips"] = {}
    for label, of_label in (("human", ~is_ai), ("ai", is_ai)):
        test = mcnemar(after[of_label], before[of_label])
        compared["flips"][label] = {"to_ai": test.only_first, "to_human": test.only_second, "p": test.p}
    return compared


def _plain(estimate: Estimate) -> list[float | None] | None:
    return None if estimate.value is None else [estimate.value, estimate.low, estimate.high]
