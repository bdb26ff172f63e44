"""The confusion matrices of several runs, side by side."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from artclf.report import format as fmt
from artclf.report import style

_COLUMNS = 4


def plot_confusions(confusions: Sequence[tuple[str, Mapping[str, Mapping[str, int]]]]) -> Figure:
    """Plot the confusion matrix of each run; the false accusations have a frame.

    Args:
        confusions: of each run, the best first: its name, and truth → verdict → number of pictures, over ``"ai"`` and
            ``"human"``.
    """
    rows = math.ceil(len(confusions) / _COLUMNS)
    figure = style.paper(style.WIDE, 0.8 + 2.25 * rows)
    style.heading(figure, "Truth and verdict")
    colors = style.run_colours(len(confusions))
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for number, axes in enumerate(panels):
        style.blank(axes)
        if number < len(confusions):
            name, confusion = confusions[number]
            _plot(axes, confusion, first=number % _COLUMNS == 0)
            title = style.plain(name, 26, keep="end")
            axes.set_title(title, loc="left", fontsize=style.NORMAL, color=style.dark(colors[number]), pad=20)
    return figure


def _plot(axes: Axes, confusion: Mapping[str, Mapping[str, int]], *, first: bool) -> None:
    for y, truth in enumerate(("ai", "human")):
        total = sum(confusion[truth].values())
        for x, verdict in enumerate(("human", "ai")):
            number = confusion[truth][verdict]
            accused = (truth, verdict) == ("human", "ai")
            share = number / total if total else 0.0
            axes.add_patch(
                Rectangle(
                    (x + 0.02, y + 0.02),
                    0.96,
                    0.96,
                    facecolor=style.shade(style.colour(truth), 0.06 + 0.42 * share),
                    edgecolor=style.INK,
                    linewidth=1.8 if accused and total else 0.0,
                )
            )
            text = f"{fmt.count(number)}\n" if total else "none"
            axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=style.LARGE, color=style.INK)
            if total:
                axes.text(x + 0.5, y + 0.29, fmt.share(share), ha="center", va="center", fontsize=style.SMALL, color=style.INK)
    axes.set(xlim=(-0.03, 2.03), ylim=(-0.03, 2.03))
    axes.set_xticks([0.5, 1.5], ["“human”", "“AI”"], fontsize=style.SMALL, color=style.MUTED)
    axes.xaxis.tick_top()
    if first:
        axes.set_yticks([1.5, 0.5], ["by people", "by AI"], fontsize=style.SMALL, color=style.MUTED)
    axes.tick_params(length=0, pad=2)
