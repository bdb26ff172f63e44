import pandas as pd
import pytest

from artclf.report import style
from artclf.report.figures.dots import plot_runs


def table_of(number):
    return pd.DataFrame(
        {
            "run": [str(i) for i in range(number)],
            "differs": [f"lr={i}" for i in range(number)],
            "seed": "0",
            "accuracy": [0.9 - 0.01 * i for i in range(number)],
            "balanced_accuracy": [0.88 - 0.01 * i for i in range(number)],
            "false_positive_rate": [0.05 + 0.01 * i for i in range(number)],
        }
    )


def test_dots_stand_at_the_figures_of_their_rows(tmp_path):
    table = table_of(8)
    curves = {str(i): pd.Series([0.5, 0.8 + 0.01 * i], index=[1.0, 2.0]) for i in range(8)}
    figure = plot_runs(table, curves)
    right, wrong, training = figure.axes
    filled = {line.get_ydata()[0]: line.get_xdata()[0] for line in right.lines if line.get_markersize() == 8.5}
    assert filled == {7 - i: table["balanced_accuracy"][i] for i in range(8)}
    accused = {line.get_ydata()[0]: line.get_xdata()[0] for line in wrong.lines if line.get_marker() == "o"}
    assert accused == {7 - i: table["false_positive_rate"][i] for i in range(8)}
    assert sorted(line.get_ydata()[-1] for line in training.lines) == pytest.approx([0.8 + 0.01 * i for i in range(8)])
    assert right.get_yticklabels()[0].get_text() == "0: lr=0"
    assert {text.get_text() for text in training.texts} == {str(i) for i in range(len(style.RUNS))}
    style.save(figure, tmp_path / "runs.png")


def test_names_at_the_ends_of_curves_do_not_overlap():
    figure = plot_runs(table_of(6), {str(i): pd.Series([0.5, 0.9], index=[1.0, 2.0]) for i in range(6)})
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[2].texts]
    assert len(boxes) == 6
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_seeds_are_named_where_they_differ():
    table = table_of(2).assign(differs="", seed=["3", "4"])
    labels = [label.get_text() for label in plot_runs(table, {}).axes[0].get_yticklabels()]
    assert labels == ["0: seed 3", "1: seed 4"]


def test_what_is_not_known_leaves_its_place_empty(tmp_path):
    table = table_of(2)
    table.loc[:, ["accuracy", "balanced_accuracy", "false_positive_rate"]] = float("nan")
    figure = plot_runs(table, {"0": pd.Series(dtype=float)})
    assert [text.get_text() for text in figure.axes[2].texts] == ["not recorded"]
    assert {text.get_text() for text in figure.axes[1].texts} == {"–"}
    style.save(figure, tmp_path / "unknown.png")


def test_long_settings_keep_what_tells_them_apart():
    table = table_of(2).assign(differs=[f"model=efficientnet_b0 stages.head.optim.lr={lr}" for lr in ("0.1", "0.01")])
    labels = [label.get_text() for label in plot_runs(table, {}).axes[0].get_yticklabels()]
    assert labels == ["0\nmodel=efficientnet_b0 lr=0.1", "1\nmodel=efficientnet_b0 lr=0.01"]
    table = table_of(1).assign(differs="stages.head.optim.lr=0.1 stages.last10.optim.lr=0.2")
    (label,) = plot_runs(table, {}).axes[0].get_yticklabels()
    assert label.get_text().startswith("0\nstages.head.optim.lr=0.1")


def test_of_long_names_the_end_is_kept():
    table = table_of(1).assign(run="2026-01-01_00-00-00/some/very/long/folder/12")
    (label,) = (
        plot_runs(table, {"2026-01-01_00-00-00/some/very/long/folder/12": pd.Series([0.5, 0.9])}).axes[0].get_yticklabels()
    )
    assert label.get_text().startswith("…")
    assert "folder/12" in label.get_text()
