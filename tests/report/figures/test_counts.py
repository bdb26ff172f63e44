import pytest

from artclf.report import style
from artclf.report.figures.counts import plot_counts


def bars(figure, y):
    return [
        (round(bar.get_x()), round(bar.get_width()))
        for bar in figure.axes[0].patches
        if bar.get_y() < y < bar.get_y() + bar.get_height()
    ]


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


BEFORE = {"human": {"human": 50000}, "ai": {"latent_diffusion": 52092, "stable_diffusion": 52923}}


def test_generators_are_stacked_and_copies_added(tmp_path):
    figure = plot_counts(BEFORE, {"human": 105015, "ai": 105015}, "Training pictures")
    assert bars(figure, 0) == [(0, 50000)]
    assert bars(figure, -1) == [(0, 52923), (52923, 52092)]
    assert bars(figure, -2.8) == [(0, 50000), (50000, 55015)]
    assert bars(figure, -3.8) == [(0, 105015)]
    assert {"105,015", "50,000", "+55,015"} <= set(texts(figure))
    style.save(figure, tmp_path / "counts.png")


def test_what_is_left_out_is_an_empty_outline():
    figure = plot_counts(BEFORE, {"human": 50000, "ai": 50000}, "Training pictures")
    assert bars(figure, -3.8) == [(0, 50000), (50000, 55015)]
    assert "−55,015" in texts(figure)
    outline = figure.axes[0].patches[-1]
    assert outline.get_facecolor()[3] == 0.0


def test_every_generator_is_named_somewhere():
    before = {"human": {"human": 10}, "ai": {"big_one": 1000, "tiny": 3, "odd$name": 2}}
    shown = "\n".join(texts(plot_counts(before, {"human": 10, "ai": 1005}, "Training pictures")))
    assert "big_one" in shown
    assert r"too narrow for a name: tiny 3, odd\$name 2" in shown


def test_many_generators_end_in_others():
    before = {"human": {"human": 500}, "ai": {f"g{i}": 100 + i for i in range(12)}}
    figure = plot_counts(before, {"human": 500, "ai": 500}, "Training pictures")
    assert len(bars(figure, -1)) == 5
    assert sum(width for _, width in bars(figure, -1)) == sum(before["ai"].values())
    assert any("8 others" in text for text in texts(figure))


@pytest.mark.parametrize("before", [{}, {"human": {}, "ai": {}}])
def test_nothing_is_no_error(before, tmp_path):
    style.save(plot_counts(before, {}, "Training pictures"), tmp_path / "none.png")
    assert (tmp_path / "none.png").exists()
