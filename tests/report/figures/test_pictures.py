import numpy as np
import pytest

from artclf.report import style
from artclf.report.figures.pictures import Mistake, plot_copies, plot_mistakes, plot_samples


def all_axes(figure):
    return [axes for axes in figure.axes if axes.images]


def test_samples_show_every_picture_with_its_caption(make_painting, tmp_path):
    pictures = [(make_painting(i, size=20 + i), f"caption {i}") for i in range(8)]
    figure = plot_samples(pictures, "Works")
    shown = all_axes(figure)
    assert [axes.get_xlabel() for axes in shown] == [caption for _, caption in pictures]
    for axes, (pixels, _) in zip(shown, pictures, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), pixels)
    style.save(figure, tmp_path / "samples.png")


def test_no_samples_is_said():
    figure = plot_samples([], "Works")
    assert [text.get_text() for text in figure.axes[0].texts] == ["There are no pictures to show."]


def test_copies_stand_beside_their_original(make_painting):
    original = make_painting(0)
    figure = plot_copies(original, [original[::-1], original[:, ::-1]], "Copies")
    assert [axes.get_xlabel() for axes in figure.axes] == ["the original", "copy 1", "copy 2"]
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), original)
    np.testing.assert_array_equal(figure.axes[2].images[0].get_array(), original[:, ::-1])
    assert plot_copies(original, [], "Copies").axes[0].get_xlabel() == "the original"


@pytest.fixture
def mistakes(make_painting):
    made = [("a.png", "human", 0.6), ("b.png", "ai", 0.01), ("c.png", "human", 0.9), ("d.png", "ai", 0.4)]
    return [
        Mistake(make_painting(i), f"test/x/{name}", label, "human" if label == "human" else "sd", "baroque", p)
        for i, (name, label, p) in enumerate(made)
    ]


def test_mistakes_come_accusations_first_and_surest_first(mistakes, tmp_path):
    figure = plot_mistakes(mistakes)
    assert [axes.get_title() for axes in figure.axes] == ["p_ai 0.90", "p_ai 0.60", "p_ai 0.01", "p_ai 0.40"]
    assert [axes.get_xlabel().split("\n")[-1] for axes in figure.axes] == ["c.png", "a.png", "b.png", "d.png"]
    titles = [part.get_suptitle() for part in figure.subfigs]
    assert titles[0].startswith("False accusations")
    assert "(2 shown)" in titles[0]
    assert titles[1].startswith("Missed")
    style.save(figure, tmp_path / "mistakes.png")


def test_one_kind_of_mistake_alone(mistakes):
    figure = plot_mistakes([mistake for mistake in mistakes if mistake.false_accusation])
    assert len(figure.subfigs) == 1
    assert len(all_axes(figure)) == 2


def test_no_mistakes_is_good_news():
    figure = plot_mistakes([])
    assert "No mistakes" in figure.axes[0].texts[0].get_text()


def test_odd_names_are_drawn(make_painting, tmp_path):
    odd = Mistake(make_painting(0), "名/$x$_<b>.png", "ai", "日本$", "an endless name of a style with no end", 0.1)
    style.save(plot_mistakes([odd]), tmp_path / "odd.png")
    assert (tmp_path / "odd.png").stat().st_size > 0
