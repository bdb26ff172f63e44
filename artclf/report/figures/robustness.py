"""How verdicts hold when images are altered, as figures."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from artclf.data.distortions import ALIKE, ALIKE_QUALITY, DISTORTIONS, NOTHING
from artclf.evaluation.intervals import Estimate
from artclf.evaluation.robustness import Altered, Robustness
from artclf.report import style

Line = tuple[str, str, Callable[[Altered], Estimate]]  # label, colour, figure


def plot_rates(found: Robustness) -> Figure:
    """Plot the shares of AI images found and of human images called AI, a panel for each distortion."""
    lines: list[Line] = [
        ("AI images found", style.AI, lambda level: level.recall),
        ("human images called AI", style.HUMAN, lambda level: level.false_positive_rate),
    ]
    kept = [line for line, number in zip(lines, (found.ai, found.human), strict=True) if number]
    return _panels(found, kept, f"Altered images called AI (threshold {found.threshold:.3g})")


def plot_alone(found: Robustness) -> Figure:
    """Plot AUROC with all images altered, and with those of one class alone, a panel for each distortion."""
    lines: list[Line] = [
        ("all altered", style.INK, lambda level: level.auroc["both"]),
        ("AI images alone", style.AI, lambda level: level.auroc["ai"]),
        ("human images alone", style.HUMAN, lambda level: level.auroc["human"]),
    ]
    return _panels(found, lines, "AUROC, with all images altered, or those of one class alone")


def _panels(found: Robustness, lines: Sequence[Line], title: str) -> Figure:
    """Plot lines with 95% intervals over the levels, a panel for each distortion."""
    distortions = [distortion for distortion in DISTORTIONS if found.of(distortion.name)]
    figure, panels = style.panels(len(distortions), 3, title, height=2.4, sharey=True)
    for axes, distortion in zip(panels, distortions, strict=True):
        for first, look, note in ((NOTHING, "o-", ""), (ALIKE, "x:", f", all JPEG {ALIKE_QUALITY} first")):
            levels = found.of(distortion.name, first)
            for label, colour, figure_of in lines if levels else ():
                estimates = [figure_of(level) for level in (*found.of(NOTHING, first), *levels)]
                values, lows, highs = np.array([(one.value, one.low, one.high) for one in estimates], dtype=float).T
                axes.plot(values, look, color=colour, markersize=4, label=label + note)
                if first == NOTHING:
                    axes.fill_between(range(len(values)), lows, highs, color=colour, alpha=0.1, linewidth=0)
        axes.set_title(f"{distortion.title} ({distortion.unit})")
        axes.set_xticks(range(1 + len(distortion.levels)), ["none", *map(distortion.named, distortion.levels)])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=3)
    return figure
