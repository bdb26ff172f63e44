import numpy as np
import pytest
from PIL import Image

from artclf.report import style


def saved(figure, path):
    with Image.open(style.save(figure, path)) as image:
        image.load()
        return image


def test_a_chart_keeps_its_size_and_exact_colours(tmp_path):
    figure = style.paper(4, 3)
    axes = figure.subplots()
    axes.fill_between([0, 1], 0, 1, color=style.AI)
    image = saved(figure, tmp_path / "new folder" / "chart.png")
    assert image.format == "PNG"
    assert image.size == (4 * style.DPI, 3 * style.DPI)
    pixels = {"#{:02x}{:02x}{:02x}".format(*color) for _, color in image.convert("RGB").getcolors(1 << 20)}
    assert style.AI.lower() in pixels


def test_a_busy_chart_loses_shades_rather_than_dots(tmp_path, monkeypatch):
    def chart():
        figure = style.paper(4, 3)
        axes = figure.subplots()
        for i in range(40):
            shade = style.shade(style.AI, i / 40)
            axes.text(i % 8 / 8, i // 8 / 5, f"label {i}", color=shade, bbox={"facecolor": style.shade(style.HUMAN, i / 40)})
        return figure

    exact = saved(chart(), tmp_path / "exact.png")
    monkeypatch.setattr(style, "CHART_BYTES", int(0.7 * (tmp_path / "exact.png").stat().st_size))
    image = saved(chart(), tmp_path / "busy.png")
    assert (tmp_path / "busy.png").stat().st_size <= style.CHART_BYTES
    assert image.size == exact.size == (4 * style.DPI, 3 * style.DPI)
    assert len(image.convert("RGB").getcolors(1 << 20)) <= 256 < len(exact.convert("RGB").getcolors(1 << 20))
    off = np.abs(np.asarray(image.convert("RGB"), dtype=int) - np.asarray(exact.convert("RGB")))
    assert off.mean() < 1
    assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_paintings_are_kept_small_and_their_paper_white(tmp_path, monkeypatch):
    monkeypatch.setattr(style, "PAINTINGS_BYTES", 60_000)
    figure = style.paper(4, 3)
    noise = np.random.default_rng(0).integers(0, 256, (200, 150, 3), dtype=np.uint8)
    greys = np.broadcast_to(np.linspace(0, 255, 150, dtype=np.uint8)[None, :, None], noise.shape)
    figure.subplots().imshow(np.concatenate([noise, greys], axis=1))
    image = saved(figure, tmp_path / "noise.png")
    assert (tmp_path / "noise.png").stat().st_size <= 60_000
    assert image.width < 4 * style.DPI  # noise can't be had at full size
    assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("text", "drawn"),
    [("$x$", r"\$x\$"), ("名画_ink", "□□_ink"), ("Дега", "Дега"), ("two\nlines", "two\nlines")],
)
def test_any_name_can_be_drawn(text, drawn, tmp_path):
    assert style.plain(text) == drawn
    figure = style.paper(3, 1)
    style.say(figure.subplots(), style.plain(text))
    style.save(figure, tmp_path / "text.png")  # a missing glyph or half a formula would warn or fail


def test_a_long_name_is_cut():
    assert style.plain("a" * 50, 10) == "a" * 9 + "…"


def test_tints_start_at_the_colour_itself_and_differ():
    tints = style.tints(["a", "b", "c"], "ai")
    assert tints["a"].lower() == style.AI.lower()
    assert len(set(tints.values())) == 3
    assert style.tints(["only"], "human") == {"only": style.HUMAN.lower()}


def test_text_is_legible_on_both_ends_of_the_tints():
    assert style.ink_on(style.HUMAN) == style.PAPER
    assert style.ink_on(style.shade(style.HUMAN, 0.2)) == style.INK


def test_a_long_title_takes_more_lines():
    figure = style.paper(style.NARROW, 3)
    style.heading(figure, "word " * 20)
    assert figure.get_suptitle().count("\n") >= 1
