import numpy as np
import pytest

from artclf.report import style
from artclf.report.differences import against_the_best
from artclf.report.figures.forest import plot_differences


@pytest.mark.parametrize("number", [2, 9])
def test_each_difference_stands_at_its_place_with_its_interval(judge, number, tmp_path):
    runs = []
    for i in range(number):
        right = np.ones(300, dtype=bool)
        right[10 * i : 30 * i] = False
        runs.append(judge(f"run {i}", right, 120))
    pairs = against_the_best(runs, shown=20).pairs
    figure = plot_differences(pairs)
    titles = ["balanced accuracy", "accuracy", "AUROC (hundredths)", "human called AI", "AI missed"]
    keys = ["balanced_accuracy", "accuracy", "auroc", "false_positive_rate", "false_negative_rate"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == titles
    for axes, key in zip(figure.axes, keys, strict=True):
        dots = {-line.get_ydata()[0]: line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"}
        bars = {-line.get_ydata()[0]: list(line.get_xdata()) for line in axes.lines if line.get_marker() == "|"}
        for row, pair in enumerate(pairs):
            interval = pair.figures[key]
            assert dots[row] == pytest.approx(100 * interval.value)
            assert bars[row] == pytest.approx([100 * interval.low, 100 * interval.high])
        low, high = axes.get_xlim()
        assert low < 0 < high  # the line of no difference is in sight
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [pair.other for pair in pairs]
    style.save(figure, tmp_path / "differences.png")


def test_a_figure_that_is_not_defined_is_left_out(judge):
    runs = [judge("a", np.ones(30, dtype=bool), 0), judge("b", np.arange(30) > 5, 0)]
    figure = plot_differences(against_the_best(runs, shown=20).pairs)
    dots = [sum(line.get_marker() == "o" for line in axes.lines) for axes in figure.axes]
    assert dots == [0, 1, 0, 0, 1]
