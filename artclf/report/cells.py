"""Where a run is right and wrong: the heatmap of makers and styles, the worst cells in words, and the tables."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from artclf.evaluation.groups import COLUMNS, FIGURES, Worst, is_too_small, worst_group
from artclf.evaluation.metrics import THRESHOLD
from artclf.evaluation.significance import LEVEL
from artclf.report import format as fmt
from artclf.report import style
from artclf.report.figures.data import makers_of
from artclf.run_folder import read_table

_MOST_MAKERS = 12  # rows of the heatmap
_MOST_STYLES = 12  # columns of it, and one for all
_MOST_ROWS = 40  # of a table on the page
_TEXT = ("split", "cell", "generator", "style", "too_small")
_NUMBERS = tuple(column for column in COLUMNS if column not in _TEXT)
_DEEPEST = 0.5  # share of mistakes from which a cell has its full colour: as bad as guessing, or worse


def plot_cells(predictions: pd.DataFrame, title: str, threshold: float = THRESHOLD) -> Figure:
    """Plot the share judged rightly for each maker (rows) and style (columns), the deeper the colour the worse.

    Cells with too few works (`is_too_small`) are grey and hatched, and tell counts. The smallest makers and styles are taken
    together where there are many.

    Args:
        predictions: rows of predictions.csv, of one split; columns label, generator, style, p_ai.
        title: what is shown, in words.
        threshold: from which p_ai on the verdict is AI.
    """
    is_ai = (predictions["label"] == "ai").to_numpy(dtype=bool)
    right = (predictions["p_ai"].to_numpy(dtype=float) >= threshold) == is_ai
    makers = makers_of(predictions, _MOST_MAKERS)
    columns = _columns(predictions["style"].to_numpy(dtype=object))
    figure = style.paper(style.WIDE, (1.55 if len(columns) > 1 else 1.3) + 0.56 * len(makers))
    style.heading(figure, title)
    axes = figure.subplots()
    for row, maker in enumerate(makers):
        overall = float(right[is_ai == (maker.label == "ai")].mean())
        for column, (_, looking) in enumerate(columns):
            works = maker.rows & looking
            _draw_cell(axes, _place(column), row, maker.label, int(right[works].sum()), int(works.sum()), overall)
    style.blank(axes)
    # few columns don't fill the paper: cells as wide as a page would be no table
    axes.set_xlim(-0.5, max(_place(len(columns) - 1) + 0.5, 8.0))
    axes.set_ylim(len(makers) - 0.46, -0.54)
    axes.set_yticks(range(len(makers)), [_broken(maker.name) for maker in makers])
    for label, maker in zip(axes.get_yticklabels(), makers, strict=True):
        label.set(color=style.dark(style.colour(maker.label)), fontsize=style.NORMAL)
    names = [style.plain(name, 22) for name, _ in columns]
    tilted: dict[str, Any] = {"rotation": 35, "ha": "left", "rotation_mode": "anchor"} if len(columns) > 1 else {}
    axes.set_xticks([_place(column) for column in range(len(columns))], names, fontsize=style.SMALL, color=style.INK, **tilted)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=4)
    _legend(figure)
    return figure


def _columns(styles: NDArray[np.object_]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Name and rows of each column: all works, then the styles, the smallest ones as one."""
    names, sizes = np.unique(styles.astype(str), return_counts=True)
    everything = np.ones(len(styles), dtype=bool)
    if len(names) == 1:
        return [(str(names[0]) or "all works", everything)]
    largest = np.argsort(-sizes, kind="stable")
    kept = names if len(names) <= _MOST_STYLES else np.sort(names[largest[: _MOST_STYLES - 1]])
    columns = [("all styles", everything), *((str(name) or "none given", styles == name) for name in kept)]
    if len(kept) < len(names):
        columns.append((f"{len(names) - len(kept)} others", ~np.isin(styles.astype(str), kept)))
    return columns


def _place(column: int) -> float:
    """Where a column stands: a gap parts all works from the styles."""
    return column + 0.2 * (column > 0)


def _draw_cell(axes: Axes, x: float, y: int, label: str, right: int, n: int, overall: float) -> None:
    if not n:
        axes.text(x, y, fmt.NOT_RECORDED, ha="center", va="center", fontsize=style.SMALL, color=style.MUTED)
        return
    corner = (x - 0.48, y - 0.46)
    if is_too_small(n, overall):
        look: dict[str, Any] = {"facecolor": "#F1F1EF", "edgecolor": style.FROZEN, "hatch": "////", "linewidth": 0.0}
        axes.add_patch(Rectangle(corner, 0.96, 0.92, **look))
        box = {"facecolor": "#F1F1EF", "edgecolor": "none", "pad": 1.5}
        text = f"{right} of {n}"
        axes.text(x, y, text, ha="center", va="center", fontsize=style.SMALL, color=style.MUTED, bbox=box)
        return
    tint = _tint(label, 1 - right / n)
    axes.add_patch(Rectangle(corner, 0.96, 0.92, facecolor=tint, linewidth=0.0))
    ink = style.ink_on(tint)
    share = f"{right / n:.0%}" if right in (0, n) or 0.005 <= right / n < 0.995 else fmt.share(right / n)
    axes.text(x, y - 0.13, share, ha="center", va="center", fontsize=style.NORMAL, color=ink, fontweight="bold")
    axes.text(x, y + 0.23, f"of {fmt.count(n)}", ha="center", va="center", fontsize=style.SMALL - 1, color=ink)


def _tint(label: str, wrong: float) -> str:
    return style.shade(style.colour(label), 0.08 + 0.92 * min(wrong / _DEEPEST, 1.0))


def _legend(figure: Figure) -> None:
    steps = {"none wrong": 0.0, "a quarter wrong": 0.25, "half or more wrong": _DEEPEST}
    keys: list[Any] = [tuple(Patch(facecolor=_tint(label, wrong)) for label in ("human", "ai")) for wrong in steps.values()]
    keys.append(Patch(facecolor="#F1F1EF", edgecolor=style.FROZEN, hatch="////", linewidth=0.0))
    figure.legend(
        keys,
        [*steps, "too few works to judge by: rightly judged, of how many"],
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0.0)},
        loc="outside lower left",
        ncols=4,
        frameon=False,
        fontsize=style.SMALL,
        labelcolor=style.INK,
        handlelength=2.6,
        columnspacing=1.4,
    )


def _broken(name: str) -> str:
    """Break a maker's name into two lines, after underscores; of a longer one the end is kept, where versions differ."""
    lines = [line.replace("_ ", "_") for line in textwrap.wrap(name.replace("_", "_ "), 18)] or ["none given"]
    if len(lines) > 2:
        return f"{style.plain(lines[0], 18)}\n{style.plain(name[len(lines[0]) :], 16, keep='end')}"
    return "\n".join(style.plain(line, 18, keep="end") for line in lines)


def read_cells(run: Path, splits: Sequence[str]) -> list[dict[str, Any]]:
    """Read a run's cells.csv, and prepare what the page tells of each of these splits.

    Returns:
        For each split that is there: split, sentences (the worst cells), makers and styles (rows of the two tables: what
        `group_metrics` has of a group, the intervals as [low, high] under "intervals"), left_out (rows that the tables do
        not have room for).

    Raises:
        ArtclfError: where the file is not what a run writes.
    """
    table = read_table(run / "cells.csv", text=_TEXT, numbers=_NUMBERS)
    if table is None:
        return []
    judged = []
    for split in splits:
        of_split = table[table["split"] == split]
        if of_split.empty:
            continue
        makers, styles = (of_split[of_split["cell"].isin(kinds)] for kinds in (("people", "generator"), ("style",)))
        judged.append(
            {
                "split": split,
                "sentences": worst_in_words(table, split),
                "makers": _rows(makers),
                "styles": _rows(styles),
                "left_out": sum(max(len(cells) - _MOST_ROWS, 0) for cells in (makers, styles)),
            }
        )
    return judged


def _rows(cells: pd.DataFrame) -> list[dict[str, Any]]:
    sizes = cells["n_ai"] + cells["n_human"]
    shown = cells[sizes.rank(method="first", ascending=False) <= _MOST_ROWS]
    rows = []
    for row in shown.to_dict("records"):
        intervals = {name: [row[f"{name}_low"], row[f"{name}_high"]] for name in FIGURES}
        known = {name: None if any(map(fmt.missing, bounds)) else bounds for name, bounds in intervals.items()}
        rows.append(
            {
                **{str(key): value for key, value in row.items()},
                "n": row["n_ai"] + row["n_human"],
                "too_small": row["too_small"] == "True",
                "intervals": known,
            }
        )
    return rows


def worst_in_words(table: pd.DataFrame, split: str) -> list[str]:
    """Name the cell with the worst false accusations and the one with the most misses, and say how sure that is.

    Args:
        table: from `group_metrics`.
        split: of which split.
    """
    whole = table[(table["split"] == split) & (table["cell"] == "split")]
    sentences = []
    if whole["n_human"].sum():
        worst = worst_group(table, "human", split)
        few = "No two styles have human works enough to be judged by themselves, so none is named where accusations are worst."
        sentences.append(few if worst is None else _accused(worst))
    if whole["n_ai"].sum():
        worst = worst_group(table, "ai", split)
        few = "No two generators or styles have AI works enough to be judged by themselves, so none is named as missed most."
        sentences.append(few if worst is None else _missed(worst))
    return sentences


def _accused(worst: Worst) -> str:
    if not worst.mistakes:
        return f"In none of the {worst.looked_at} styles that are large enough was a human work called AI."
    happened = f"of {fmt.plural(worst.n, 'human work')} {'was' if worst.mistakes == 1 else 'were'} called AI"
    where = f"People are wrongly accused most in the style {worst.style or '(none given)'}"
    return f"{where}: {fmt.count(worst.mistakes)} {happened} {_in_proportion(worst, 'human works')}"


def _missed(worst: Worst) -> str:
    if not worst.mistakes:
        return f"In none of the {worst.looked_at} cells that are large enough was an AI work missed."
    looking = "" if worst.style is None else f" in the style {worst.style or '(none given)'}"
    made = "" if worst.generator is None else f" of {worst.generator or '(no generator given)'}"
    happened = f"of {fmt.count(worst.n)} {'was' if worst.mistakes == 1 else 'were'} missed"
    return (
        f"Missed most are AI works{made}{looking}: {fmt.count(worst.mistakes)} {happened} {_in_proportion(worst, 'AI works')}"
    )


def _in_proportion(worst: Worst, works: str) -> str:
    """The share, that of all works, and what is left of the difference once it is the worst of so many."""
    share = f"({fmt.share(worst.rate.value)}, 95%: {fmt.share_range(worst.rate.bounds)}; of all {works} "
    looked = f"{fmt.share(worst.overall)}). It is the worst of {worst.looked_at} cells, and the worst of several looks worse "
    chance = "more than chance explains" if worst.p < LEVEL else "no more than chance explains"
    p = f"p {fmt.p_value(worst.p)}" if worst.p < 0.001 else f"p = {fmt.p_value(worst.p)}"
    return f"{share}{looked}than it is: corrected for that, it differs from the others by {chance} ({p})."
