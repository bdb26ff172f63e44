from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from artclf.report.figures.files import plot_densities, plot_kinds, plot_qualities, plot_sizes
from artclf.report.style import AI, HUMAN, save


def facts(n: int = 30, **columns: object) -> pd.DataFrame:
    """Two thirds human, JPEG 95 at 256 pixels; one third AI, JPEG 75 at 768; columns replace."""
    human = n * 2 // 3
    ai = n - human
    table = {
        "label": ["human"] * human + ["ai"] * ai,
        "generator": ["human"] * human + ["sd"] * ai,
        "width": [256] * human + [768] * ai,
        "height": [256] * human + [768] * ai,
        "format": "JPEG",
        "mode": "RGB",
        "bytes": range(20_000, 20_000 + 1000 * n, 1000),
        "jpeg_quality": [95] * human + [75] * ai,
        "quality_exact": True,
        "subsampling": "4:2:0",
    }
    return pd.DataFrame({**table, **columns}, index=range(n)).astype({"jpeg_quality": "Int64", "quality_exact": "boolean"})


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def ticks(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[-1].get_xticklabels()]


def test_qualities_stand_where_they_are_with_their_shares(tmp_path: Path) -> None:
    figure = plot_qualities(facts())
    human, ai = figure.axes
    assert {"95: 100.0%", "75: 100.0%", "people\n20 files", "sd\n10 files"} <= set(texts(figure))
    assert ticks(figure) == ["75", "95"]
    for axes, at in ((human, 95), (ai, 75)):
        (bar,) = [bar for bar in axes.patches if bar.get_height() > 0]
        assert bar.get_height() == 1.0
        assert bar.get_x() < at < bar.get_x() + bar.get_width()
    save(figure, tmp_path / "qualities.png")


def test_many_qualities_stand_on_an_axis_of_round_numbers(tmp_path: Path) -> None:
    figure = plot_qualities(facts(jpeg_quality=list(range(60, 90))))
    assert ticks(figure) == ["60", "70", "80", "90", "100"]
    assert sum(bar.get_height() for axes in figure.axes for bar in axes.patches) == pytest.approx(2.0)
    save(figure, tmp_path / "qualities.png")


def test_a_quality_that_is_only_nearest_says_about(tmp_path: Path) -> None:
    figure = plot_qualities(facts(quality_exact=[True] * 20 + [False] * 10))
    assert "about 75: 100.0%" in texts(figure)


def test_without_a_jpeg_the_figure_says_so(tmp_path: Path) -> None:
    figure = plot_qualities(facts(jpeg_quality=None, quality_exact=None, format="PNG", subsampling=None))
    assert texts(figure) == ["Not one of the files has such a value."]
    save(figure, tmp_path / "qualities.png")


def test_a_maker_with_few_jpegs_shows_their_share_of_all_its_files() -> None:
    figure = plot_qualities(facts(jpeg_quality=[95] * 20 + [75] + [None] * 9))
    ai = figure.axes[1]
    assert max(bar.get_height() for bar in ai.patches) == pytest.approx(0.1)
    assert "no JPEG: 90.0%\nand 1 other" in texts(figure)


@pytest.mark.parametrize("sizes", [[256] * 30, list(range(200, 230)), [*range(20, 49), 9000]], ids=["one", "near", "far"])
def test_any_sizes_can_be_drawn(tmp_path: Path, sizes: list[int]) -> None:
    figure = plot_sizes(facts(width=sizes, height=sizes))
    assert ticks(figure)
    low, high = figure.axes[0].get_xlim()
    assert low < min(sizes) <= max(sizes) < high
    heights = sum(bar.get_height() for axes in figure.axes for bar in axes.patches)
    assert heights == pytest.approx(2.0)  # two makers, all files of both
    save(figure, tmp_path / "sizes.png")


def test_sizes_name_the_commonest() -> None:
    figure = plot_sizes(facts(width=[256] * 19 + [300] + [768] * 10))
    assert "256×256: 95.0%\nand 1 other" in texts(figure)
    assert "768×768: 100.0%" in texts(figure)


def test_bytes_per_pixel_give_the_median(tmp_path: Path) -> None:
    figure = plot_densities(facts(width=100, height=100, bytes=[1000] * 20 + [5000] * 10))
    assert {"median 0.10", "median 0.50"} <= set(texts(figure))
    save(figure, tmp_path / "densities.png")


def test_kinds_compare_the_classes(tmp_path: Path) -> None:
    figure = plot_kinds(facts(format=["JPEG"] * 20 + ["PNG"] * 10, subsampling=["4:2:0"] * 20 + [None] * 10))
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["JPEG, RGB, 4:2:0", "PNG, RGB"]
    assert texts(figure) == ["100.0% of human works", "0.0% of human works", "0.0% of AI works", "100.0% of AI works"]
    colors = {bar.get_facecolor()[:3] for bar in axes.patches}
    assert len(colors) == 2
    save(figure, tmp_path / "kinds.png")


def test_many_kinds_are_taken_together() -> None:
    modes = [f"M{n % 15}" for n in range(30)]
    figure = plot_kinds(facts(mode=modes))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][-1] == "8 others"


def test_colours_tell_who_made_them() -> None:
    human, ai = plot_sizes(facts()).axes
    assert human.texts[0].get_color() == HUMAN
    assert ai.texts[0].get_color() == AI
