"""Figures of pictures: samples, augmented copies, mistakes."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from artclf.report import style

_ROW = 6  # pictures side by side
_TILE = style.WIDE / _ROW  # inches


@dataclass(frozen=True)
class Mistake:
    """A picture that was judged wrongly.

    Attributes:
        pixels: [H, W, 3] uint8, or float in 0..1.
        path: where the picture lies, relative to the data's root.
        label: who made it: ``"ai"`` or ``"human"``.
        p_ai: what the classifier says, 0..1.
    """

    pixels: NDArray[Any]
    path: str
    label: str
    generator: str
    style: str
    p_ai: float

    @property
    def false_accusation(self) -> bool:
        """Whether a human work was called AI."""
        return self.label == "human"

    @property
    def error(self) -> float:
        """How far p_ai is from the truth: 1 is the worst."""
        return self.p_ai if self.label == "human" else 1.0 - self.p_ai


def plot_samples(pictures: Sequence[tuple[NDArray[Any], str]], title: str) -> Figure:
    """Plot pictures in a grid, six to a row, each with its caption below.

    Args:
        pictures: ([H, W, 3] uint8 or float in 0..1, caption) pairs; sizes may differ.
        title: what is shown, in words.
    """
    rows = max(math.ceil(len(pictures) / _ROW), 1)
    figure = style.paper(style.WIDE, 0.4 + rows * (_TILE + 0.27))
    style.heading(figure, title)
    if not pictures:
        style.say(figure.subplots(), "There are no pictures to show.")
        return figure
    for axes, (pixels, caption) in zip(_grid(figure, len(pictures)), pictures, strict=False):
        _show(axes, pixels, caption)
    return figure


def plot_copies(original: NDArray[Any], copies: Sequence[NDArray[Any]], title: str) -> Figure:
    """Plot a picture and, beside it, its augmented copies; pictures as for `plot_samples`."""
    captions = ["the original", *(f"copy {number}" for number in range(1, len(copies) + 1))]
    figure = plot_samples(list(zip([original, *copies], captions, strict=True)), title)
    first = figure.axes[0]
    for side in first.spines.values():
        side.set(visible=True, color=style.INK, linewidth=2.5)
    first.xaxis.label.set(color=style.INK, fontweight="bold")
    return figure


def plot_mistakes(mistakes: Sequence[Mistake]) -> Figure:
    """Plot wrong verdicts, false accusations first, in each kind the most confident first."""
    accusations = _worst_first([mistake for mistake in mistakes if mistake.false_accusation])
    missed = _worst_first([mistake for mistake in mistakes if not mistake.false_accusation])
    kinds = [
        (f"False accusations: works of people, called AI ({len(accusations)} shown)", accusations, style.HUMAN),
        (f"Missed: works of AI, taken for human ({len(missed)} shown)", missed, style.AI),
    ]
    kinds = [kind for kind in kinds if kind[1]]
    if not kinds:
        figure = style.paper(style.WIDE, 1.8)
        style.heading(figure, "The worst mistakes")
        style.say(figure.subplots(), "No mistakes: every picture was judged rightly.")
        return figure
    heights = [0.3 + math.ceil(len(group) / _ROW) * (_TILE + 0.62) for _, group, _ in kinds]
    figure = style.paper(style.WIDE, 0.45 + sum(heights))
    style.heading(figure, "The worst mistakes, the most confident first")
    parts = figure.subfigures(len(kinds), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, (title, group, color) in zip(parts, kinds, strict=True):
        part.suptitle(title, x=0.01, ha="left", fontsize=style.NORMAL, fontweight="bold", color=color)
        for axes, mistake in zip(_grid(part, len(group)), group, strict=False):
            facts = [mistake.generator, mistake.style, PurePath(mistake.path).name]
            _show(axes, mistake.pixels, "\n".join(facts[mistake.generator == mistake.label :]))
            style.title(axes, f"p_ai {mistake.p_ai:.2f}", fontsize=style.NORMAL, color=style.INK, pad=5)
            for side in axes.spines.values():
                side.set(visible=True, color=color, linewidth=2.5)
    return figure


def _worst_first(mistakes: list[Mistake]) -> list[Mistake]:
    return sorted(mistakes, key=lambda mistake: (-mistake.error, mistake.path))


def _grid(figure: Figure | SubFigure, number: int) -> list[Axes]:
    """Axes for `number` pictures, six to a row; those left over in the last row are invisible."""
    rows = max(math.ceil(number / _ROW), 1)
    panels = list(figure.subplots(rows, _ROW, squeeze=False).flat)
    for axes in panels[number:]:
        axes.remove()
    return panels[:number]


def _show(axes: Axes, pixels: NDArray[Any], caption: str) -> None:
    axes.imshow(pixels, interpolation="antialiased")
    style.blank(axes)
    lines = [part for line in caption.split("\n") for part in textwrap.wrap(line, 24)[:2]]
    text = "\n".join(style.plain(line) for line in lines)
    axes.set_xlabel(text, fontsize=style.SMALL - 0.5, color=style.MUTED, labelpad=4, linespacing=1.25)
