"""What the figures show: values are read off the axes; saving them shows that any names and sizes can be drawn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from artclf.evaluation.intervals import UNDEFINED, Estimate
from artclf.report import plots
from artclf.report.comparison_page import plot_histories
from artclf.report.data_page import count_images, groups_of, top
from artclf.report.plots import plot_intervals
from artclf.report.render import save_figures
from artclf.report.run_plots import plot_reliability, plot_roc_pr, plot_scores, plot_training
from tests.report.conftest import history, predictions

NASTY = "名画_$x$_\\frac{1}_a_generator_with_a_very_long_name"


def test_a_name_is_cut_in_its_middle_and_any_can_be_drawn(tmp_path):
    assert plots.short("2026-01-01_run_with_a_long_name_1", 12) == "2026-0…ame_1"
    assert plots.short("名画") == "□□"
    figure, (axes,) = plots.panels(NASTY, 1, 1, height=1)
    axes.set_title(plots.short(NASTY))
    axes.plot([1e-5, 1e-2], [1, 2])
    plots.log_scale(axes.xaxis)
    assert save_figures(tmp_path / "new", {"a": figure})["a"]["width"] > 500
    assert "1e−03" in [label.get_text() for label in axes.get_xticklabels()]  # plain numbers


def test_margins_leave_room_for_long_names_and_the_legend(tmp_path):
    names = ["W" * 20, *(f"{NASTY}{number}" for number in range(4))]
    estimates = [Estimate(0.5, 0.4, 0.6)] * 5
    figure = plot_intervals(NASTY, names, {title: {"one": estimates, "other": estimates} for title in "abcde"})
    save_figures(tmp_path, {"figure": figure})
    boxes = [text.get_window_extent() for text in [*figure.axes[0].get_yticklabels(), *figure.texts]]
    assert min(box.x0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= figure.bbox.x1
    assert max(box.y1 for box in boxes) <= figure.bbox.y1
    ticks = min(label.get_window_extent().y0 for label in figure.axes[0].get_xticklabels())
    assert 0 <= figure.legends[0].get_window_extent().y0 < figure.legends[0].get_window_extent().y1 <= ticks


def test_human_images_come_first_the_smallest_generators_together_and_one_called_human_stays_ai():
    names = pd.Series(["a"] * 3 + ["b"] * 2 + ["c", "d"])
    assert list(top(names, 3).unique()) == ["a", "b", "2 others"]
    parts = (("ai", "human", "train", 5), ("ai", "sd", "train", 9), ("human", "human", "test", 2))
    rows = [(label, generator, split) for label, generator, split, number in parts for _ in range(number)]
    table = pd.DataFrame(rows, columns=["label", "generator", "split"])
    groups = groups_of(table)
    assert list(groups.cat.categories) == ["human", "sd", "human (generator)"]
    assert (groups == "human").sum() == 2
    counts = count_images(table)
    assert list(counts.columns) == ["train", "test", "together"]
    assert list(counts.index) == [("human", "human"), ("ai", "sd"), ("ai", "human")]


def test_roc_and_precision_have_their_dots_at_the_threshold():
    test = predictions().query("split == 'test'")
    is_ai, p_ai = (test["label"] == "ai").to_numpy(), test["p_ai"].to_numpy()
    curve, dot, _ = plot_roc_pr(test).axes[0].lines
    assert f"{roc_auc_score(is_ai, p_ai):.3f}" in curve.get_label()
    called = p_ai >= 0.5
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (called[~is_ai].mean(), called[is_ai].mean())
    assert len(plot_roc_pr(test.assign(p_ai=p_ai / 10)).axes[1].lines) == 2  # no verdict AI: precision has no dot


def test_scores_have_a_row_for_each_group_and_errors_in_full_colour(tmp_path):
    test = predictions(generators=(NASTY, "sd")).query("split == 'test'")
    figure = plot_scores(test)
    human = figure.axes[0]
    wrong = int((test.loc[test["label"] == "human", "p_ai"] >= 0.5).sum())
    assert human.get_title(loc="left") == f"human: {wrong} of 40 called AI"
    outlines = [patch.get_xy().T for patch in human.patches]
    areas = [abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2 for x, y in outlines]
    assert [area / 0.05 for area in areas] == pytest.approx([40 - wrong, wrong])  # the bins are 0.05 wide
    assert len(figure.axes) == 3
    one_class = predictions().query("split == 'unseen'")
    reliability = plot_reliability(one_class.assign(calibrated=one_class["p_ai"] ** 2))
    save_figures(tmp_path, {"scores": figure, "reliability": reliability})


def test_curves_are_those_of_the_table_and_the_best_epochs_are_ringed(tmp_path):
    table = history({"head": 6, "last10": 5}).set_index("epoch")
    stages = [{"name": "head", "unfreeze": 0, "best_epoch": 5}, {"name": "last10", "unfreeze": 10, "best_epoch": 10}]
    figure = plot_training(table, [*stages, {"name": "never", "unfreeze": "all"}])
    for axes, quantity in zip(figure.axes, ("accuracy", "loss"), strict=True):
        rings = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
        assert [int(ring.get_xdata()[0]) for ring in rings] == [5, 10]
        validation = next(line for line in axes.lines if line.get_label() == "validation")
        assert list(validation.get_ydata()) == list(table[f"val/{quantity}"])
    one = plot_training(table.head(1).drop(columns=["val/loss", "val/accuracy"]), stages)
    several = plot_histories({f"{NASTY}/{i}": pd.DataFrame() if i else table for i in range(9)})
    save_figures(tmp_path, {"curves": figure, "one": one, "several": several})


def test_intervals_leave_out_what_is_not_defined():
    estimates = [Estimate(0.5, 0.4, 0.6), UNDEFINED, Estimate(0.9, 0.8, 1.0)]
    figure = plot_intervals(
        "Intervals", ["a", NASTY, "c"], {"one": {"seen": estimates, "unseen": estimates}, "two": {"": estimates}}
    )
    (dots,) = [line for line in figure.axes[1].lines if line.get_marker() == "o"]
    assert [tuple(dot) for dot in dots.get_xydata() if not np.isnan(dot[0])] == [(0.5, 0), (0.9, 2)]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["seen", "unseen"]
