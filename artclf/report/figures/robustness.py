"""How verdicts hold when images are altered, as figures."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from artclf.data.distortions import ALIKE, ALIKE_QUALITY, DISTORTIONS, NOTHING
from artclf.evaluation.intervals import Estimate
from artclf.evaluation.robustness import Altered, Robustness
from artclf.report import style

_COLUMNS = 3
_NAMED = {distortion.name: distortion for distortion in DISTORTIONS}

Line = tuple[str, str, Callable[[Altered], Estimate]]  # label, colour, figure


def plot_rates(found: Robustness) -> Figure:
    """Plot the shares of AI images found and of human images called AI, a panel for each distortion."""
    lines: list[Line] = [
        ("AI images found", style.AI, lambda level: level.recall),
        ("human images called AI", style.HUMAN, lambda level: level.false_positive_rate),
    ]
    kept = [line for line, number in zip(lines, (found.ai, found.human), strict=True) if number]
    return _panels(found, kept, f"Images called AI, altered more and more (threshold {found.threshold:.3g})", shaded=2)


def plot_alone(found: Robustness) -> Figure:
    """Plot AUROC with all images altered, and with those of one class alone, a panel for each distortion."""
    lines: list[Line] = [
        ("all altered", style.INK, lambda level: level.auroc["both"]),
        ("AI images alone", style.AI, lambda level: level.auroc["ai"]),
        ("human images alone", style.HUMAN, lambda level: level.auroc["human"]),
    ]
    return _panels(found, lines, "AUROC, with all images altered, or those of one class alone", shaded=1)


def _panels(found: Robustness, lines: Sequence[Line], title: str, *, shaded: int) -> Figure:
    """Plot lines over the levels, a panel for each distortion; the first `shaded` of them with their intervals."""
    names = found.distortions()
    rows = -(-len(names) // _COLUMNS)
    figure = style.paper(style.WIDE, 1.3 + 2.35 * rows, title)
    grid = figure.subplots(rows, _COLUMNS, sharey=True, squeeze=False).ravel()
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(grid, names, strict=False):
        _panel(axes, found, name, lines, shaded)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=3)
    return figure


def _panel(axes: Axes, found: Robustness, name: str, lines: Sequence[Line], shaded: int) -> None:
    distortion = _NAMED[name]
    for first, look, note in ((NOTHING, "o-", ""), (ALIKE, "x:", f", all JPEG {ALIKE_QUALITY} first")):
        levels = found.of(name, first)
        if not levels:
            continue
        for number, (label, colour, figure) in enumerate(lines):
            estimates = [figure(level) for level in (*found.of(NOTHING, first), *levels)]
            known = [(place, one.value, one.low, one.high) for place, one in enumerate(estimates) if one.value is not None]
            places, values, lows, highs = zip(*known, strict=True) if known else ((), (), (), ())
            if first == NOTHING and number < shaded:
                axes.fill_between(places, lows, highs, color=colour, alpha=0.13, linewidth=0)
            axes.plot(places, values, look, color=colour, markersize=4, label=label + note)
    axes.set_title(f"{distortion.title} ({distortion.unit})")
    axes.set_xticks(range(1 + len(distortion.levels)), ["as it is", *map(distortion.named, distortion.levels)])
