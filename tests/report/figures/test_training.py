import numpy as np
import pytest

from artclf.report import style
from artclf.report.figures.training import plot_accuracy, plot_loss

STAGES = [
    {"name": "head", "unfreeze": 0, "best_epoch": 5},
    {"name": "last10", "unfreeze": 10, "best_epoch": 10},
]


def curve(figure, name):
    (line,) = [line for line in figure.axes[0].lines if line.get_label() == name]
    return line.get_xdata(), line.get_ydata()


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(("plot", "quantity"), [(plot_accuracy, "accuracy"), (plot_loss, "loss")])
def test_curves_are_those_of_the_table(plot, quantity, make_history, tmp_path):
    history = make_history({"head": 6, "last10": 5})
    figure = plot(history, STAGES)
    for name, column in (("training", f"train/{quantity}"), ("validation", f"val/{quantity}")):
        x, y = curve(figure, name)
        np.testing.assert_array_equal(x, np.arange(1, 12))
        np.testing.assert_array_equal(y, history[column])
    style.save(figure, tmp_path / "curves.png")


def test_stages_are_shaded_named_and_their_best_epoch_is_ringed(make_history):
    history = make_history({"head": 6, "last10": 5})
    figure = plot_accuracy(history, STAGES)
    assert {"head: head alone", "last10: last 10 layers"} <= set(texts(figure))
    bands = {(patch.get_x(), patch.get_x() + patch.get_width()) for patch in figure.axes[0].patches}
    assert bands == {(0.5, 6.5), (6.5, 11.5)}
    rings = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "none"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in rings] == [
        (best, history.loc[best - 1, "val/accuracy"]) for best in (5, 10)
    ]


def test_one_epoch_is_enough(make_history, tmp_path):
    history = make_history({"head": 1})
    figure = plot_accuracy(history, [{"name": "head", "unfreeze": "all", "best_epoch": 1}])
    assert curve(figure, "validation")[1] == history["val/accuracy"].to_numpy()
    low, high = figure.axes[0].get_ylim()
    assert high - low > 0.1  # one point and its neighbour are not blown up
    style.save(figure, tmp_path / "one.png")


def test_gaps_are_left_out(make_history):
    history = make_history({"head": 6, "last10": 5})
    history.loc[[2, 3], "train/accuracy"] = np.nan
    x, _ = curve(plot_accuracy(history, STAGES), "training")
    assert list(x) == [1, 2, 5, 6, 7, 8, 9, 10, 11]


def test_a_stage_that_never_ran_and_one_without_best_epoch_do_no_harm(make_history):
    stages = [{"name": "head", "unfreeze": 0, "best_epoch": None}, {"name": "never", "unfreeze": 3, "best_epoch": 99}]
    figure = plot_loss(make_history({"head": 3}), stages)
    assert not [text for text in texts(figure) if "never" in text or "best" in text]


def test_nothing_recorded_is_said(make_history, tmp_path):
    history = make_history({"head": 3}).drop(columns=["train/loss", "val/loss"])
    figure = plot_loss(history, STAGES)
    assert texts(figure) == ["No loss was recorded."]
    style.save(figure, tmp_path / "none.png")


def test_labels_of_narrow_stages_stand_above_each_other(make_history):
    names = ["head", "one", "two", "three"]
    history = make_history({"head": 20, "one": 1, "two": 1, "three": 1})
    figure = plot_loss(history, [{"name": name, "unfreeze": 10, "best_epoch": None} for name in names])
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text().endswith("last 10 layers")]
    assert len(boxes) == 4
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])
