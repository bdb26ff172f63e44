"""A classifier's figures for each generator, each style, and each generator in each style.

Whether a group is too small to be evaluated does not depend on its figures.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact

from artclf.evaluation.decision import truth
from artclf.evaluation.intervals import Estimate, estimate_metrics, wilson
from artclf.evaluation.metrics import THRESHOLD
from artclf.evaluation.significance import holm
from artclf.evaluation.types import Booleans

FIGURES = ("accuracy", "recall", "false_positive_rate", "balanced_accuracy", "auroc")
COLUMNS = (
    *("split", "cell", "generator", "style", "n_ai", "n_human", "n_against"),
    *(f"{figure}{bound}" for figure in FIGURES for bound in ("", "_low", "_high")),
    "too_small",
)
WIDEST = 0.3  # of an interval by which a group can still be evaluated

_Group = tuple[str, str, str, Booleans, Booleans]
"""Kind, generator, style, its images [N], and the human images [N] that its AI images are compared with."""


@dataclass(frozen=True)
class Worst:
    """The group of one label with the most mistakes: of human images false positives, of AI images false negatives."""

    generator: str | None  # None where all are meant
    style: str | None
    mistakes: int
    n: int
    rate: Estimate  # of mistakes
    overall: float  # rate of mistakes among all of the split's images of the label
    looked_at: int  # how many groups it is the worst of
    p: float  # Fisher's exact test against the label's other images, two-sided, corrected by Holm for all groups looked at


def group_metrics(predictions: pd.DataFrame, threshold: float = THRESHOLD) -> pd.DataFrame:
    """Compute every figure of every group of every split.

    Returns:
        What groups.csv holds, the columns `COLUMNS`, a row a group, test before val before the user's own splits. `cell` is its
        kind: "split" (all images), "people" (the human ones), "generator", "style" (both classes), "people_by_style" or
        "generator_by_style"; a split of one style has none of the last three. `generator` and `style` are empty where all are
        meant. accuracy, recall and false_positive_rate are of the group's own images; balanced_accuracy and auroc compare its
        AI images with `n_against` human ones: those of the split, or of the split in that style. `_low` and `_high` bound the
        95% interval; NaN where a figure is not defined.
    """
    rows = []
    first = {"test": 0, "val": 1}
    for split in sorted(predictions["split"].unique(), key=lambda name: (first.get(name, 2), name)):
        images = predictions[predictions["split"] == split]
        is_ai, p_ai = truth(images)
        right = (p_ai >= threshold) == is_ai
        for kind, generator, style, own, against in _groups_of(images, is_ai):
            ai, human = own & is_ai, own & ~is_ai
            compared = ai | against
            estimates = estimate_metrics(is_ai[own], p_ai[own], threshold)
            of_compared = estimate_metrics(is_ai[compared], p_ai[compared], threshold)
            estimates |= {name: of_compared[name] for name in ("balanced_accuracy", "auroc")}
            bounds = [bound for name in FIGURES for bound in (estimates[name].value, estimates[name].low, estimates[name].high)]
            alike = is_ai if not human.any() else ~is_ai if not ai.any() else np.ones_like(is_ai)
            too_small = is_too_small(int(own.sum()), float(right[alike].mean()))
            rows.append((split, kind, generator, style, ai.sum(), human.sum(), against.sum(), *bounds, too_small))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({column: float for column in COLUMNS if column.startswith(FIGURES)})


def is_too_small(n: int, rate: float) -> bool:
    """Whether Wilson's interval of n images would be wider than `WIDEST` at the rate of all images of their kind in the split.

    Not their own rate decides: of two groups of ten images, that without a mistake would be shown, that with three hidden.
    """
    _, below, above = wilson(n * rate, n).reach()
    return below + above > WIDEST


def worst_group(table: pd.DataFrame, label: Literal["ai", "human"], split: str = "test") -> Worst | None:
    """Find the group that is surely bad: of those large enough, the one whose rate of mistakes has the highest lower bound.

    Looked at are, of human images, the styles; of AI images, the generators, the styles, and the generators in each style.

    Returns:
        None where fewer than two groups of `group_metrics` are large enough; all images of the label are no group.
    """
    of_split = table[table["split"] == split]
    whole = of_split[of_split["cell"] == "split"]
    count, figure = ("n_ai", "recall") if label == "ai" else ("n_human", "false_positive_rate")
    total = int(whole[count].sum())
    if not total:
        return None

    def mistakes(rows: pd.DataFrame) -> list[int]:
        rate = 1 - rows["recall"] if label == "ai" else rows["false_positive_rate"]
        return [round(value) for value in rate * rows[count]]

    value = float(whole[figure].iloc[0])
    overall = 1 - value if label == "ai" else value
    kinds = ("generator", "style", "generator_by_style") if label == "ai" else ("people_by_style",)
    groups = of_split[of_split["cell"].isin(kinds) & of_split[count].between(1, total - 1)]
    groups = groups[[not is_too_small(int(n), 1 - overall) for n in groups[count]]]
    if len(groups) < 2:
        return None
    wrong, n = mistakes(groups), groups[count].astype(int).tolist()
    rest = mistakes(whole)[0]
    tables = [[[w, m - w], [rest - w, total - m - (rest - w)]] for w, m in zip(wrong, n, strict=True)]
    p = holm([float(fisher_exact(counts).pvalue) for counts in tables])
    rates = [wilson(w, m) for w, m in zip(wrong, n, strict=True)]
    worst = max(range(len(n)), key=lambda i: (rates[i].low, rates[i].value, i))  # of the same images, the closest description
    group = groups.iloc[worst]
    return Worst(
        generator=None if label == "human" or group["cell"] == "style" else str(group["generator"]),
        style=None if group["cell"] == "generator" else str(group["style"]),
        mistakes=wrong[worst],
        n=n[worst],
        rate=rates[worst],
        overall=overall,
        looked_at=len(n),
        p=float(p[worst]),
    )


def _groups_of(images: pd.DataFrame, is_ai: Booleans) -> Iterator[_Group]:
    """The groups of one split's images."""
    generator, style = images["generator"].to_numpy(dtype=object), images["style"].to_numpy(dtype=object)
    generators = {str(name): is_ai & (generator == name) for name in sorted(set(generator[is_ai]))}
    styles = {str(name): style == name for name in sorted(set(style))}
    none = np.zeros_like(is_ai)
    yield "split", "", "", ~none, ~is_ai
    if not is_ai.all():
        yield "people", "human", "", ~is_ai, none
    for name, made in generators.items():
        yield "generator", name, "", made, ~is_ai
    if len(styles) == 1:
        return
    for look, of_style in styles.items():
        yield "style", "", look, of_style, of_style & ~is_ai
    for look, of_style in styles.items():
        if (of_style & ~is_ai).any():
            yield "people_by_style", "human", look, of_style & ~is_ai, none
    for name, made in generators.items():
        for look, of_style in styles.items():
            if (of_style & made).any():
                yield "generator_by_style", name, look, of_style & made, of_style & ~is_ai
