import pytest

from artclf.report import style
from artclf.report.figures.multiples import plot_confusions


def confusion(number):
    return {"human": {"human": 90 - number, "ai": 10 + number}, "ai": {"human": 1000 + number, "ai": 4000 - number}}


@pytest.mark.parametrize("number", [1, 2, 4, 5, 20])
def test_each_run_has_its_matrix(number, tmp_path):
    figure = plot_confusions([(f"run $^{i}", confusion(i)) for i in range(number)])
    drawn = [axes for axes in figure.axes if axes.patches]
    assert len(drawn) == number
    assert len(figure.axes) == 4 * ((number + 3) // 4)
    for i, axes in enumerate(drawn):
        assert axes.get_title(loc="left") == rf"run \$^{i}"
        shown = {
            (text.get_position()[0] > 1, text.get_position()[1] > 1, text.get_text().strip())
            for text in axes.texts
            if not text.get_text().endswith("%")
        }
        assert shown == {
            (False, True, f"{90 - i}"),
            (True, True, f"{10 + i}"),
            (False, False, f"{1000 + i:,}"),
            (True, False, f"{4000 - i:,}"),
        }
        (framed,) = [box for box in axes.patches if box.get_linewidth() > 0]
        assert (framed.get_x() > 1, framed.get_y() > 1) == (True, True)  # human work, verdict AI
    if number <= 5:
        style.save(figure, tmp_path / "confusions.png")


def test_a_class_that_is_absent_is_said_so():
    (axes, *_) = plot_confusions([("a", {"human": {"human": 0, "ai": 0}, "ai": {"human": 2, "ai": 3}})]).axes
    assert [text.get_text() for text in axes.texts].count("none") == 2
    assert not [box for box in axes.patches if box.get_linewidth() > 0]
