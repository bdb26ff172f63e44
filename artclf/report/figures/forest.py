"""By how much the best run's figures exceed each other run's, with confidence intervals."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from artclf.report import style
from artclf.report.differences import Difference

_PANELS = {
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "auroc": "AUROC (hundredths)",
    "false_positive_rate": "human called AI",
    "false_negative_rate": "AI missed",
}


def plot_differences(pairs: Sequence[Difference]) -> Figure:
    """Plot the best run's figures minus each other run's, in percentage points, with the interval of each.

    Args:
        pairs: the best run against each other one; those without intervals are left out.
    """
    drawn = [pair for pair in pairs if pair.figures]
    colors = [*style.run_colours(min(len(pairs) + 1, len(style.RUNS))), *[style.MUTED] * len(pairs)]
    figure = style.paper(style.WIDE, 1.5 + 0.42 * max(len(drawn), 2))
    best = style.plain(drawn[0].best, 24, keep="end")
    other = f"run {style.plain(drawn[0].other, 24, keep='end')}" if len(pairs) == 1 else "each other run"
    style.heading(figure, f"Run {best} minus {other}, in points, with 95% intervals")
    panels = figure.subplots(1, len(_PANELS), sharex=True, sharey=True)
    for axes, (name, title) in zip(panels, _PANELS.items(), strict=True):
        axes.axvline(0, color=style.INK, linewidth=1.2, zorder=1)
        for row, pair in enumerate(drawn):
            interval, color = pair.figures[name], colors[row + 1]
            if interval.value is None or interval.bounds is None:
                continue
            low, high = (100 * bound for bound in interval.bounds)
            axes.plot([low, high], [-row, -row], "|-", color=color, linewidth=2.0, markersize=7, markeredgewidth=1.6)
            axes.plot([100 * interval.value], [-row], "o", color=color, markersize=4.5)
        style.tidy(axes, "x")
        style.title(axes, title, loc="left", fontsize=style.SMALL + 0.5, color=style.INK, pad=8)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    panels[0].set_yticks([-row for row in range(len(drawn))], [style.plain(pair.other, 24, keep="end") for pair in drawn])
    for row, label in enumerate(panels[0].get_yticklabels()):
        label.set(color=style.dark(colors[row + 1]), fontsize=style.SMALL)
    panels[0].set_ylim(-len(drawn) + 0.4, 0.6)
    return figure
