"""Several runs side by side."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from artclf.report import style
from artclf.report.figures.scores import draw_roc
from artclf.report.figures.training import draw_by_epoch
from artclf.report.finished_runs import FinishedRun


def plot_runs(table: pd.DataFrame, curves: Mapping[str, pd.Series]) -> Figure:
    """Plot accuracy, balanced accuracy and false accusations of each run, and validation accuracy by epoch.

    Args:
        table: a run a row, the best first; columns ``run``, ``accuracy``, ``balanced_accuracy``, ``false_positive_rate``
            (shares; NaN where not known).
        curves: run → validation accuracy by epoch.
    """
    figure = style.paper(style.WIDE, max(1.4 + 0.36 * len(table), 3.6), "Runs on the same test images, the best first")
    right, wrong, training = figure.subplots(1, 3, width_ratios=[3.0, 2.0, 3.0])
    names, rows = list(table["run"]), range(len(table))
    colours = style.run_colours(len(table))
    right.scatter(table["accuracy"], rows, 36, edgecolors=colours, facecolors="none")
    right.scatter(table["balanced_accuracy"], rows, 36, color=colours)
    right.set_title("● balanced accuracy  ○ accuracy")
    right.set_yticks(rows, [style.short(run, 28) for run in names])
    wrong.barh(rows, table["false_positive_rate"], height=0.4, color=colours)
    wrong.set_title("human images called AI")
    wrong.set_yticks(rows, [])
    for axes in (right, wrong):
        axes.set_ylim(len(table) - 0.4, -0.6)
        axes.grid(axis="x")
    training.set_title("validation accuracy")
    draw_by_epoch(training, {name: curves[name] for name in names if name in curves}, dict(zip(names, colours, strict=True)))
    style.percent(right.xaxis, wrong.xaxis, training.yaxis)
    return figure


def plot_losses(histories: Mapping[str, pd.DataFrame], names: Sequence[str]) -> Figure:
    """Plot training and validation loss by epoch, of all runs on one scale.

    Args:
        histories: run → its metrics.csv, with ``epoch``, and ``train/loss`` and ``val/loss`` where they were recorded.
        names: the runs, the best first.
    """
    figure = style.paper(style.WIDE, 4.2, "Loss by epoch")
    colours = dict(zip(names, style.run_colours(len(names)), strict=True))
    columns = {"training": "train/loss", "validation": "val/loss"}
    for axes, (title, column) in zip(figure.subplots(1, 2, sharey=True), columns.items(), strict=True):
        recorded = {name: histories[name] for name in names if column in histories[name].columns}
        curves = {name: history.set_index("epoch")[column].dropna() for name, history in recorded.items()}
        draw_by_epoch(axes, curves, colours)
        axes.set_title(title)
    return figure


def plot_rocs(runs: Sequence[FinishedRun]) -> Figure:
    """Plot the ROC curve of each run, and beside it the corner of few false accusations; dots at the threshold 0.5.

    Args:
        runs: on the same test images of both classes, the best first.
    """
    figure = style.paper(style.WIDE, 4.6, "Every threshold: AI images found against human images called AI")
    whole, corner = figure.subplots(1, 2)
    for row, (run, colour) in enumerate(zip(runs, style.run_colours(len(runs)), strict=True)):
        label = style.short(run.name) if row < len(style.RUNS) else "_"
        for axes in (whole, corner):
            draw_roc(axes, run.is_ai, run.p_ai, colour, label)
    whole.legend(title="AUROC", loc="lower right")
    corner.set(xlim=(-0.002, 0.102), title="at most 10% of the human images called AI")
    return figure
