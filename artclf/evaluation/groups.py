"""A classifier's figures for each generator, each style, and each generator in each style."""

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from scipy.stats import fisher_exact

from artclf.evaluation.decision import AI, HUMAN, THRESHOLD, truth
from artclf.evaluation.intervals import Estimate, estimate_metrics, wilson
from artclf.evaluation.metrics import by_split
from artclf.evaluation.significance import holm

FIGURES = ("accuracy", "recall", "false_positive_rate", "balanced_accuracy", "auroc")
COLUMNS = (
    *("split", "group", "generator", "style", "n_ai", "n_human", "n_against"),
    *(f"{figure}{bound}" for figure in FIGURES for bound in ("", "_low", "_high")),
    "too_small",
)
MAX_INTERVAL_WIDTH = 0.3  # with a wider one, a group has too few images
_KINDS: dict[str, tuple[tuple[str, ...], list[str]]] = {  # kind of group → labels of its images, and what they have in common
    "split": ((AI, HUMAN), ["split"]),
    "human": ((HUMAN,), ["generator"]),
    "generator": ((AI,), ["generator"]),
    "style": ((AI, HUMAN), ["style"]),
    "human_by_style": ((HUMAN,), ["generator", "style"]),
    "generator_by_style": ((AI,), ["generator", "style"]),
}


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
    is_ai, p_ai = truth(predictions)
    table = predictions[["split", "label", "generator", "style", "p_ai"]].assign(right=(p_ai >= THRESHOLD) == is_ai)
    rows = []
    for split, images in by_split(table.astype({"label": "category"})).items():
        human = images[images["label"] == HUMAN]
        for kind, (labels, common) in _KINDS.items():
            if "style" in common and images["style"].nunique() == 1:
                continue
            for values, group in images[images["label"].isin(labels)].groupby(common):
                named = {"generator": "", "style": "", **dict(zip(common, values, strict=True)), "split": split, "group": kind}
                against = human if AI in labels else human.head(0)
                if "style" in common:
                    against = against[against["style"] == named["style"]]
                rows.append(named | _figures(group, against, images))
    figures = pd.DataFrame(rows, columns=list(COLUMNS))
    return figures.astype({column: float for column in COLUMNS if column.startswith(FIGURES)})


def _figures(group: pd.DataFrame, against: pd.DataFrame, images: pd.DataFrame) -> dict[str, Any]:
    """The figures of one group: its own, and those of its AI images and the human images `against`; `images` of the split."""
    is_ai, p_ai = truth(group)
    own = estimate_metrics(is_ai, p_ai)
    compared = estimate_metrics(*truth(pd.concat([group[is_ai], against])))
    row: dict[str, Any] = {"n_ai": int(is_ai.sum()), "n_human": int((~is_ai).sum()), "n_against": len(against)}
    for name in FIGURES:
        estimate = (compared if name in ("balanced_accuracy", "auroc") else own)[name]
        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    accuracy = images.loc[images["label"].isin(group["label"].unique()), "right"].mean()
    return {**row, "too_small": is_too_small(len(group), float(accuracy))}


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
    kinds = ("generator", "style", "generator_by_style") if label == AI else ("human_by_style",)
    rows = table[(table["split"] == split) & (table[f"n_{label}"] > 0)]
    n, rate = rows[f"n_{label}"].astype(int), 1 - rows["recall"] if label == AI else rows["false_positive_rate"]
    rows = rows.assign(n=n, mistakes=(n * rate).round().astype(int))
    whole = rows[rows["group"] == "split"]
    if whole.empty:
        return None
    total, wrong = int(whole["n"].iloc[0]), int(whole["mistakes"].iloc[0])
    large = rows["n"].map(lambda n: not is_too_small(n, 1 - wrong / total))
    groups = rows[rows["group"].isin(kinds) & (rows["n"] < total) & large]
    if len(groups) < 2:
        return None
    counts = list(zip(groups["mistakes"].tolist(), groups["n"].tolist(), strict=True))
    p = holm([float(fisher_exact([[w, n - w], [wrong - w, total - n - (wrong - w)]]).pvalue) for w, n in counts])
    rates = [wilson(w, n) for w, n in counts]
    worst = max(range(len(counts)), key=lambda i: (rates[i].low, rates[i].value, i))  # last: the closest description
    group = groups.iloc[worst]
    return Worst(
        generator=None if label == HUMAN or group["group"] == "style" else str(group["generator"]),
        style=None if group["group"] == "generator" else str(group["style"]),
        mistakes=counts[worst][0],
        n=counts[worst][1],
        rate=rates[worst],
        overall=wrong / total,
        compared=len(counts),
        p=p[worst],
    )
