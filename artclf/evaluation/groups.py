"""A classifier's figures for each generator, each style, and each generator in each style.

Whether a group is too small to be evaluated does not depend on its figures.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact

from artclf.evaluation.decision import THRESHOLD, truth
from artclf.evaluation.intervals import Estimate, estimate_metrics, wilson
from artclf.evaluation.significance import holm
from artclf.evaluation.types import Booleans

FIGURES = ("accuracy", "recall", "false_positive_rate", "balanced_accuracy", "auroc")
COLUMNS = (
    *("split", "group", "generator", "style", "n_ai", "n_human", "n_against"),
    *(f"{figure}{bound}" for figure in FIGURES for bound in ("", "_low", "_high")),
    "too_small",
)
MAX_INTERVAL_WIDTH = 0.3  # with a wider one, a group has too few images

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
    compared: int  # how many groups it is the worst of
    p: float  # Fisher's exact test against the label's other images, two-sided, corrected by Holm for all compared groups


def group_metrics(predictions: pd.DataFrame) -> pd.DataFrame:
    """Compute every figure of every group of every split.

    Returns:
        What groups.csv holds, the columns `COLUMNS`, test before val before the user's own splits. `group` is a kind: "split"
        (all images), "human" (the human ones), "generator", "style" (both classes), "human_by_style" or "generator_by_style"; a
        split of one style has none of the last three. `generator` and `style` are empty where all are meant. accuracy, recall
        and false_positive_rate are of the group's own images; balanced_accuracy and auroc compare its AI images with
        `n_against` human ones: those of the split, or of the split in that style. `_low` and `_high` bound the 95% interval;
        NaN where a figure is not defined.
    """
    rows = []
    first = {"test": 0, "val": 1}
    for split in sorted(predictions["split"].unique(), key=lambda name: (first.get(name, 2), name)):
        images = predictions[predictions["split"] == split]
        is_ai, p_ai = truth(images)
        right = (p_ai >= THRESHOLD) == is_ai
        for kind, generator, style, own, against in _groups_of(images, is_ai):
            n_ai, n_human = int((own & is_ai).sum()), int((own & ~is_ai).sum())
            row: dict[str, Any] = {"split": split, "group": kind, "generator": generator, "style": style}
            row |= {"n_ai": n_ai, "n_human": n_human, "n_against": int(against.sum())}
            compared = (own & is_ai) | against
            of_own = estimate_metrics(is_ai[own], p_ai[own], THRESHOLD)
            of_compared = estimate_metrics(is_ai[compared], p_ai[compared], THRESHOLD)
            for name in FIGURES:
                estimate = (of_compared if name in ("balanced_accuracy", "auroc") else of_own)[name]
                row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
            # images of the same label in the split; all images if the group has both labels
            reference = is_ai if not n_human else ~is_ai if not n_ai else np.ones_like(is_ai)
            rows.append({**row, "too_small": is_too_small(n_ai + n_human, float(right[reference].mean()))})
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({column: float for column in COLUMNS if column.startswith(FIGURES)})


def is_too_small(n: int, rate: float) -> bool:
    """Whether Wilson's interval of n images is wider than `MAX_INTERVAL_WIDTH` at the rate of all their kind in the split.

    The split's rate is used, not the group's own: else a group of ten without errors would be shown, and one with three not.
    """
    _, below, above = wilson(n * rate, n).reach()
    return below + above > MAX_INTERVAL_WIDTH


def worst_group(table: pd.DataFrame, label: Literal["ai", "human"], split: str = "test") -> Worst | None:
    """Find the group whose error rate has the highest lower bound, among those that are large enough.

    Compared are, of human images, the styles; of AI images, the generators, the styles, and the generators in each style.

    Returns:
        None where fewer than two groups of `group_metrics` are large enough; all images of the label are no group.
    """
    kinds = ("generator", "style", "generator_by_style") if label == "ai" else ("human_by_style",)
    rows = table[(table["split"] == split) & (table[f"n_{label}"] > 0)]
    n = rows[f"n_{label}"].astype(int)
    mistakes = (n * (1 - rows["recall"] if label == "ai" else rows["false_positive_rate"])).round().astype(int)
    rows = rows.assign(n=n, mistakes=mistakes)
    whole = rows[rows["group"] == "split"]
    if whole.empty:
        return None
    total, wrong = int(whole["n"].iloc[0]), int(whole["mistakes"].iloc[0])
    groups = rows[rows["group"].isin(kinds) & (rows["n"] < total)]
    groups = groups[[not is_too_small(n, 1 - wrong / total) for n in groups["n"]]]
    if len(groups) < 2:
        return None
    counts = list(zip(groups["mistakes"].tolist(), groups["n"].tolist(), strict=True))
    tables = [[[w, n - w], [wrong - w, total - n - (wrong - w)]] for w, n in counts]
    p = holm([float(fisher_exact(counted).pvalue) for counted in tables])
    rates = [wilson(w, n) for w, n in counts]
    worst = max(range(len(counts)), key=lambda i: (rates[i].low, rates[i].value, i))  # last: the closest description
    group = groups.iloc[worst]
    return Worst(
        generator=None if label == "human" or group["group"] == "style" else str(group["generator"]),
        style=None if group["group"] == "generator" else str(group["style"]),
        mistakes=counts[worst][0],
        n=counts[worst][1],
        rate=rates[worst],
        overall=wrong / total,
        compared=len(counts),
        p=float(p[worst]),
    )


def _groups_of(images: pd.DataFrame, is_ai: Booleans) -> Iterator[_Group]:
    """The groups of one split's images."""
    human, none = ~is_ai, np.zeros_like(is_ai)
    generator, style = images["generator"].to_numpy(dtype=object), images["style"].to_numpy(dtype=object)
    generators = {str(name): is_ai & (generator == name) for name in sorted(set(generator[is_ai]))}
    styles = {str(name): style == name for name in sorted(set(style))}
    yield "split", "", "", ~none, human
    if human.any():
        yield "human", "human", "", human, none
    for name, of_generator in generators.items():
        yield "generator", name, "", of_generator, human
    if len(styles) == 1:
        return
    for name, of_style in styles.items():
        yield "style", "", name, of_style, of_style & human
    for name, of_style in styles.items():
        if (of_style & human).any():
            yield "human_by_style", "human", name, of_style & human, none
    for (name, of_generator), (style_name, of_style) in product(generators.items(), styles.items()):
        if (of_style & of_generator).any():
            yield "generator_by_style", name, style_name, of_style & of_generator, of_style & human
