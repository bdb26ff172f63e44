"""Figures of one run: its training, its network, and how good its verdicts are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import average_precision_score, precision_recall_curve

from artclf.evaluation.calibration import ece, ece_by_chance, reliability
from artclf.evaluation.decision import THRESHOLD, truth
from artclf.report import format as fmt
from artclf.report import style
from artclf.report.figures.data import groups_of
from artclf.report.figures.draw import draw_by_epoch, draw_roc, draw_stacked_bars

_LABELS = ["human", "ai"]
_MOST_BLOCKS = 28


def plot_curves(history: pd.DataFrame, stages: Sequence[Mapping[str, Any]], quantity: str) -> Figure:
    """Plot training and validation accuracy or loss (`quantity`) by epoch.

    Args:
        history: metrics.csv, by epoch (from 1 on, through all stages).
        stages: each stage's record in metrics.json, in order.
        quantity: "accuracy" or "loss".
    """
    figure = style.paper(style.NARROW, 3.9, f"{quantity.capitalize()} by epoch")
    axes = figure.subplots()
    columns = {"validation": f"val/{quantity}", "training": f"train/{quantity}"}
    curves = {name: history[column].dropna() for name, column in columns.items() if column in history}
    for number, stage in enumerate(stages):
        epochs = history.index[history["stage"] == stage["name"]]
        if epochs.empty:
            continue
        colour = style.STAGES[number % len(style.STAGES)]
        label = style.short(f"{stage['name']}: {fmt.unfrozen(stage)}", 34)
        axes.axvspan(epochs.min() - 0.5, epochs.max() + 0.5, color=colour, alpha=0.12, linewidth=0, label=label)
        best: Any = stage.get("best_epoch")
        if "validation" in curves and best in curves["validation"].index:
            axes.plot(best, curves["validation"][best], color=colour, markersize=10, **style.RING)
    draw_by_epoch(axes, curves, {"validation": style.INK, "training": style.MUTED})
    axes.margins(x=0.02, y=0.12)
    if quantity == "accuracy":
        style.percent(axes.yaxis)
    return figure


def plot_network(layers: pd.DataFrame, title: str) -> Figure:
    """Plot the parameters of each block by layers.csv, coloured by the first stage that trains them; what is frozen is grey."""
    blocks = blocks_of(layers["name"])
    table = layers.pivot_table("parameters", blocks, "stage", aggfunc="sum", fill_value=0).loc[blocks.unique()]
    trained = [stage for stage in dict.fromkeys(reversed(layers["stage"])) if stage]  # the head is trained first
    looks = {}
    for number, stage in enumerate([*trained, *([""] if "" in table else [])]):
        parameters = layers.loc[layers["stage"] == stage, "parameters"]
        when = f"trained from stage {style.short(stage)} on" if stage else "always frozen"
        label = f"{when}: {fmt.plural(len(parameters), 'layer')}, {fmt.size(parameters.sum())} parameters"
        looks[stage] = {"label": label, "color": style.STAGES[number % len(style.STAGES)] if stage else style.GREY}
    figure = style.paper(style.WIDE, 1.6 + 0.2 * len(table), title)
    axes = figure.subplots()
    draw_stacked_bars(axes, table, looks)
    axes.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
    axes.set_xlim(0, max(1.0, 1.05 * table.sum(axis=1).max()))
    axes.xaxis.set_major_formatter(lambda value, _: fmt.size(value))
    axes.set_xlabel("parameters (square-root scale)")
    axes.grid(axis="x")
    figure.legend(loc="outside lower left")
    return figure


def blocks_of(names: pd.Series) -> pd.Series:
    """Name the block of each layer: its dotted name, cut to as many parts as give at most 28 blocks, if any do."""
    parts = names.str.split(".")
    blocks = names
    for depth in range(names.str.count(r"\.").max() + 1, 0, -1):
        blocks = parts.str[:depth].str.join(".")
        if blocks.nunique() <= _MOST_BLOCKS:
            break
    return blocks


def plot_confusions(confusions: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Figure:
    """Plot confusion matrices (title → truth → verdict → number of images), with counts and the shares of each row."""
    columns, height = min(4, len(confusions)), 2.3 if len(confusions) > 1 else 3.4
    width = max(style.NARROW, 2.4 * columns)
    figure, panels = style.panels(len(confusions), columns, "Confusion", width=width, height=height)
    for axes, (title, confusion) in zip(panels, confusions.items(), strict=True):
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


def plot_roc_pr(predictions: pd.DataFrame) -> Figure:
    """Plot the ROC curve and the precision-recall curve of one split of both classes, with dots at the threshold 0.5."""
    is_ai, p_ai = truth(predictions)
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
    """Plot a histogram of p_ai for each class and generator of one split; errors are in full colour."""
    groups = groups_of(predictions)
    names = groups.cat.categories
    figure = style.paper(style.WIDE, 1.4 + 0.8 * len(names), "p_ai of each image, by class and generator")
    panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    edges = np.linspace(0, 1, 21)
    for axes, name in zip(panels, names, strict=True):
        label, error = ("human", "called AI") if name == "human" else ("ai", "missed")
        scores = predictions.loc[groups == name, "p_ai"].to_numpy(dtype=float)
        wrong = (scores >= THRESHOLD) == (label == "human")
        for part, strength in ((scores[~wrong], 0.42), (scores[wrong], 1.0)):
            axes.hist(part, edges.tolist(), histtype="stepfilled", color=style.shade(style.COLOURS[label], strength))
        axes.axvline(THRESHOLD, color=style.INK, linewidth=1)
        axes.set_title(f"{style.short(name, 40)}: {fmt.count(wrong.sum())} of {fmt.count(len(scores))} {error}")
    panels[-1].set_xlabel("p_ai: from 0, surely human, to 1, surely AI")
    return figure


def plot_reliability(predictions: pd.DataFrame) -> Figure:
    """Plot the share of AI against the score of one split, before and after calibration, and the distribution of scores."""
    is_ai, _ = truth(predictions)
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
        lower.hist(parts, np.linspace(0, 1, 21).tolist(), stacked=True, histtype="stepfilled", color=colours, label=_LABELS)
        lower.set_xlabel(name)
    panels[0, 0].set_ylabel("share of AI")
    panels[1, 0].set_ylabel("images")
    panels[1, 0].legend(loc="upper left", ncols=2)
    return figure
