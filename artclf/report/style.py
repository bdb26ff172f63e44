"""Colours, and what all figures share; artclf.mplstyle holds the rest of their look.

AI is orange and human is blue everywhere: the two stay apart in all common kinds of colour blindness.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import LogFormatter, PercentFormatter

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
    """Make a figure of panels. Its margins are fixed: to measure all texts would take as long as to draw them.

    Args:
        title: of the figure.
        number: of panels.
        columns: in each row of panels.
        height: of a panel, in inches.
        sharey: whether all panels have the same y axis.
        names: of the ticks of the first panel's y axis, to make room for them.
        legend: whether to leave room for one below the panels.
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
