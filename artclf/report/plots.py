"""What all figures share: colours, panels, estimates with intervals, curves by epoch, ROC curves.

AI is orange and human is blue everywhere: the two stay apart in all common kinds of colour blindness. artclf.mplstyle holds
the rest of the look.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import LogFormatter, MaxNLocator, PercentFormatter
from sklearn.metrics import roc_auc_score, roc_curve

from artclf.evaluation import Booleans, Floats
from artclf.evaluation.decision import THRESHOLD
from artclf.evaluation.intervals import Estimate

AI = "#C4542B"
HUMAN = "#1F6C9E"
COLOURS = {"ai": AI, "human": HUMAN}
INK = "#24272C"
MUTED = "#686E78"
GREY = "#BFC3CA"
STAGES = ("#2F8061", "#D6A02C", "#76519A", "#8A8F3C", "#3E8A99")
RUNS = ("#1B1F24", "#2F8061", "#D6A02C", "#76519A", "#3E8A99", "#A8656F")
RING: dict[str, Any] = {"marker": "o", "markerfacecolor": "none", "markeredgewidth": 2, "zorder": 4}  # around the best

_WIDTH = 9.6  # all in inches
_LETTER = 0.085
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.75, 0.25, 0.7, 0.55
_LEGEND = 0.5

matplotlib.style.use(Path(__file__).with_name("artclf.mplstyle"))


def panels(
    title: str,
    number: int,
    columns: int,
    *,
    height: float,
    sharey: bool = False,
    names: Sequence[str] = (),
    legend: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels, `columns` in a row and each `height` inches high.

    Room is left for the `names` of the first panel's ticks on the y axis, and for a `legend` below the panels. The margins are
    fixed: to measure all texts would take as long as to draw them.
    """
    rows = -(-number // columns)
    left, bottom = _LEFT + _LETTER * max(map(len, names), default=0), _BOTTOM + _LEGEND * legend
    across, down = 0.2 if sharey else _LEFT, 0.65  # between panels
    total = _TOP + rows * height + (rows - 1) * down + bottom
    figure = Figure(figsize=(_WIDTH, total))
    figure.suptitle(short(title, 100), x=0.01, y=1 - 0.12 / total, ha="left", va="top")
    margins = {
        "left": left / _WIDTH,
        "right": 1 - _RIGHT / _WIDTH,
        "bottom": bottom / total,
        "top": 1 - _TOP / total,
        "wspace": across * columns / (_WIDTH - left - _RIGHT - across * (columns - 1)),
        "hspace": down / height,
    }
    grid = figure.subplots(rows, columns, squeeze=False, sharey=sharey, gridspec_kw=margins).ravel()
    for axes in grid[number:]:
        axes.set_axis_off()
    return figure, list(grid[:number])


def percent(*axes: Axis) -> None:
    """Label axes of shares in percent."""
    for axis in axes:
        axis.set_major_formatter(PercentFormatter(1.0))


def log_scale(axis: XAxis | YAxis) -> None:
    """Scale an axis logarithmically, with plain numbers: mathematical text is off, so that names may hold any letters."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_formatter(LogFormatter())
    axis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))


def run_colours(number: int) -> list[str]:
    """A colour for each run, the best first; from the seventh on grey, since the eye could not tell more colours apart."""
    return [*RUNS, *[GREY] * (number - len(RUNS))][:number]


def short(text: str, limit: int = 24) -> str:
    """Shorten a name in its middle, and replace letters that the font lacks."""
    if len(text) > limit:
        text = f"{text[: limit // 2]}…{text[len(text) - limit + limit // 2 + 1 :]}"
    return "".join(letter if ord(letter) in _glyphs() else "□" for letter in text)


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def plot_intervals(
    title: str,
    names: Sequence[str],
    quantities: Mapping[str, Mapping[str, Sequence[Estimate]]],
    *,
    reference: float | None = None,
) -> Figure:
    """Plot estimates with their 95% intervals (a forest plot), the first of `names` on top.

    Args:
        title: of the figure.
        names: of the rows.
        quantities: of each: label in the legend → an estimate for each row; undefined ones are left empty.
        reference: what chance, or no difference, would give; a line is drawn there.
    """
    names = [short(name, 34) for name in names]
    several = max(map(len, quantities.values())) > 1
    height = 0.36 * max(len(names), 2)
    figure, grid = panels(title, len(quantities), len(quantities), height=height, sharey=True, names=names, legend=several)
    for axes, (heading, of_panel) in zip(grid, quantities.items(), strict=True):
        if reference is not None:
            axes.axvline(reference, color=INK, linewidth=1.2, zorder=1)
        colours = (AI, INK) if several else (STAGES[0],)
        for number, ((label, estimates), colour) in enumerate(zip(of_panel.items(), colours, strict=False)):
            values, lows, highs = np.array([(one.value, one.low, one.high) for one in estimates], dtype=float).T
            rows = np.arange(len(names)) + 0.16 * (2 * number + 1 - len(of_panel))
            axes.errorbar(values, rows, xerr=(values - lows, highs - values), fmt="o", color=colour, label=label)
        axes.set_title(heading)
        axes.xaxis.set_major_locator(MaxNLocator(3))
    grid[0].set_yticks(range(len(names)), names)
    grid[0].set_ylim(len(names) - 0.4, -0.6)
    if several:
        figure.legend(*grid[0].get_legend_handles_labels(), loc="lower left", ncols=2)
    return figure


def plot_by_epoch(quantities: Mapping[str, Mapping[str, pd.Series]], colours: Mapping[str, str]) -> Figure:
    """Plot curves by epoch: of each quantity, name → values by epoch, the most important first (it lies on top)."""
    figure, grid = panels("Training by epoch", len(quantities), len(quantities), height=3.0, legend=True)
    for axes, (title, curves) in zip(grid, quantities.items(), strict=True):
        for place, (name, curve) in enumerate(curves.items()):
            label = short(name) if colours[name] != GREY else None
            axes.plot(curve.index, curve, color=colours[name], marker="o", markersize=3, label=label, zorder=3 - place / 100)
        axes.set(title=title, xlabel="epoch" if curves else "not recorded")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if "accuracy" in title:
            percent(axes.yaxis)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="lower left", ncols=3)
    return figure


def draw_roc(axes: Axes, is_ai: Booleans, p_ai: Floats, colour: str, label: str) -> None:
    """Draw a ROC curve with its AUROC in the legend (none for a label that begins with "_"), and a dot at the threshold 0.5.

    The truth [N] and the scores [N] are of both classes.
    """
    false_rate, true_rate, _ = roc_curve(is_ai, p_ai)
    axes.plot(false_rate, true_rate, color=colour, label=f"{label} {roc_auc_score(is_ai, p_ai):.3f}")
    called = p_ai >= THRESHOLD
    axes.plot([called[~is_ai].mean()], [called[is_ai].mean()], "o", color=colour, zorder=5)
    axes.set(xlabel="human images called AI (false positive rate)", ylabel="AI images found (true positive rate)")
    percent(axes.xaxis, axes.yaxis)
