"""How many pictures of which maker a training sees, before and after balancing."""

import textwrap
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from artclf.report import format as fmt
from artclf.report import style

_NAMES = {"human": "by people", "ai": "by AI"}
_MOST_PARTS = 5  # tints that the eye tells apart
_HEIGHT = 0.78  # of a bar
_LETTER = 0.0115  # width of a letter, as a share of the longest bar


def plot_counts(before: Mapping[str, Mapping[str, int]], after: Mapping[str, int], title: str) -> Figure:
    """Plot the two classes of the training split before (by generator) and after balancing.

    Args:
        before: label → generator → number of pictures.
        after: label → number of pictures that an epoch sees.
        title: what is shown, in words.
    """
    figure = style.paper(style.WIDE, 3.8)
    axes = figure.subplots()
    style.heading(figure, title)
    held = {label: sum(before.get(label, {}).values()) for label in _NAMES}
    longest = max(*held.values(), *after.values(), 1)
    for row, label in enumerate(_NAMES):
        _draw_before(axes, -row, _largest(before.get(label, {})), label, longest)
        _draw_after(axes, -row - 2.8, held[label], after.get(label, 0), label, longest)
    style.tidy(axes, grid=None)
    axes.set_yticks([0, -1, -2.8, -3.8], [*_NAMES.values(), *_NAMES.values()])
    axes.tick_params(axis="y", labelsize=style.NORMAL, labelcolor=style.INK)
    axes.set_xticks([])
    axes.set_xlim(0, longest * 1.14)
    axes.set_ylim(-4.3, 1.0)
    for y, text in ((0.7, "as the data has them"), (-2.1, "as an epoch of training sees them")):
        axes.text(0, y, text, fontsize=style.SMALL + 0.5, color=style.MUTED, va="center")
    return figure


def _largest(generators: Mapping[str, int]) -> list[tuple[str, int]]:
    """Generators by size, the smallest ones as one."""
    ordered = sorted(((name, n) for name, n in generators.items() if n), key=lambda item: (-item[1], item[0]))
    if len(ordered) <= _MOST_PARTS:
        return ordered
    kept, rest = ordered[: _MOST_PARTS - 1], ordered[_MOST_PARTS - 1 :]
    return [*kept, (f"{len(rest)} others", sum(n for _, n in rest))]


def _draw_before(axes: Axes, y: float, generators: list[tuple[str, int]], label: str, longest: int) -> None:
    """Draw a bar of generators; names that don't fit into their part stand below it."""
    tints = style.tints([name for name, _ in generators], label)
    left = 0
    below = []
    for name, number in generators:
        axes.barh(y, number, left=left, height=_HEIGHT, color=tints[name], edgecolor=style.PAPER, linewidth=1.5)
        lines = [*_wrapped(name), fmt.count(number)]
        if number > _LETTER * longest * max(len(line) for line in lines):
            inside = "\n".join(style.plain(line) for line in lines)
            ink = style.ink_on(tints[name])
            axes.text(left + number / 2, y, inside, ha="center", va="center", fontsize=style.SMALL, color=ink)
        else:
            below.append(f"{style.plain(name, 30)} {fmt.count(number)}")
        left += number
    _total(axes, left, y, left, longest)
    if below:
        axes.text(
            0, y - 0.54, f"too narrow for a name: {', '.join(below)}", va="center", fontsize=style.SMALL, color=style.MUTED
        )


def _wrapped(name: str) -> list[str]:
    """Break a name after its underscores where it is long."""
    return [line.replace("_ ", "_") for line in textwrap.wrap(name.replace("_", "_ "), 14)]


def _draw_after(axes: Axes, y: float, before: int, after: int, label: str, longest: int) -> None:
    """Draw a class as balancing leaves it: what is added is hatched, what is left out an empty outline."""
    color = style.colour(label)
    axes.barh(y, min(before, after), height=_HEIGHT, color=style.shade(color, 0.8))
    if after > before:
        added = style.shade(color, 0.25)
        axes.barh(y, after - before, left=before, height=_HEIGHT, facecolor=added, edgecolor=color, hatch="///", linewidth=0)
        _total(axes, after, y, after, longest, f"+{fmt.count(after - before)}")
    elif after < before:
        axes.barh(y, before - after, left=after, height=_HEIGHT, facecolor="none", edgecolor=color, linestyle=":")
        _total(axes, before, y, after, longest, f"−{fmt.count(before - after)}")
    else:
        _total(axes, after, y, after, longest)


def _total(axes: Axes, end: float, y: float, number: int, longest: int, change: str = "") -> None:
    """Write a number, and below it what changed, behind the end of a bar."""
    x = end + longest * 0.012
    axes.text(
        x,
        y + (0.17 if change else 0),
        fmt.count(number),
        va="center",
        fontsize=style.NORMAL,
        color=style.INK,
        fontweight="bold",
    )
    axes.text(x, y - 0.21, change, va="center", fontsize=style.SMALL, color=style.MUTED)
