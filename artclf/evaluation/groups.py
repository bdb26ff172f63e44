"""Where a classifier is right and wrong: its figures for each generator, each style, and both together.

A cell is a part of a split's pictures. Each figure has a 95% interval, since most cells are small; whether a cell is too small
to be judged does not depend on how it came out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact

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
WIDEST = 0.3  # of an interval by which a cell can still be judged


@dataclass(frozen=True)
class Worst:
    """The cell of one label with the most mistakes: of human works false accusations, of AI works misses.

    Attributes:
        generator: whose works; None where all of the label's are meant.
        style: in which; None where all are meant.
        mistakes: how many of its works are judged wrongly.
        n: of how many.
        rate: the share, with its interval.
        overall: the share among all of the split's works of the label.
        looked_at: how many cells it is the worst of.
        p: how often works like the label's others would come out as differently by chance: Fisher's exact test against these,
            two-sided, corrected by Holm for all cells looked at. The worst of many looks worse than it is.
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
class _Cell:
    kind: str
    generator: str
    style: str
    own: Booleans  # [N] its works
    against: Booleans  # [N] the human works that its AI works are compared with


def cells(predictions: pd.DataFrame, threshold: float = THRESHOLD) -> pd.DataFrame:
    """Compute every figure of every cell of every split.

    Args:
        predictions: predictions.csv: the columns label, generator, style, split and p_ai.
        threshold: from which p_ai on the verdict is AI.

    Returns:
        What cells.csv holds, the columns `COLUMNS`, a row a cell, test before val before the user's own splits. `cell` is

        - "split": all its works;
        - "people": the human works; "generator": those of one generator;
        - "style": the works of both classes in one style;
        - "people_by_style", "generator_by_style": both. A split of one style has none of these three.

        `generator` and `style` are empty where all are meant ("human" for people). `n_ai` and `n_human` count the cell's own
        works. accuracy (the share judged rightly), recall (of its AI works, the share found) and false_positive_rate (of its
        human works, the share called AI) are of these alone, with Wilson's interval. balanced_accuracy and auroc hold its AI
        works against `n_against` human ones: those of the split, or of the split in that style. `_low` and `_high` bound
        the 95% interval. NaN where what a figure needs is not there. `too_small`: see `is_too_small`.
    """
    rows = []
    first = {"test": 0, "val": 1}
    for split in sorted(predictions["split"].unique(), key=lambda name: (first.get(name, 2), name)):
        works = predictions[predictions["split"] == split]
        is_ai = (works["label"] == "ai").to_numpy(dtype=bool)
        p_ai = works["p_ai"].to_numpy(dtype=float)
        called_ai = p_ai >= threshold
        right = called_ai == is_ai
        for cell in _cells_of(works, is_ai):
            ai, human = cell.own & is_ai, cell.own & ~is_ai
            alike = is_ai if not human.any() else ~is_ai if not ai.any() else np.ones_like(is_ai)
            compared = ai | cell.against
            own = rates(is_ai[cell.own], called_ai[cell.own])
            figures = (
                own.accuracy,
                own.recall,
                own.false_positive_rate,
                rates(is_ai[compared], called_ai[compared]).balanced_accuracy,
                auroc(is_ai[compared], p_ai[compared]) if ai.any() else UNDEFINED,
            )
            rows.append(
                (
                    *(split, cell.kind, cell.generator, cell.style, int(ai.sum()), int(human.sum()), int(cell.against.sum())),
                    *(bound for figure in figures for bound in (figure.value, figure.low, figure.high)),
                    is_too_small(int(cell.own.sum()), float(right[alike].mean())),
                )
            )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({column: float for column in COLUMNS if column.startswith(FIGURES)})


def is_too_small(n: int, rate: float) -> bool:
    """Whether a cell has too few works to be judged: Wilson's interval would be wider than 30 points at its split's rate.

    It is not the cell's own rate that decides: of two cells of ten works, the one without a mistake would be judged (an
    interval of 28 points), and the one with three (49 points) hidden.

    Args:
        n: works of the cell.
        rate: the share of works of its kind (AI, human, or both) in the whole split that are judged rightly.
    """
    return wilson(n * rate, n).width > WIDEST


def worst_cell(table: pd.DataFrame, label: Literal["ai", "human"], split: str = "test") -> Worst | None:
    """Name the cell that is surely bad: of those large enough, the one whose share of mistakes has the highest lower bound.

    Looked at are, of human works, the styles; of AI works, the generators, the styles, and the generators in each style.

    Args:
        table: from `cells`.
        label: "human" for false accusations, "ai" for misses.
        split: of which split.

    Returns:
        None where fewer than two cells are large enough.
    """
    of_split = table[table["split"] == split]
    whole = of_split[of_split["cell"] == "split"]
    number, figure = ("n_ai", "recall") if label == "ai" else ("n_human", "false_positive_rate")
    total = int(whole[number].sum())
    if not total:
        return None
    value = float(whole[figure].iloc[0])
    overall = 1 - value if label == "ai" else value
    looked_at = _cells_of_ai(of_split) if label == "ai" else of_split[of_split["cell"] == "people_by_style"]
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
    cell = looked_at.iloc[worst]
    return Worst(
        generator=None if label == "human" or cell["cell"] == "style" else str(cell["generator"]),
        style=None if cell["cell"] == "generator" else str(cell["style"]),
        mistakes=int(mistakes[worst]),
        n=int(n[worst]),
        rate=shares[worst],
        overall=overall,
        looked_at=len(n),
        p=float(p[worst]),
    )


def _cells_of_ai(of_split: pd.DataFrame) -> pd.DataFrame:
    """The generators, the styles, and both, as far as there are two or more; each set of works once, by its closest name."""
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


def _cells_of(works: pd.DataFrame, is_ai: Booleans) -> Iterator[_Cell]:
    """The cells of one split's works."""
    generators, styles = works["generator"].to_numpy(dtype=object), works["style"].to_numpy(dtype=object)
    makers = [(str(name), is_ai & (generators == name)) for name in sorted(set(generators[is_ai]))]
    looks = [(str(name), styles == name) for name in sorted(set(styles))]
    nobody = np.zeros_like(is_ai)
    yield _Cell("split", "", "", np.ones_like(is_ai), ~is_ai)
    if not is_ai.all():
        yield _Cell("people", "human", "", ~is_ai, nobody)
    for name, made in makers:
        yield _Cell("generator", name, "", made, ~is_ai)
    if len(looks) == 1:
        return
    for style, looking in looks:
        yield _Cell("style", "", style, looking, looking & ~is_ai)
    for style, looking in looks:
        if (looking & ~is_ai).any():
            yield _Cell("people_by_style", "human", style, looking & ~is_ai, nobody)
    for name, made in makers:
        for style, looking in looks:
            if (looking & made).any():
                yield _Cell("generator_by_style", name, style, looking & made, looking & ~is_ai)
