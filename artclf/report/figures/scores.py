"""How good the verdicts are, as pictures."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from artclf.evaluation.metrics import THRESHOLD
from artclf.report import format as fmt
from artclf.report import style

_CELLS = {
    ("human", "human"): "human work,\nrecognised",
    ("human", "ai"): "human work called AI:\na false accusation",
    ("ai", "human"): "AI work missed:\ntaken for human",
    ("ai", "ai"): "AI work,\nfound",
}
_BINS = 20
_MOST_ROWS = 12


def plot_confusion(confusion: Mapping[str, Mapping[str, int]], title: str) -> Figure:
    """Plot counts and shares of the four kinds of verdict.

    Args:
        confusion: truth → verdict → number of pictures, over ``"ai"`` and ``"human"``; a missing entry counts as 0.
        title: what is shown, in words.
    """
    figure = style.paper(style.NARROW, 4.0)
    axes = figure.subplots()
    style.heading(figure, title)
    truths = ("human", "ai")
    for row, truth in enumerate(truths):
        verdicts = confusion.get(truth, {})
        total = sum(verdicts.values())
        for column, verdict in enumerate(("human", "ai")):
            number = verdicts.get(verdict, 0)
            _cell(axes, column, 1 - row, number, total, truth, verdict)
    style.blank(axes)
    axes.set_xlim(-0.03, 2.03)
    axes.set_ylim(-0.03, 2.03)
    axes.set_xticks([0.5, 1.5], ['verdict "human"', 'verdict "AI"'], fontsize=style.NORMAL, color=style.INK)
    axes.set_yticks([1.5, 0.5], ["by people", "by AI"], fontsize=style.NORMAL, color=style.INK)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    return figure


def _cell(axes: Axes, x: int, y: int, number: int, total: int, truth: str, verdict: str) -> None:
    share = number / total if total else 0.0
    tint = style.shade(style.colour(truth), 0.06 + 0.42 * share)
    accused = (truth, verdict) == ("human", "ai")
    box = Rectangle(
        (x + 0.02, y + 0.02),
        0.96,
        0.96,
        facecolor=tint,
        edgecolor=style.INK,
        linewidth=2.2 if accused and total else 0.0,
    )
    axes.add_patch(box)
    middle = x + 0.5
    if not total:
        axes.text(middle, y + 0.5, "no such works\nin this split", ha="center", va="center", color=style.MUTED)
        return
    axes.text(middle, y + 0.70, fmt.count(number), ha="center", va="center", fontsize=21, color=style.INK)
    axes.text(middle, y + 0.47, fmt.share(share), ha="center", va="center", fontsize=style.LARGE, color=style.INK)
    axes.text(
        middle,
        y + 0.22,
        _CELLS[truth, verdict],
        ha="center",
        va="center",
        fontsize=style.SMALL + 0.5,
        color=style.INK,
        fontweight="bold" if accused else "normal",
    )


def plot_roc_pr(truth_is_ai: NDArray[np.bool_], p_ai: NDArray[np.float64]) -> Figure:
    """Plot the ROC curve and the precision-recall curve side by side, threshold 0.5 marked.

    Args:
        truth_is_ai: [N] whether the picture is AI-generated.
        p_ai: [N] what the classifier says, 0..1.
    """
    truth, scores = np.asarray(truth_is_ai, dtype=bool), np.asarray(p_ai, dtype=float)
    both = truth.any() and not truth.all()
    figure = style.paper(style.WIDE, 4.9 if both else 1.8)
    style.heading(figure, "What any threshold would give: AI works found against human works accused")
    if not both:
        style.say(figure.subplots(), "These curves need works of AI and of people; here is only one of them.")
        return figure
    left, right = figure.subplots(1, 2)
    called = scores >= THRESHOLD
    found, accused = float(called[truth].mean()), float(called[~truth].mean())

    false_rate, true_rate, _ = roc_curve(truth, scores)
    left.plot(false_rate, true_rate, color=style.AI, linewidth=2.2)
    left.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1, linestyle=(0, (2, 3)))
    left.text(0.58, 0.53, "guessing", color=style.MUTED, fontsize=style.SMALL, rotation=45, ha="center", va="center")
    left.set_xlabel("human works wrongly called AI (false positive rate)")
    left.set_ylabel("AI works found (true positive rate)")
    style.title(left, f"ROC: AUROC {roc_auc_score(truth, scores):.3f}", loc="left", fontsize=style.NORMAL, color=style.INK)
    _mark_threshold(left, accused, found, f"{fmt.share(found)} of AI found,\n{fmt.share(accused)} of human works accused")

    precision, recall, _ = precision_recall_curve(truth, scores)
    right.step(recall, precision, where="post", color=style.AI, linewidth=2.2)
    right.axhline(truth.mean(), color=style.MUTED, linewidth=1, linestyle=(0, (2, 3)))
    guess = f"guessing: {fmt.share(truth.mean())} of these pictures are AI"
    right.text(0.0, truth.mean() - 0.02, guess, color=style.MUTED, fontsize=style.SMALL, va="top")
    right.set_xlabel("AI works found (recall)")
    right.set_ylabel('share of verdicts "AI" that are right (precision)')
    average = average_precision_score(truth, scores)
    style.title(
        right, f"Precision and recall: average precision {average:.3f}", loc="left", fontsize=style.NORMAL, color=style.INK
    )
    if called.any():
        exact = float(truth[called].mean())
        _mark_threshold(right, found, exact, f'{fmt.share(exact)} of verdicts "AI" are right,\n{fmt.share(found)} of AI found')
    for axes in (left, right):
        style.tidy(axes, "both")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return figure


def _mark_threshold(axes: Axes, x: float, y: float, text: str) -> None:
    axes.plot([x], [y], "o", color=style.INK, markersize=8, markeredgecolor=style.PAPER, markeredgewidth=1.5, zorder=5)
    right_half, upper_half = x > 0.5, y > 0.35
    axes.annotate(
        f"threshold {THRESHOLD}:\n{text}",
        (x, y),
        xytext=(-26 if right_half else 26, -30 if upper_half else 30),
        textcoords="offset points",
        ha="right" if right_half else "left",
        va="top" if upper_half else "bottom",
        fontsize=style.SMALL + 0.5,
        color=style.INK,
        bbox={"facecolor": style.PAPER, "edgecolor": "none", "alpha": 0.85, "pad": 2},
        arrowprops={"arrowstyle": "-", "color": style.MUTED, "linewidth": 0.8, "shrinkB": 5},
    )


def plot_scores(predictions: pd.DataFrame, threshold: float = THRESHOLD) -> Figure:
    """Plot a histogram of p_ai for each generator, human works first; what lies on the wrong side is in full colour.

    Args:
        predictions: rows of predictions.csv, of one split; columns ``label``, ``generator``, ``p_ai``.
        threshold: from which p_ai on the verdict is AI.
    """
    groups = _groups(predictions)
    figure = style.paper(style.WIDE, 1.3 + 0.86 * max(len(groups), 1))
    style.heading(figure, "What the classifier says of each work, by who made it")
    panels = figure.subplots(max(len(groups), 1), 1, sharex=True, squeeze=False)[:, 0]
    if not groups:
        style.say(panels[0], "No pictures were judged.")
    edges = _edges(threshold)
    for axes, (label, name, scores) in zip(panels, groups, strict=False):
        heights = np.histogram(scores, edges)[0] / len(scores)
        wrong_bin = (edges[:-1] >= threshold) == (label == "human")
        full = style.colour(label)
        colors = [full if wrong else style.shade(full, 0.42) for wrong in wrong_bin]
        axes.bar(edges[:-1], heights, width=np.diff(edges) * 0.94, align="edge", color=colors)
        style.blank(axes)
        axes.tick_params(length=0)
        axes.spines["bottom"].set(visible=True, color=style.GRID, linewidth=1.2)
        axes.axvline(threshold, color=style.INK, linewidth=1.1, linestyle=(0, (3, 2)))
        wrong = scores >= threshold if label == "human" else scores < threshold
        error = "wrongly called AI" if label == "human" else "missed"
        number = int(wrong.sum())
        axes.text(
            -0.015,
            0.4,
            f"{style.plain(name, 26)}\n{fmt.count(len(scores))} {'by people' if label == 'human' else 'by AI'}",
            transform=axes.transAxes,
            ha="right",
            va="center",
            fontsize=style.NORMAL,
            color=full,
        )
        axes.text(
            1.015,
            0.4,
            f"{fmt.share(number / len(scores))} {error}\n{fmt.count(number)} of {fmt.count(len(scores))}",
            transform=axes.transAxes,
            va="center",
            fontsize=style.NORMAL,
            color=style.INK,
        )
    last = panels[-1]
    last.set_xlim(0.0, 1.0)
    last.set_xticks([0.0, 0.25, threshold, 0.75, 1.0] if threshold == THRESHOLD else [0.0, threshold, 1.0])
    last.tick_params(labelsize=style.SMALL, labelcolor=style.MUTED)
    last.set_xlabel("p_ai: from 0, surely human, to 1, surely AI", fontsize=style.SMALL + 0.5, color=style.MUTED)
    style.title(panels[0], "verdict human  ◂  ▸  verdict AI", x=threshold, fontsize=style.SMALL, color=style.INK, pad=9)
    return figure


def _edges(threshold: float) -> NDArray[np.float64]:
    """Edges of the bins, of which the threshold is one: no bar holds both right and wrong verdicts."""
    below = min(max(round(threshold * _BINS), 1), _BINS - 1)
    return np.concatenate([np.linspace(0.0, threshold, below + 1), np.linspace(threshold, 1.0, _BINS - below + 1)[1:]])


def _groups(predictions: pd.DataFrame) -> list[tuple[str, str, NDArray[np.float64]]]:
    """Label, name and scores of each row of the figure: human first, then by size; the smallest ones in one row."""
    found = [
        (str(label), str(generator), group["p_ai"].to_numpy(dtype=float))
        for (label, generator), group in predictions.groupby(["label", "generator"])
    ]
    found.sort(key=lambda row: (row[0] != "human", -len(row[2]), row[1]))
    if len(found) <= _MOST_ROWS:
        return found
    kept, rest = found[: _MOST_ROWS - 1], found[_MOST_ROWS - 1 :]
    for label in ("human", "ai"):
        merged = [scores for other, _, scores in rest if other == label]
        if merged:
            kept.append((label, f"{len(merged)} others", np.concatenate(merged)))
    return kept
