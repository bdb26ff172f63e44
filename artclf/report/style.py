"""Colours, and what all figures share; artclf.mplstyle holds the rest of their look.

AI is orange and human is blue everywhere: the two stay apart in all common kinds of colour blindness.
"""

from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis, YAxis
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import LogFormatter, PercentFormatter

AI = "#C4542B"
HUMAN = "#1F6C9E"
COLOURS = {"ai": AI, "human": HUMAN}
INK = "#24272C"
MUTED = "#686E78"
PAPER = "#FFFFFF"
GREY = "#BFC3CA"
STAGES = ("#2F8061", "#D6A02C", "#76519A", "#8A8F3C", "#3E8A99")
RUNS = ("#1B1F24", "#2F8061", "#D6A02C", "#76519A", "#3E8A99", "#A8656F")
RING: dict[str, Any] = {"marker": "o", "markerfacecolor": "none", "markeredgewidth": 2, "zorder": 4}  # around the best

NARROW = 5.2  # inches; two of these stand side by side on a page
WIDE = 9.6

matplotlib.style.use(Path(__file__).with_name("artclf.mplstyle"))


def paper(width: float, height: float, title: str) -> Figure:
    """An empty figure, width × height inches, that lays itself out."""
    figure = Figure(figsize=(width, height))
    figure.suptitle(short(title, int(width * 10.5)), x=0.01, ha="left")
    return figure


def panels(
    number: int, columns: int, title: str, *, height: float, width: float = WIDE, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of panels in rows of so many columns; `height` is that of a row."""
    rows = -(-number // columns)
    figure = paper(width, 1.0 + height * rows, title)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=sharey).ravel()
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


def shade(colour: str, strength: float) -> str:
    """Mix a colour with white: strength 1 is the colour itself, 0 white."""
    red, green, blue = 1 - strength * (1 - np.array(to_rgb(colour)))
    return to_hex((red, green, blue))


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
