"""What the figures show: values are read off the axes; saving them shows that any names and sizes can be drawn."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from artclf.data.distortions import DISTORTIONS
from artclf.report import style
from artclf.report.figures.data import count_pictures, groups_of, in_order, plot_classes, top
from artclf.report.figures.forest import Series, plot_forest
from artclf.report.figures.network import blocks_of, plot_network
from artclf.report.figures.robustness import plot_alone, plot_rates
from artclf.report.figures.runs import plot_losses, plot_rocs, plot_runs
from artclf.report.figures.scores import plot_confusions, plot_reliability, plot_roc_pr, plot_scores
from artclf.report.figures.training import plot_curves
from tests.report.test_text import measured

NASTY = "名画_$x$_\\frac{1}_a_generator_with_a_very_long_name"
STAGES = [
    {"name": "head", "unfreeze": 0, "layers": 0, "best_epoch": 5},
    {"name": "last10", "unfreeze": 10, "layers": 10, "best_epoch": 10},
]


def table_of(*parts: tuple[str, str, str, int]) -> pd.DataFrame:
    """A manifest's table: (label, generator, split, number)."""
    rows = [(label, generator, split, f"style_{i % 3}") for label, generator, split, n in parts for i in range(n)]
    return pd.DataFrame(rows, columns=["label", "generator", "split", "style"])


def test_a_name_is_cut_in_its_middle_and_any_can_be_drawn(tmp_path):
    assert style.short("2026-01-01_run_with_a_long_name_1", 12) == "2026-0…ame_1"
    assert style.short("名画") == "□□"
    figure = style.paper(style.NARROW, 2, NASTY)
    figure.subplots().set_title(style.short(NASTY))
    with Image.open(style.save(figure, tmp_path / "new" / "a.png")) as image:
        assert image.width > 500


def test_a_logarithmic_axis_has_plain_numbers(tmp_path):
    figure = style.paper(style.NARROW, 2, "Rates")
    axes = figure.subplots()
    axes.plot([1e-5, 1e-2], [1, 2])
    style.log_scale(axes.xaxis)
    style.save(figure, tmp_path / "log.png")
    assert "1e−03" in [label.get_text() for label in axes.get_xticklabels()]


def test_the_most_frequent_are_kept_and_the_others_are_one():
    names = pd.Series(["a"] * 3 + ["b"] * 2 + ["c", "d"])
    assert list(top(names, 4)) == list(names)
    assert list(top(names, 3).unique()) == ["a", "b", "2 others"]


def test_human_images_come_first_and_a_generator_called_human_stays_ai():
    table = table_of(("ai", "human", "train", 5), ("ai", "sd", "train", 9), ("human", "human", "test", 2))
    groups = groups_of(table)
    assert in_order(groups) == ["human", "sd", "human (a generator)"]
    assert (groups == "human").sum() == 2
    counts = count_pictures(table)
    assert list(counts.columns) == ["train", "test", "together"]
    assert list(counts.index) == [("human", "human"), ("ai", "sd"), ("ai", "human")]


def test_classes_show_each_total(tmp_path):
    table = table_of(*[("ai", f"{NASTY}{i}", "train", 10 + i) for i in range(30)], ("human", "human", "test", 7))
    figure = plot_classes(table)
    assert [text.get_text() for text in figure.axes[0].texts] == ["735", "7"]
    style.save(figure, tmp_path / "classes.png")


def test_confusions_show_counts_and_shares(tmp_path):
    confusion = {"human": {"human": 36, "ai": 4}, "ai": {"ai": 70, "human": 0}}
    figure = plot_confusions([("one", confusion), ("two", {"human": {"human": 0, "ai": 0}})])
    assert [text.get_text() for text in figure.axes[0].texts] == ["36\n90.0%", "4\n10.0%", "0\n0.0%", "70\n100.0%"]
    style.save(figure, tmp_path / "confusion.png")


def test_roc_and_precision_have_their_dots_at_the_threshold(make_predictions, tmp_path):
    test = make_predictions().query("split == 'test'")
    is_ai, p_ai = (test["label"] == "ai").to_numpy(), test["p_ai"].to_numpy()
    figure = plot_roc_pr(is_ai, p_ai)
    curve, dot, _ = figure.axes[0].lines
    assert f"{roc_auc_score(is_ai, p_ai):.3f}" in curve.get_label()
    called = p_ai >= 0.5
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (called[~is_ai].mean(), called[is_ai].mean())
    style.save(figure, tmp_path / "roc.png")
    assert len(plot_roc_pr(is_ai, p_ai / 10).axes[1].lines) == 2  # no verdict AI: precision has no dot


def test_scores_have_a_row_for_each_group_and_errors_in_full_colour(make_predictions, tmp_path):
    test = make_predictions(generators=(NASTY, "sd")).query("split == 'test'")
    figure = plot_scores(test)
    human = figure.axes[0]
    wrong = int((test.loc[test["label"] == "human", "p_ai"] >= 0.5).sum())
    assert human.get_title(loc="left") == f"human: {wrong} of 40 called AI"
    assert sum(bar.get_height() for bar in human.patches) == 40
    full = [bar for bar in human.patches if bar.get_facecolor()[:3] == human.patches[-1].get_facecolor()[:3]]
    assert sum(bar.get_height() for bar in full) == wrong
    assert len(figure.axes) == 3
    style.save(figure, tmp_path / "scores.png")


@pytest.mark.parametrize("split", ["test", "unseen"])
def test_reliability_is_drawn_for_both_classes_and_for_one(split, make_predictions, tmp_path):
    table = make_predictions()
    figure = plot_reliability(table.assign(calibrated=table["p_ai"] ** 2).query("split == @split"))
    assert sum(line.get_marker() == "o" for line in figure.axes[0].lines) >= 4
    style.save(figure, tmp_path / "reliability.png")


@pytest.mark.parametrize("quantity", ["accuracy", "loss"])
def test_curves_are_those_of_the_table_and_the_best_epochs_are_ringed(quantity, make_history, tmp_path):
    history = make_history({"head": 6, "last10": 5})
    figure = plot_curves(history, [*STAGES, {"name": "never", "unfreeze": "all"}], quantity)
    lines = figure.axes[0].lines
    rings = [line for line in lines if line.get_markerfacecolor() == "none"]
    assert [int(ring.get_xdata()[0]) for ring in rings] == [5, 10]
    validation = next(line for line in lines if line.get_label() == "validation")
    assert list(validation.get_ydata()) == list(history[f"val/{quantity}"])
    style.save(figure, tmp_path / "curves.png")
    style.save(plot_curves(history.head(1).drop(columns=f"val/{quantity}"), STAGES, quantity), tmp_path / "one.png")


def test_layers_are_grouped_into_at_most_28_blocks():
    deep = [f"features.{s}.{b}.{leaf}" for s in range(4) for b in range(5) for leaf in "abc"]
    assert list(blocks_of(pd.Series([*deep[:4], "head"]))) == [*deep[:4], "head"]
    assert list(blocks_of(pd.Series([*deep, "head"])).unique()[:2]) == ["features.0.0", "features.0.1"]
    assert blocks_of(pd.Series([*(f"layer_{i}" for i in range(40)), "head"])).nunique() == 41  # nothing left to cut


def test_the_network_shows_parameters_by_stage(tmp_path):
    rows = [("stem.0.conv", 400, ""), ("body.0.conv", 6400, ""), ("body.0.norm", 60, "last2"), ("head", 1, "head")]
    layers = pd.DataFrame(rows, columns=["name", "parameters", "stage"])
    figure = plot_network(layers, "a network")
    heights = {bars.get_label().split(":")[0]: [bar.get_height() for bar in bars] for bars in figure.axes[0].containers}
    assert heights == {
        "always frozen": [400, 6400, 0, 0],
        "trained from stage last2 on": [0, 0, 60, 0],
        "trained from stage head on": [0, 0, 0, 1],
    }
    style.save(figure, tmp_path / "network.png")


def test_a_forest_leaves_out_what_is_not_defined(tmp_path):
    series = Series([(0.5, 0.4, 0.6), (None, None, None), (0.9, 0.8, 1.0)], [style.AI] * 3, "seen", hollow=True)
    plain = Series(series.estimates, series.colours)
    figure = plot_forest("A forest", ["a", NASTY, "c"], {"one": [series, plain], "two": [plain]}, reference=0.5)
    dots = figure.axes[1].collections[1].get_offsets()
    assert [tuple(dot) for dot in dots if not np.ma.is_masked(dot)] == [(0.5, 0), (0.9, 2)]
    assert len(figure.legends[0].get_texts()) == 1
    style.save(figure, tmp_path / "forest.png")


@pytest.mark.parametrize("number", [1, 9])
def test_runs_are_drawn_the_best_first(number, judge, make_history, tmp_path):
    names = [f"{NASTY}/{i}" for i in range(number)]
    columns = {"accuracy": 0.9, "balanced_accuracy": [0.9 - i / 100 for i in range(number)], "false_positive_rate": np.nan}
    table = pd.DataFrame({"run": names, **columns})
    history = make_history({"head": 3})
    figure = plot_runs(table, {names[0]: history.set_index("epoch")["val/accuracy"]})
    style.save(figure, tmp_path / "runs.png")
    assert list(figure.axes[0].collections[1].get_offsets()[:, 0]) == list(table["balanced_accuracy"])
    histories = {name: history if name == names[0] else pd.DataFrame() for name in names}
    style.save(plot_losses(histories, names), tmp_path / "losses.png")
    right = np.arange(100) % 7 > 0
    rocs = plot_rocs([judge(name, right, 50) for name in names])
    assert len(rocs.axes[0].get_legend().get_texts()) == min(number, len(style.RUNS))
    style.save(rocs, tmp_path / "rocs.png")


def test_robustness_has_a_panel_for_each_distortion():
    found = measured(all_alike=True)
    axes = plot_rates(found).axes
    assert len(axes) == len(DISTORTIONS)
    recall, accused, *dotted = axes[0].get_lines()
    levels = [found.clean, *found.of("jpeg")]
    assert list(recall.get_ydata()) == [level.recall.value for level in levels]
    assert list(accused.get_ydata()) == [level.false_positive_rate.value for level in levels]
    assert [line.get_linestyle() for line in dotted] == [":", ":"]
    for line, who in zip(plot_alone(found).axes[0].get_lines(), ("both", "ai", "human"), strict=False):
        assert list(line.get_ydata()) == [level.auroc[who].value for level in levels]
    (line,) = plot_rates(measured(labels=("human",))).axes[0].get_lines()
    assert line.get_color() == style.HUMAN
