"""How good the verdicts are, as figures."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from artclf.evaluation.calibration import ece, ece_by_chance, reliability
from artclf.evaluation.decision import THRESHOLD
from artclf.evaluation.types import Booleans, Floats
from artclf.report import format as fmt
from artclf.report import style
from artclf.report.figures.data import groups_of, in_order

Confusion = Mapping[str, Mapping[str, int]]  # truth → verdict → number of images
_LABELS = ["human", "ai"]
_COLUMNS = 4


def plot_confusions(confusions: Sequence[tuple[str, Confusion]]) -> Figure:
    """Plot confusion matrices, each with its title, with counts and the shares of each row."""
    columns, height = min(_COLUMNS, len(confusions)), 2.3 if len(confusions) > 1 else 3.4
    width = max(style.NARROW, 2.4 * columns)
    figure, panels = style.panels(len(confusions), columns, "Confusion", width=width, height=height)
    for axes, (title, confusion) in zip(panels, confusions, strict=True):
        counts = pd.DataFrame(confusion).T.reindex(index=_LABELS, columns=_LABELS).fillna(0).to_numpy(dtype=int)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.6)
        for (row, column), count in np.ndenumerate(counts):
            axes.text(column, row, f"{fmt.count(count)}\n{fmt.share(shares[row, column])}", ha="center", va="center")
        axes.set_title(style.short(title, 24))
        axes.set_xticks([0, 1], [f"called {label}" for label in _LABELS])
        axes.set_yticks([0, 1], _LABELS)
        axes.grid(visible=False)
    return figure


def draw_roc(axes: Axes, is_ai: Booleans, p_ai: Floats, colour: str, label: str) -> None:
    """Draw a ROC curve with its AUROC in the legend, and a dot at the threshold 0.5.

    Args:
        axes: where.
        is_ai: [N] the truth; both classes.
        p_ai: [N] the scores, 0..1.
        colour: of the curve.
        label: before the AUROC; one that begins with an underscore keeps the curve out of the legend.
    """
    false_rate, true_rate, _ = roc_curve(is_ai, p_ai)
    axes.plot(false_rate, true_rate, color=colour, label=f"{label} {roc_auc_score(is_ai, p_ai):.3f}")
    called = p_ai >= THRESHOLD
    axes.plot([called[~is_ai].mean()], [called[is_ai].mean()], "o", color=colour, zorder=5)
    axes.set_xlabel("human images called AI (false positive rate)")
    axes.set_ylabel("AI images found (true positive rate)")
    style.percent(axes.xaxis, axes.yaxis)


def plot_roc_pr(is_ai: Booleans, p_ai: Floats) -> Figure:
    """Plot the ROC curve and the precision-recall curve side by side, with dots at the threshold 0.5.

    Args:
        is_ai: [N] the truth; both classes.
        p_ai: [N] the scores, 0..1.
    """
    figure = style.paper(style.WIDE, 4.6, "Every threshold: AI images found against human images called AI")
    left, right = figure.subplots(1, 2)
    draw_roc(left, is_ai, p_ai, style.AI, "AUROC")
    left.plot([0, 1], [0, 1], ":", color=style.MUTED, label="guessing")
    precision, recall, _ = precision_recall_curve(is_ai, p_ai)
    label = f"average precision {average_precision_score(is_ai, p_ai):.3f}"
    right.step(recall, precision, where="post", color=style.AI, label=label)
    right.axhline(is_ai.mean(), linestyle=":", color=style.MUTED, label=f"guessing: {fmt.share(is_ai.mean())} are AI")
    called = p_ai >= THRESHOLD
    if called.any():
        right.plot([called[is_ai].mean()], [is_ai[called].mean()], "o", color=style.AI, zorder=5)
    right.set(xlabel="AI images found (recall)", ylabel='"AI" verdicts that are right (precision)', ylim=(-0.02, 1.04))
    style.percent(right.xaxis, right.yaxis)
    for axes in (left, right):
        axes.legend(loc="lower center")
    return figure


def plot_scores(predictions: pd.DataFrame) -> Figure:
    """Plot a histogram of p_ai for each group; what lies on the wrong side of the threshold is in full colour.

    Args:
        predictions: rows of predictions.csv, of one split; columns ``label``, ``generator``, ``p_ai``.
    """
    groups = groups_of(predictions)
    names = in_order(groups)
    figure = style.paper(style.WIDE, 1.4 + 0.8 * len(names), "p_ai of each image, by class and generator")
    panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    edges = np.linspace(0, 1, 21)
    for axes, name in zip(panels, names, strict=True):
        label, error = ("human", "called AI") if name == "human" else ("ai", "missed")
        scores = predictions.loc[groups == name, "p_ai"].to_numpy(dtype=float)
        _, _, bars = axes.hist(scores, edges.tolist(), rwidth=0.94)
        for bar, edge in zip(bars, edges, strict=False):
            is_wrong = (edge >= THRESHOLD) == (label == "human")
            bar.set_color(style.shade(style.COLOURS[label], 1.0 if is_wrong else 0.42))
        axes.axvline(THRESHOLD, color=style.INK, linewidth=1)
        wrong = int(((scores >= THRESHOLD) == (label == "human")).sum())
        axes.set_title(f"{style.short(name, 40)}: {fmt.count(wrong)} of {fmt.count(len(scores))} {error}")
    panels[-1].set_xlabel("p_ai: from 0, surely human, to 1, surely AI")
    return figure


def plot_reliability(predictions: pd.DataFrame) -> Figure:
    """Plot the share of AI against the score, before and after calibration, and the distribution of the scores.

    Args:
        predictions: rows of predictions.csv, of one split; columns ``label``, ``p_ai``, ``calibrated``.
    """
    is_ai = (predictions["label"] == "ai").to_numpy(dtype=bool)
    figure = style.paper(style.WIDE, 5.0, "Reliability before and after calibration")
    panels = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=[3, 1])
    for (upper, lower), name in zip(panels.T, ("p_ai", "calibrated"), strict=True):
        scores = predictions[name].to_numpy(dtype=float)
        upper.plot([0, 1], [0, 1], ":", color=style.MUTED)
        for mean, ai in reliability(is_ai, scores):
            upper.plot([mean] * 2, [ai.low, ai.high], color=style.MUTED)
            upper.plot([mean], [ai.value], "o", color=style.INK)
        error = f"calibration error {fmt.score(ece(is_ai, scores))}; by chance {fmt.score(ece_by_chance(scores))}"
        upper.set_title(f"{name}: {error}")
        style.percent(upper.yaxis)
        parts, colours = [scores[~is_ai], scores[is_ai]], [style.HUMAN, style.AI]
        lower.hist(parts, bins=np.linspace(0, 1, 21).tolist(), stacked=True, color=colours, label=_LABELS)
        lower.set_xlabel(name)
    panels[0, 0].set_ylabel("share of AI")
    panels[1, 0].set_ylabel("images")
    panels[1, 0].legend(loc="upper center", ncols=2)
    return figure
