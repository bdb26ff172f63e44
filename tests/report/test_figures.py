"""What the figures show: values are read off the axes; saving them shows that any names and sizes can be drawn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from artclf.report import style
from artclf.report.comparison_page import plot_histories
from artclf.report.figures.data import count_images, groups_of, plot_classes, top
from artclf.report.figures.draw import Series, plot_intervals
from artclf.report.figures.run import (
    blocks_of,
    plot_confusions,
    plot_curves,
    plot_network,
    plot_reliability,
    plot_roc_pr,
    plot_scores,
)
from artclf.report.render import save_figures

NASTY = "名画_$x$_\\frac{1}_a_generator_with_a_very_long_name"


def manifest(*parts: tuple[str, str, str, int]) -> pd.DataFrame:
    """A manifest's table: (label, generator, split, number)."""
    rows = [(label, generator, split, f"style_{i % 3}") for label, generator, split, n in parts for i in range(n)]
    return pd.DataFrame(rows, columns=["label", "generator", "split", "style"])


def test_a_name_is_cut_in_its_middle_and_any_can_be_drawn(tmp_path):
    assert style.short("2026-01-01_run_with_a_long_name_1", 12) == "2026-0…ame_1"
    assert style.short("名画") == "□□"
    figure = style.paper(style.NARROW, 2, NASTY)
    axes = figure.subplots()
    axes.set_title(style.short(NASTY))
    axes.plot([1e-5, 1e-2], [1, 2])
    style.log_scale(axes.xaxis)
    assert save_figures(tmp_path / "new", {"a": figure})["a"].width > 500
    assert "1e−03" in [label.get_text() for label in axes.get_xticklabels()]  # plain numbers


def test_human_images_come_first_the_smallest_generators_together_and_one_called_human_stays_ai():
    names = pd.Series(["a"] * 3 + ["b"] * 2 + ["c", "d"])
    assert list(top(names, 3).unique()) == ["a", "b", "2 others"]
    table = manifest(("ai", "human", "train", 5), ("ai", "sd", "train", 9), ("human", "human", "test", 2))
    groups = groups_of(table)
    assert list(groups.cat.categories) == ["human", "sd", "human (a generator)"]
    assert (groups == "human").sum() == 2
    counts = count_images(table)
    assert list(counts.columns) == ["train", "test", "together"]
    assert list(counts.index) == [("human", "human"), ("ai", "sd"), ("ai", "human")]


def test_counts_stand_in_the_figures(tmp_path):
    table = manifest(*[("ai", f"{NASTY}{i}", "train", 10 + i) for i in range(30)], ("human", "human", "test", 7))
    classes = plot_classes(table)
    assert [text.get_text() for text in classes.axes[0].texts] == ["735", "7"]
    confusion = {"human": {"human": 36, "ai": 4}, "ai": {"ai": 70, "human": 0}}
    confusions = plot_confusions({"one": confusion, NASTY: {"human": {"human": 0, "ai": 0}}})
    assert [text.get_text() for text in confusions.axes[0].texts] == ["36\n90.0%", "4\n10.0%", "0\n0.0%", "70\n100.0%"]
    save_figures(tmp_path, {"classes": classes, "confusion": confusions})


def test_roc_and_precision_have_their_dots_at_the_threshold(make_predictions):
    test = make_predictions().query("split == 'test'")
    is_ai, p_ai = (test["label"] == "ai").to_numpy(), test["p_ai"].to_numpy()
    curve, dot, _ = plot_roc_pr(test).axes[0].lines
    assert f"{roc_auc_score(is_ai, p_ai):.3f}" in curve.get_label()
    called = p_ai >= 0.5
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (called[~is_ai].mean(), called[is_ai].mean())
    assert len(plot_roc_pr(test.assign(p_ai=p_ai / 10)).axes[1].lines) == 2  # no verdict AI: precision has no dot


def test_scores_have_a_row_for_each_group_and_errors_in_full_colour(make_predictions, tmp_path):
    test = make_predictions(generators=(NASTY, "sd")).query("split == 'test'")
    figure = plot_scores(test)
    human = figure.axes[0]
    wrong = int((test.loc[test["label"] == "human", "p_ai"] >= 0.5).sum())
    assert human.get_title(loc="left") == f"human: {wrong} of 40 called AI"
    outlines = [patch.get_xy().T for patch in human.patches]
    areas = [abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2 for x, y in outlines]
    assert [area / 0.05 for area in areas] == pytest.approx([40 - wrong, wrong])  # the bins are 0.05 wide
    assert len(figure.axes) == 3
    one_class = make_predictions().query("split == 'unseen'")
    reliability = plot_reliability(one_class.assign(calibrated=one_class["p_ai"] ** 2))
    save_figures(tmp_path, {"scores": figure, "reliability": reliability})


@pytest.mark.parametrize("quantity", ["accuracy", "loss"])
def test_curves_are_those_of_the_table_and_the_best_epochs_are_ringed(quantity, make_history, tmp_path):
    history = make_history({"head": 6, "last10": 5}).set_index("epoch")
    stages = [{"name": "head", "unfreeze": 0, "best_epoch": 5}, {"name": "last10", "unfreeze": 10, "best_epoch": 10}]
    figure = plot_curves(history, [*stages, {"name": "never", "unfreeze": "all"}], quantity)
    lines = figure.axes[0].lines
    rings = [line for line in lines if line.get_markerfacecolor() == "none"]
    assert [int(ring.get_xdata()[0]) for ring in rings] == [5, 10]
    validation = next(line for line in lines if line.get_label() == "validation")
    assert list(validation.get_ydata()) == list(history[f"val/{quantity}"])
    one = plot_curves(history.head(1).drop(columns=f"val/{quantity}"), stages, quantity)
    several = plot_histories({f"{NASTY}/{i}": pd.DataFrame() if i else history for i in range(9)})
    save_figures(tmp_path, {"curves": figure, "one": one, "several": several})


def test_the_network_shows_parameters_by_stage(tmp_path):
    rows = [("stem.0.conv", 400, ""), ("body.0.conv", 6400, ""), ("body.0.norm", 60, "last2"), ("head", 1, "head")]
    figure = plot_network(pd.DataFrame(rows, columns=["name", "parameters", "stage"]), "a network")
    widths = {bars.get_label().split(":")[0]: [bar.get_width() for bar in bars] for bars in figure.axes[0].containers}
    assert widths == {
        "always frozen": [400, 6400, 0, 0],
        "trained from stage last2 on": [0, 0, 60, 0],
        "trained from stage head on": [0, 0, 0, 1],
    }
    save_figures(tmp_path, {"network": figure})
    deep = [f"features.{s}.{b}.{leaf}" for s in range(4) for b in range(5) for leaf in "abc"]
    assert list(blocks_of(pd.Series([*deep, "head"])).unique()[:2]) == ["features.0.0", "features.0.1"]
    assert blocks_of(pd.Series([*(f"layer_{i}" for i in range(40)), "head"])).nunique() == 41  # nothing left to cut


def test_intervals_leave_out_what_is_not_defined(tmp_path):
    series = Series([(0.5, 0.4, 0.6), (None, None, None), (0.9, 0.8, 1.0)], [style.AI] * 3, "seen", hollow=True)
    plain = Series(series.estimates, series.colours)
    figure = plot_intervals("Intervals", ["a", NASTY, "c"], {"one": [series, plain], "two": [plain]}, reference=0.5)
    dots = figure.axes[1].collections[1].get_offsets()
    assert [tuple(dot) for dot in dots if not np.ma.is_masked(dot)] == [(0.5, 0), (0.9, 2)]
    assert len(figure.legends[0].get_texts()) == 1
    save_figures(tmp_path, {"intervals": figure})
