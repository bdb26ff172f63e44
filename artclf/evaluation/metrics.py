"""The figures of predictions: of a split, and of each generator, family of generators, style, source, and generator in a style.

"Positive" means AI: a false positive is a human image called AI.
"""

from pathlib import Path
from typing import Any, Literal

import pandas as pd
from scipy.stats import fisher_exact
from sklearn.metrics import average_precision_score, confusion_matrix, f1_score, log_loss

from artclf.data.manifest import families
from artclf.evaluation import Booleans, Floats
from artclf.evaluation.decision import AI, HUMAN, THRESHOLD, truth
from artclf.evaluation.intervals import UNDEFINED, estimate_metrics, wilson
from artclf.evaluation.significance import FIGURES, holm
from artclf.run_folder import write_table

GROUP_FIGURES = ("accuracy", "recall", "false_positive_rate", "balanced_accuracy", "auroc")
COLUMNS = (
    *("split", "group", "generator", "style", "source", "n_ai", "n_human", "n_against"),
    *(f"{figure}{bound}" for figure in GROUP_FIGURES for bound in ("", "_low", "_high")),
    "too_small",
)
MAX_INTERVAL_WIDTH = 0.3  # with a wider one, a group has too few images
_KINDS: dict[str, tuple[tuple[str, ...], list[str]]] = {  # kind of group → labels of its images, and what they have in common
    "split": ((AI, HUMAN), ["split"]),
    "human": ((HUMAN,), ["generator"]),
    "generator": ((AI,), ["generator"]),
    "family": ((AI,), ["family"]),
    "source": ((AI, HUMAN), ["source"]),
    "style": ((AI, HUMAN), ["style"]),
    "human_by_style": ((HUMAN,), ["generator", "style"]),
    "generator_by_style": ((AI,), ["generator", "style"]),
}
_SHARED = ("style", "source")  # what AI and human images may have in common


def binary_metrics(is_ai: Booleans, p_ai: Floats) -> dict[str, Any]:
    """Compute the figures of one split, from the truth [N] and the scores [N]; the verdict is AI from `THRESHOLD` on.

    Returns:
        n, the values of `estimate_metrics` (without recall), average_precision, f1 (of AI), loss (mean negative
        log-likelihood, nats), confusion (truth → verdict → count) and intervals (figure → [low, high]). Where a class is
        absent, what needs it is None.
    """
    called_ai = p_ai >= THRESHOLD
    human, ai = confusion_matrix(is_ai, called_ai, labels=[False, True]).tolist()
    estimates = estimate_metrics(is_ai, p_ai)
    if not (sum(ai) and sum(human)):
        estimates["accuracy"] = UNDEFINED  # of one class it is that class's rate under a grander name
    return {
        "n": len(is_ai),
        **{name: estimates[name].value for name in FIGURES},
        "average_precision": float(average_precision_score(is_ai, p_ai)) if sum(ai) and sum(human) else None,
        "f1": float(f1_score(is_ai, called_ai)) if sum(ai) else None,
        "loss": float(log_loss(is_ai, p_ai, labels=[False, True])),
        "confusion": {"ai": {"ai": ai[1], "human": ai[0]}, "human": {"ai": human[1], "human": human[0]}},
        "intervals": {name: estimates[name].bounds for name in FIGURES},
    }


def split_metrics(predictions: pd.DataFrame) -> dict[str, Any]:
    """Compute the figures of one split's rows of predictions.csv.

    Returns:
        `binary_metrics`; and by_generator, by_style, and where there are any by_family and by_source: name → n, label (of a
        generator), accuracy and its interval.
    """
    is_ai, p_ai = truth(predictions)
    figures = binary_metrics(is_ai, p_ai)
    table = _with_families(predictions.assign(right=(p_ai >= THRESHOLD) == is_ai))
    for column in ("generator", "style", *(column for column in ("family", "source") if column in table)):
        groups = figures[f"by_{column}"] = {}
        for name, rows in table.groupby(column):
            accuracy = wilson(int(rows["right"].sum()), len(rows))
            label = {"label": rows["label"].iloc[0]} if column == "generator" else {}
            groups[str(name)] = {"n": len(rows), **label, "accuracy": accuracy.value, "interval": accuracy.bounds}
    return figures


def _with_families(table: pd.DataFrame) -> pd.DataFrame:
    """Add the column family, NaN for images of no family that has variants; nothing where there are no such families."""
    has_variants = (table["label"] == AI) & table["generator"].str.contains("/")
    return table.assign(family=families(table["generator"]).where(has_variants)) if has_variants.any() else table


def by_split(predictions: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of predictions.csv by split: test before val before the user's own."""
    names = sorted(predictions["split"].unique(), key=lambda name: (name != "test", name != "val", name))
    return {name: predictions[predictions["split"] == name] for name in names}


def group_metrics(predictions: pd.DataFrame) -> pd.DataFrame:
    """Compute every figure of every group of every split.

    Returns:
        What groups.csv holds, the columns `COLUMNS`, test before val before the user's own splits. `group` is a kind: "split"
        (all images), "human" (the human ones), "generator", "family" (of generators with variants; its name is in `generator`),
        "source", "style" (these two of both classes), "human_by_style" or "generator_by_style"; a split of one style has none
        of the last three, of one source no "source". `generator`, `style` and `source` are empty where all are meant. accuracy,
        recall and false_positive_rate are of the group's own images; balanced_accuracy and auroc compare its AI images with
        `n_against` human ones: those of the split, or of the split in that style or source. `_low` and `_high` bound the 95%
        interval; NaN where a figure is not defined.
    """
    is_ai, p_ai = truth(predictions)
    table = _with_families(predictions.assign(right=(p_ai >= THRESHOLD) == is_ai))
    rows = []
    for split, images in by_split(table).items():
        human = images[images["label"] == HUMAN]
        for kind, (labels, common) in _KINDS.items():
            if not {*common} <= {*images} or any(images[name].nunique() == 1 for name in common if name in _SHARED):
                continue
            for values, group in images[images["label"].isin(labels)].groupby(common):
                has = dict(zip(common, values, strict=True))
                named = {"style": "", "source": "", **has, "generator": has.get("family", has.get("generator", ""))}
                named |= {"split": split, "group": kind}
                against = human if AI in labels else human.head(0)
                for name in (name for name in common if name in _SHARED):
                    against = against[against[name] == named[name]]
                accuracy = float(images.loc[images["label"].isin(group["label"]), "right"].mean())
                rows.append({**named, **_figures(group, against), "too_small": is_too_small(len(group), accuracy)})
    figures = pd.DataFrame(rows, columns=list(COLUMNS))
    return figures.astype({column: float for column in COLUMNS if column.startswith(GROUP_FIGURES)})


def write_groups(file: Path, predictions: pd.DataFrame) -> None:
    """Write groups.csv: what `group_metrics` finds."""
    write_table(file, group_metrics(predictions), float_format="%.7g")


def _figures(group: pd.DataFrame, against: pd.DataFrame) -> dict[str, Any]:
    """The figures of one group: its own, and those of its AI images and the human images `against`."""
    is_ai, p_ai = truth(group)
    figures = estimate_metrics(is_ai, p_ai)
    compared = estimate_metrics(*truth(pd.concat([group[is_ai], against])))
    figures |= {name: compared[name] for name in ("balanced_accuracy", "auroc")}
    row: dict[str, Any] = {"n_ai": int(is_ai.sum()), "n_human": int((~is_ai).sum()), "n_against": len(against)}
    for name in GROUP_FIGURES:
        row |= {name: figures[name].value, f"{name}_low": figures[name].low, f"{name}_high": figures[name].high}
    return row


def is_too_small(n: int, rate: float) -> bool:
    """Whether Wilson's interval of n images is wider than `MAX_INTERVAL_WIDTH` at the rate of all their kind in the split.

    The split's rate is used, not the group's own: else a group of ten without errors would be shown, and one with three not.
    """
    _, below, above = wilson(n * rate, n).reach()
    return below + above > MAX_INTERVAL_WIDTH


def worst_group(table: pd.DataFrame, label: Literal["ai", "human"], split: str = "test") -> dict[str, Any] | None:
    """Find the group whose error rate has the highest lower bound, among those that are large enough.

    Compared are, of human images, the sources and the styles; of AI images, the generators, the sources, the styles, and the
    generators in each style.

    Returns:
        generator, style and source (None where all are meant), n, mistakes and their rate (an `Estimate`), overall (the rate of
        all the split's images of the label), compared (how many groups), and p (Fisher's exact test against the label's other
        images, two-sided, corrected by Holm for all compared groups). None where fewer than two groups of `group_metrics` are
        large enough; all images of the label are no group.
    """
    kinds = ("generator", "source", "style", "generator_by_style") if label == AI else ("source", "human_by_style")
    rows = table[(table["split"] == split) & (table[f"n_{label}"] > 0)]
    n, rate = rows[f"n_{label}"].astype(int), 1 - rows["recall"] if label == AI else rows["false_positive_rate"]
    rows = rows.assign(n=n, mistakes=(n * rate).round().astype(int))
    total, wrong = rows["n"].max(), rows["mistakes"].max()  # those of the whole split
    large = rows["n"].map(lambda n: not is_too_small(n, 1 - wrong / total)).astype(bool)
    groups = rows[rows["group"].isin(kinds) & (rows["n"] < total) & large]
    if len(groups) < 2:
        return None
    counts = list(zip(groups["mistakes"], groups["n"], strict=True))
    p = holm([fisher_exact([[w, n - w], [wrong - w, total - n - (wrong - w)]]).pvalue for w, n in counts])
    rates = [wilson(w, n) for w, n in counts]
    worst = max(range(len(counts)), key=lambda i: (rates[i].low, rates[i].value, i))  # last: the closest description
    group = groups.iloc[worst]
    kind = str(group["group"])  # says what its images have in common
    named = {name: group[name] if name in kind else None for name in ("generator", "style", "source")}
    figures = {"rate": rates[worst], "overall": float(wrong / total), "compared": len(counts), "p": p[worst]}
    return {**named, "n": int(group["n"]), "mistakes": int(group["mistakes"]), **figures}
