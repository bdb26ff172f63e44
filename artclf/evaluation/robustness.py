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

from artclf.data.distortions import NOTHING, Version
from artclf.evaluation import Booleans, Floats
from artclf.evaluation.decision import AI, HUMAN, THRESHOLD
from artclf.evaluation.intervals import Estimate, auroc_difference, estimate_metrics
from artclf.evaluation.significance import LEVEL, holm, mcnemar, paired_differences

_FEWEST = 5  # images of each class below which nothing is tested


@dataclass(frozen=True)
class Flips:
    """Verdicts that an alteration changes."""

    accused: int  # human images, now called AI
    cleared: int  # human images, now called human
    missed: int  # AI images, now called human
    found: int  # AI images, now called AI


@dataclass(frozen=True)
class Altered(Version):
    """The figures of one version of the images, against the same images without its distortion."""

    false_positive_rate: Estimate  # of human images, when they are altered
    recall: Estimate  # of AI images, when they are altered
    balanced_accuracy: dict[str, Estimate]  # by whose images are altered: "both", "ai" or "human"
    auroc: dict[str, Estimate]
    flips: Flips
    p: float | None  # McNemar's exact test of right verdicts, corrected by Holm over all levels of `first`
    # None for unaltered images, or too few:
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


def measure_robustness(scores: pd.DataFrame) -> Robustness:
    """Compute the figures of each version of the images, and what the distortion changes.

    A figure "falls" where the interval of a paired difference lies above 0, at a confidence of 1 - 0.05 / number of levels
    (Bonferroni), so that among many levels few are named by chance.

    Args:
        scores: the columns path, label, first, distortion, level (NaN without a distortion) and p_ai: each path in each
            version, or ValueError; the versions as `artclf.data.distortions.list_versions` orders them.
    """
    images = scores.drop_duplicates("path").set_index("path")["label"]
    is_ai = (images == AI).to_numpy(dtype=bool)
    p_ai: dict[Version, Floats] = {}
    for _, rows in scores.groupby(["first", "distortion", "level"], sort=False, dropna=False):
        first, distortion, level = rows[["first", "distortion", "level"]].iloc[0]
        version = Version(first, distortion, None if distortion == NOTHING else float(level))
        p_ai[version] = rows.set_index("path")["p_ai"].reindex(images.index).to_numpy(dtype=float)
    clean, levels = p_ai[Version(NOTHING, NOTHING, None)], []
    enough = min(is_ai.sum(), (~is_ai).sum()) >= _FEWEST
    for first in dict.fromkeys(version.first for version in p_ai):
        undistorted = p_ai[Version(first, NOTHING, None)]
        distorted = [version for version in p_ai if version.first == first and version.distortion != NOTHING]
        right = [(p_ai[version] >= THRESHOLD) == is_ai for version in distorted]
        tests = [mcnemar((undistorted >= THRESHOLD) == is_ai, after) for after in right]
        p = dict(zip(distorted, holm([test.p for test in tests]), strict=True))
        confidence = 1 - LEVEL / max(len(tests), 1)
        for version in (Version(first, NOTHING, None), *distorted):
            before, after = undistorted if version in p else clean, p_ai[version]
            altered = {"both": after, "ai": np.where(is_ai, after, undistorted), "human": np.where(is_ai, undistorted, after)}
            figures = {who: estimate_metrics(is_ai, mixed) for who, mixed in altered.items()}
            to_ai, to_human = (after >= THRESHOLD) & (before < THRESHOLD), (after < THRESHOLD) & (before >= THRESHOLD)
            flips = (to_ai & ~is_ai, to_human & ~is_ai, to_human & is_ai, to_ai & is_ai)
            found = Altered(
                **vars(version),
                false_positive_rate=figures["both"]["false_positive_rate"],
                recall=figures["both"]["recall"],
                balanced_accuracy={who: figures[who]["balanced_accuracy"] for who in altered},
                auroc={who: figures[who]["auroc"] for who in altered},
                flips=Flips(*(int(flipped.sum()) for flipped in flips)),
                p=p.get(version),
                **(_findings(is_ai, before, altered, confidence) if enough and before is not after else {}),
            )
            levels.append(found)
    return Robustness(THRESHOLD, int((~is_ai).sum()), int(is_ai.sum()), levels)


def _findings(is_ai: Booleans, before: Floats, altered: Mapping[str, Floats], confidence: float) -> dict[str, Any]:
    """What falls by more than chance: fragile, biased and shifted, as in `Altered`; scores [N] by whose images are altered."""

    def falls(higher: Floats, lower: Floats, figure: str = "auroc") -> bool:
        return (paired_differences(is_ai, np.stack([higher, lower]), confidence)[figure].low or 0.0) > 0

    fragile = falls(before, altered["both"])
    shifted = not fragile and falls(before, altered["both"], "balanced_accuracy")
    biased = ""
    for towards, harmed in ((AI, HUMAN), (HUMAN, AI)):
        if falls(before, altered[harmed]) and falls(altered[towards], altered[harmed]):
            biased = towards
    return {"fragile": fragile, "biased": biased, "shifted": shifted}


def compare_forms(is_ai: Booleans, as_stored: Floats, canonical: Floats) -> dict[str, Any]:
    """Compare the figures of the same images [N], as they are stored and in canonical form.

    Returns:
        n_ai and n_human; the figures as_stored and canonical, each [value, low, high] (None where a class is absent);
        auroc_lost, as stored minus canonical; and flips: of each class, how many verdicts turn to_ai and to_human, with p of
        McNemar's test.
    """

    def plain(estimate: Estimate) -> list[float | None] | None:
        return None if estimate.value is None else [estimate.value, estimate.low, estimate.high]

    compared: dict[str, Any] = {"n_ai": int(is_ai.sum()), "n_human": int((~is_ai).sum()), "flips": {}}
    for form, p_ai in (("as_stored", as_stored), ("canonical", canonical)):
        found = estimate_metrics(is_ai, p_ai)
        compared[form] = {name: plain(found[name]) for name in ("recall", "false_positive_rate", "balanced_accuracy", "auroc")}
    for label, of_label in (("human", ~is_ai), ("ai", is_ai)):
        to_ai, to_human, p = mcnemar(canonical[of_label] >= THRESHOLD, as_stored[of_label] >= THRESHOLD)
        compared["flips"][label] = {"to_ai": to_ai, "to_human": to_human, "p": p}
    return {**compared, "auroc_lost": plain(auroc_difference(is_ai, np.stack([as_stored, canonical])))}
