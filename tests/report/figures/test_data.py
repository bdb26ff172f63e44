from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from artclf.report.figures.data import count_pictures, makers_of, plot_classes, plot_styles, splits_of, tint_of
from artclf.report.style import AI, HUMAN, save


def table(*parts: tuple[str, str, str, str, int]) -> pd.DataFrame:
    """Rows of a manifest: (split, label, generator, style, how many)."""
    rows = [part[:4] for part in parts for _ in range(part[4])]
    return pd.DataFrame(rows, columns=["split", "label", "generator", "style"], dtype=str)


SMALL = table(
    ("test", "human", "human", "oil", 2),
    ("train", "human", "human", "ink", 5),
    ("train", "ai", "sd", "oil", 3),
    ("train", "ai", "ld", "ink", 4),
    ("unseen", "ai", "new", "oil", 1),
)


def texts(figure: Figure) -> list[str]:
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    for axes in figure.axes:
        found += [axes.get_title(loc="left"), *(label.get_text() for label in axes.get_yticklabels())]
    return found


def test_people_come_first_then_the_largest_generator() -> None:
    makers = makers_of(SMALL, 6)
    assert [(maker.label, maker.name, int(maker.rows.sum())) for maker in makers] == [
        ("human", "people", 7),
        ("ai", "ld", 4),
        ("ai", "sd", 3),
        ("ai", "new", 1),
    ]
    assert sum(maker.rows for maker in makers).tolist() == [1] * len(SMALL)
    assert [color.lower() for color in tint_of(makers)[:2]] == [HUMAN.lower(), AI.lower()]


def test_the_smallest_generators_are_taken_together_and_none_is_lost() -> None:
    makers = makers_of(SMALL, 3)
    assert [(maker.name, int(maker.rows.sum())) for maker in makers] == [("people", 7), ("ld", 4), ("2 others", 4)]


def test_a_generator_called_human_stays_ai() -> None:
    makers = makers_of(table(("train", "ai", "human", "oil", 2)), 6)
    assert [(maker.label, int(maker.rows.sum())) for maker in makers] == [("ai", 2)]


def test_a_generator_called_ai_is_not_people() -> None:
    makers = makers_of(table(("train", "ai", "ai", "oil", 2), ("train", "human", "human", "oil", 1)), 6)
    assert [(maker.label, maker.name) for maker in makers] == [("human", "people"), ("ai", "ai")]


def test_counts_by_maker_and_split() -> None:
    counts = count_pictures(SMALL)
    assert list(counts.columns) == ["train", "test", "unseen", "together"] == [*splits_of(SMALL), "together"]
    assert list(counts.index) == [("human", "human"), ("ai", "ld"), ("ai", "sd"), ("ai", "new")]
    assert counts.loc[("human", "human")].tolist() == [5, 2, 0, 7]
    assert counts["together"].sum() == len(SMALL)


def test_classes_show_each_total(tmp_path: Path) -> None:
    figure = plot_classes(SMALL)
    shown = texts(figure)
    for bar in ("train: people", "train: AI", "test: people", "unseen: AI"):
        assert bar in shown
    assert "test: AI" not in shown
    for number in ("5", "7", "2", "1"):
        assert number in shown
    names = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert names == ["people", "ld", "sd", "new"]
    save(figure, tmp_path / "classes.png")


def test_styles_show_every_count_and_the_gaps(tmp_path: Path) -> None:
    figure = plot_styles(SMALL)
    shown = texts(figure)
    assert {"ink", "oil", "people\n7", "ld\n4"} <= set(shown)
    assert shown.count("–") == 3  # ld has no oil, sd no ink, new no ink
    save(figure, tmp_path / "styles.png")


@pytest.mark.parametrize("plot", [plot_classes, plot_styles])
def test_many_styles_and_makers_with_odd_names_can_be_drawn(tmp_path: Path, plot: object) -> None:
    many = [("", "ai", f"a_generator_with_a_very_long_name_$x_{n}", f"style_{s}", n + 1) for n in range(12) for s in range(40)]
    figure = plot(table(*many))
    save(figure, tmp_path / "many.png")
    if plot is plot_styles:
        assert "17 others" in texts(figure)
        assert "7 others" in " ".join(texts(figure))
    else:
        assert "no split given: AI" in texts(figure)
