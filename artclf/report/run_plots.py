"""Figures of one run: its training, and how good its verdicts are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import average_precision_score, precision_recall_curve

from artclf.evaluation.calibration import ece, ece_by_chance, reliability
from artclf.evaluation.decision import THRESHOLD, truth
from artclf.report import format as fmt
from artclf.report import plots
from artclf.report.data_page import groups_of
from artclf.report.plots import draw_roc, plot_by_epoch
from artclf.run_folder import EPOCHS_FILE, read_table


def read_history(run: Path) -> pd.DataFrame:
    """Read a run's metrics.csv, by epoch; empty where there is none."""
    table = read_table(run / EPOCHS_FILE, ("stage", "epoch"))
    numbers = () if table is None else tuple(table.columns.drop("stage"))
    table = read_table(run / EPOCHS_FILE, numbers=numbers)
    return pd.DataFrame() if table is None else table.set_index("epoch")


def plot_training(history: pd.DataFrame, stages: Sequence[Mapping[str, Any]]) -> Figure:
    """Plot training and validation accuracy and loss by epoch; stages are shaded, and the epoch that each kept is ringed.

    Args:
        history: metrics.csv, by epoch (from 1 on, through all stages).
        stages: each stage's record in metrics.json, in order.
    """
    colours = {"validation": plots.INK, "training": plots.MUTED}
    columns = {"validation": "val", "training": "train"}
    panels = {
        quantity: {
            name: history[f"{split}/{quantity}"].dropna() for name, split in columns.items() if f"{split}/{quantity}" in history
        }
        for quantity in ("accuracy", "loss")
    }
    figure = plot_by_epoch(panels, colours)
    for axes, curves in zip(figure.axes, panels.values(), strict=True):
        for number, stage in enumerate(stages):
            epochs = history.index[history["stage"] == stage["name"]]
            if epochs.empty:
                continue
            colour = plots.STAGES[number % len(plots.STAGES)]
            axes.axvspan(epochs.min() - 0.5, epochs.max() + 0.5, color=colour, alpha=0.12, linewidth=0)
            top = axes.get_xaxis_transform()
            axes.text(epochs.min() - 0.4, 0.98, plots.short(stage["name"], 16), color=colour, va="top", transform=top)
            best: Any = stage.get("best_epoch")
            if "validation" in curves and best in curves["validation"].index:
                axes.plot(best, curves["validation"][best], color=colour, markersize=10, **plots.RING)
        axes.margins(x=0.02, y=0.12)
    return figure


def plot_roc_pr(predictions: pd.DataFrame) -> Figure:
    """Plot the ROC curve and the precision-recall curve of one split of both classes, with dots at the threshold 0.5."""
    is_ai, p_ai = truth(predictions)
    figure, (left, right) = plots.panels("Every threshold: ROC and precision-recall", 2, 2, height=3.4)
    draw_roc(left, is_ai, p_ai, plots.AI, "AUROC")
    left.plot([0, 1], [0, 1], ":", color=plots.MUTED, label="guessing")
    precision, recall, _ = precision_recall_curve(is_ai, p_ai)
    label = f"average precision {average_precision_score(is_ai, p_ai):.3f}"
    right.step(recall, precision, where="post", color=plots.AI, label=label)
    right.axhline(is_ai.mean(), linestyle=":", color=plots.MUTED, label=f"guessing: {fmt.share(is_ai.mean())} are AI")
    called = p_ai >= THRESHOLD
    if called.any():
        right.plot([called[is_ai].mean()], [is_ai[called].mean()], "o", color=plots.AI, zorder=5)
    right.set(xlabel="AI images found (recall)", ylabel='"AI" verdicts that are right (precision)', ylim=(-0.02, 1.04))
    plots.percent(right.xaxis, right.yaxis)
    for axes in (left, right):
        axes.legend(loc="lower center")
    return figure


def plot_scores(predictions: pd.DataFrame) -> Figure:
    """Plot a histogram of p_ai for each class and generator of one split; errors are in full colour."""
    groups = groups_of(predictions)
    names = groups.cat.categories
    figure, panels = plots.panels("p_ai of each image, by class and generator", len(names), 1, height=0.5)
    edges = np.linspace(0, 1, 21).tolist()
    for axes, name in zip(panels, names, strict=True):
        label, error = ("human", "called AI") if name == "human" else ("ai", "missed")
        scores = predictions.loc[groups == name, "p_ai"].to_numpy(dtype=float)
        wrong = (scores >= THRESHOLD) == (label == "human")
        for part, alpha in ((scores[~wrong], 0.42), (scores[wrong], 1.0)):
            axes.hist(part, edges, histtype="stepfilled", color=plots.COLOURS[label], alpha=alpha)
        axes.axvline(THRESHOLD, color=plots.INK, linewidth=1)
        axes.set_title(f"{plots.short(name, 40)}: {fmt.count(wrong.sum())} of {fmt.count(len(scores))} {error}")
    panels[-1].set_xlabel("p_ai: from 0, surely human, to 1, surely AI")
    return figure


def plot_reliability(predictions: pd.DataFrame) -> Figure:
    """Plot the share of AI against the score of one split, before and after calibration."""
    is_ai, _ = truth(predictions)
    figure, panels = plots.panels("Reliability before and after calibration", 2, 2, height=3.0, sharey=True)
    for axes, name in zip(panels, ("p_ai", "calibrated"), strict=True):
        scores = predictions[name].to_numpy(dtype=float)
        axes.plot([0, 1], [0, 1], ":", color=plots.MUTED)
        bins = [(mean, ai.value, ai.low, ai.high) for mean, ai in reliability(is_ai, scores)]
        means, shares, lows, highs = np.array(bins, dtype=float).T
        axes.errorbar(means, shares, yerr=(shares - lows, highs - shares), fmt="o", color=plots.INK, ecolor=plots.MUTED)
        error = f"calibration error {fmt.score(ece(is_ai, scores))}; by chance {fmt.score(ece_by_chance(scores))}"
        axes.set(title=f"{name}: {error}", xlabel=name)
    panels[0].set_ylabel("share of AI")
    plots.percent(panels[0].yaxis)
    return figure
