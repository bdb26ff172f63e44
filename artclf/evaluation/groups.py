"""A classifier's figures for each generator, each style, and each generator in each style.

Whether a group is too small to be judged does not depend on how it came out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact

from artclf.evaluation.decision import truth
from artclf.evaluation.intervals import UNDEFINED, Estimate, auroc, rates, wilson
from artclf.evaluation.metrics import THRESHOLD
from artclf.evaluation.significance import holm
from artclf.evaluation.types import Booleans

FIGURES = ("accuracy", "recall", "false_positive_rate", "balanced_accuracy", "auroc")
COLUMNS = (
    *("split", "cell", "generator", "style", "n_ai", "n_human", "n_against"),
    *(f"{figure}{bound}" for figure in FIGURES for bound in ("", "_low", "_high")),
    "too_small",
)
WIDEST = 0.3  # of an interval by which a group can still be judged


@dataclass(frozen=True)
class Worst:
    """The group of one label with the most mistakes: of human images false accusations, of AI images misses.

    Attributes:
        generator, style: of the images; None where all are meant.
        mistakes: how many of its n images are judged wrongly.
        rate: the share, with its interval.
        overall: the share among all of the split's images of the label.
        looked_at: how many groups it is the worst of.
        p: Fisher's exact test against the label's other images, two-sided, corrected by Holm for all groups looked at.
    """

    generator: str | None
    style: str | None
    mistakes: int
    n: int
    rate: Estimate
    overall: float
    looked_at: int
    p: float


@dataclass(frozen=True)
class _Group:
    kind: str
    generator: str
    style: str
    own: Booleans  # [N] its images
    against: Booleans  # [N] the human images that its AI images are compared with


def group_metrics(predictions: pd.DataFrame, threshold: float = THRESHOLD) -> pd.DataFrame:
    """Compute every figure of every group of every split.

    Args:
        predictions: predictions.csv: the columns label, generator, style, split and p_ai.
        threshold: from which p_ai on the verdict is AI.

    Returns:
        What groups.csv holds, the columns `COLUMNS`, a row a group, test before val before the user's own splits. `cell` is its
        kind: "split" (all images), "people" (the human ones), "generator", "style" (both classes), "people_by_style" or
        "generator_by_style"; a split of one style has none of the last three. `generator` and `style` are empty where all are
        meant. accuracy, recall (of AI images) and false_positive_rate (of human ones) are of the group's own `n_ai` and
        `n_human` images. balanced_accuracy and auroc compare its AI images with `n_against` human ones: those of the split, or
        of the split in that style. `_low` and `_high` bound the 95% interval; NaN where a figure is not defined.
    """
    rows = []
    first = {"test": 0, "val": 1}
    for split in sorted(predictions["split"].unique(), key=lambda name: (first.get(name, 2), name)):
        images = predictions[predictions["split"] == split]
        is_ai, p_ai = truth(images)
        called_ai = p_ai >= threshold
        right = called_ai == is_ai
        for group in _groups_of(images, is_ai):
            ai, human = group.own & is_ai, group.own & ~is_ai
            alike = is_ai if not human.any() else ~is_ai if not ai.any() else np.ones_like(is_ai)
            compared = ai | group.against
            own = rates(is_ai[group.own], called_ai[group.own])
            figures = (
                own.accuracy,
                own.recall,
                own.false_positive_rate,
                rates(is_ai[compared], called_ai[compared]).balanced_accuracy,
                auroc(is_ai[compared], p_ai[compared]) if ai.any() else UNDEFINED,
            )
            counts = (int(ai.sum()), int(human.sum()), int(group.against.sum()))
            bounds = (bound for figure in figures for bound in (figure.value, figure.low, figure.high))
            too_small = is_too_small(int(group.own.sum()), float(right[alike].mean()))
            rows.append((split, group.kind, group.generator, group.style, *counts, *bounds, too_small))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({column: float for column in COLUMNS if column.startswith(FIGURES)})


def is_too_small(n: int, rate: float) -> bool:
    """Whether a group has too few images to be judged: Wilson's interval would be wider than 30 points at its split's rate.

    Not its own rate decides: of two groups of ten images, the one without a mistake would be judged, the one with three hidden.

    Args:
        n: images of the group.
        rate: the share of images of its kind (AI, human, or both) in the whole split that are judged rightly.
    """
    return wilson(n * rate, n).width > WIDEST


def worst_group(table: pd.DataFrame, label: Literal["ai", "human"], split: str = "test") -> Worst | None:
    """Find the group that is surely bad: of those large enough, the one whose share of mistakes has the highest lower bound.

    Looked at are, of human images, the styles; of AI images, the generators, the styles, and the generators in each style.

    Args:
        table: from `group_metrics`.
        label: "human" for false accusations, "ai" for misses.
        split: of which split.

    Returns:
        None where fewer than two groups are large enough.
    """
    of_split = table[table["split"] == split]
    whole = of_split[of_split["cell"] == "split"]
    number, figure = ("n_ai", "recall") if label == "ai" else ("n_human", "false_positive_rate")
    total = int(whole[number].sum())
    if not total:
        return None
    value = float(whole[figure].iloc[0])
    overall = 1 - value if label == "ai" else value
    looked_at = _groups_of_ai(of_split) if label == "ai" else of_split[of_split["cell"] == "people_by_style"]
    looked_at = looked_at[[not is_too_small(int(n), 1 - overall) for n in looked_at[number]]]
    if len(looked_at) < 2:
        return None
    n = looked_at[number].to_numpy(dtype=int)
    share = looked_at[figure].to_numpy(dtype=float)
    mistakes = np.rint(n * (1 - share if label == "ai" else share)).astype(int)
    shares = [wilson(int(wrong), int(of)) for wrong, of in zip(mistakes, n, strict=True)]
    wrong_in_all = round(overall * total)
    p = holm([_chance(int(wrong), int(of), wrong_in_all, total) for wrong, of in zip(mistakes, n, strict=True)])
    worst = max(range(len(n)), key=lambda i: (shares[i].low, shares[i].value))
    group = looked_at.iloc[worst]
    return Worst(
        generator=None if label == "human" or group["cell"] == "style" else str(group["generator"]),
        style=None if group["cell"] == "generator" else str(group["style"]),
        mistakes=int(mistakes[worst]),
        n=int(n[worst]),
        rate=shares[worst],
        overall=overall,
        looked_at=len(n),
        p=float(p[worst]),
    )


def _groups_of_ai(of_split: pd.DataFrame) -> pd.DataFrame:
    """The generators, the styles, and both, as far as there are two or more; each set of images once, by its closest name."""
    several = [kind for kind in ("generator", "style") if (of_split["cell"] == kind).sum() > 1]
    kept = of_split[of_split["cell"].isin(several) & (of_split["n_ai"] > 0)]
    if len(several) < 2:
        return kept
    both = of_split[of_split["cell"] == "generator_by_style"]
    for kind in several:  # a style of one generator alone is that generator in this style, and the other way round
        largest = both.groupby(kind)["n_ai"].max()
        kept = kept[(kept["cell"] != kind) | (kept["n_ai"] != kept[kind].map(largest))]
    return pd.concat([kept, both])


def _chance(wrong: int, n: int, wrong_in_all: int, total: int) -> float:
    rest = [wrong_in_all - wrong, total - n - (wrong_in_all - wrong)]
    return float(fisher_exact([[wrong, n - wrong], rest]).pvalue)


def _groups_of(images: pd.DataFrame, is_ai: Booleans) -> Iterator[_Group]:
    """The groups of one split's images."""
    generators, styles = images["generator"].to_numpy(dtype=object), images["style"].to_numpy(dtype=object)
    generators_of = [(str(name), is_ai & (generators == name)) for name in sorted(set(generators[is_ai]))]
    styles_of = [(str(name), styles == name) for name in sorted(set(styles))]
    none = np.zeros_like(is_ai)
    yield _Group("split", "", "", np.ones_like(is_ai), ~is_ai)
    if not is_ai.all():
        yield _Group("people", "human", "", ~is_ai, none)
    for name, made in generators_of:
        yield _Group("generator", name, "", made, ~is_ai)
    if len(styles_of) == 1:
        return
    for style, looking in styles_of:
        yield _Group("style", "", style, looking, looking & ~is_ai)
    for style, looking in styles_of:
        if (looking & ~is_ai).any():
            yield _Group("people_by_style", "human", style, looking & ~is_ai, none)
    for name, made in generators_of:
        for style, looking in styles_of:
            if (looking & made).any():
                yield _Group("generator_by_style", name, style, looking & made, looking & ~is_ai)
