import re
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from artclf.errors import ArtclfError
from artclf.evaluation.groups import group_metrics
from artclf.report.cells import plot_cells, read_cells, worst_in_words
from artclf.report.run_page import write_page
from artclf.report.style import save


def works(*parts: tuple[str, str, str, int, int], split: str = "test") -> pd.DataFrame:
    """Rows of predictions.csv: (label, generator, style, judged rightly, of how many)."""
    rows = []
    for label, generator, look, right, n in parts:
        for i in range(n):
            p_ai = 0.9 if (label == "ai") == (i < right) else 0.1
            rows.append((f"{len(rows)}.png", label, generator, look, split, p_ai))
    return pd.DataFrame(rows, columns=["path", "label", "generator", "style", "split", "p_ai"])


def texts(figure: Figure) -> list[str]:
    axes = figure.axes[0]
    return [text.get_text() for text in axes.texts]


def names(figure: Figure) -> tuple[list[str], list[str]]:
    axes = figure.axes[0]
    return [label.get_text() for label in axes.get_yticklabels()], [label.get_text() for label in axes.get_xticklabels()]


TWO = (
    ("human", "human", "ink", 45, 50),
    ("human", "human", "oil", 50, 50),
    ("ai", "sd", "ink", 30, 50),
    ("ai", "sd", "oil", 2, 3),
    ("ai", "ld", "oil", 49, 50),
)


def test_each_cell_tells_its_share_or_that_it_is_too_small(tmp_path: Path) -> None:
    figure = plot_cells(works(*TWO), "Judged rightly")
    assert names(figure) == (["people", "sd", "ld"], ["all styles", "ink", "oil"])
    assert texts(figure) == [
        *("95%", "of 100", "90%", "of 50", "100%", "of 50"),
        *("60%", "of 53", "60%", "of 50", "2 of 3"),
        *("98%", "of 50", "–", "98%", "of 50"),
    ]
    boxes = figure.axes[0].patches
    hatched = [bool(box.get_hatch()) for box in boxes]
    assert hatched == [False] * 5 + [True] + [False] * 2
    brightness = [sum(box.get_facecolor()[:3]) for box in boxes]
    assert brightness[4] < brightness[6] < 3.0  # 60% right is deeper than 98%
    save(figure, tmp_path / "cells.png")


def test_hardly_any_mistake_is_not_none(tmp_path: Path) -> None:
    assert "99.9%" in texts(plot_cells(works(("human", "human", "oil", 999, 1000)), "Judged rightly"))


def test_one_maker_and_one_style_are_a_figure(tmp_path: Path) -> None:
    figure = plot_cells(works(("ai", "sd", "", 27, 30)), "Judged rightly")
    assert names(figure) == (["sd"], ["all works"])
    assert texts(figure) == ["90%", "of 30"]
    save(figure, tmp_path / "one.png")


def test_many_styles_and_makers_are_taken_together_and_none_is_lost(tmp_path: Path) -> None:
    long = "some_generator_with_a_long_$x_name_v"
    table = works(*[("ai", f"{long}{g}", f"style_{s:02d}", 2, 2 + (g + s) % 3) for g in range(15) for s in range(30)])
    figure = plot_cells(table, "Judged rightly")
    makers, styles = names(figure)
    assert len(makers) == 12
    assert makers[-1] == "4 others"
    assert len(set(makers)) == 12  # the ends of the names are there
    assert (len(styles), styles[0], styles[-1]) == (13, "all styles", "19 others")
    counts = [text for text in texts(figure) if " of " in text or text.startswith("of ")]
    assert len(counts) == 12 * 13
    sizes = [int(text.rsplit("of ", 1)[1].replace(",", "")) for text in counts]
    assert sum(sizes) == 2 * len(table)  # each row of the figure: all works, and then again by style
    save(figure, tmp_path / "many.png")


def test_the_worst_in_words() -> None:
    accused, missed = worst_in_words(group_metrics(works(*TWO)), "test")
    assert accused.startswith(
        "People are wrongly accused most in the style ink: 5 of 50 human works were called AI (10.0%, 95%: 4–21%; of all human "
        "works 5.0%). It is the worst of 2 cells, and the worst of several looks worse than it is: corrected for that, it "
        "differs from the others by no more than chance explains (p = 0.11"
    )
    assert missed.startswith("Missed most are AI works of sd in the style ink: 20 of 50 were missed (40.0%, 95%: 28–54%; ")
    assert missed.endswith("it differs from the others by more than chance explains (p < 0.001).")


def test_what_cannot_be_named_is_said() -> None:
    few = works(("human", "human", "ink", 3, 3), ("ai", "sd", "oil", 3, 3))
    accused, missed = worst_in_words(group_metrics(few), "test")
    assert accused.startswith("No two styles have human works enough")
    assert missed.startswith("No two generators or styles have AI works enough")
    assert len(worst_in_words(group_metrics(works(("ai", "sd", "oil", 3, 3))), "test")) == 1
    clean = works(*[(label, label, look, 40, 40) for label in ("human", "ai") for look in "ab"])
    assert worst_in_words(group_metrics(clean), "test") == [
        "In none of the 2 styles that are large enough was a human work called AI.",
        "In none of the 2 cells that are large enough was an AI work missed.",
    ]


def test_the_page_shows_cells_intervals_and_the_users_own_split(make_run, tmp_path: Path) -> None:
    run = make_run(tmp_path, predicted=pd.concat([works(*TWO), works(("ai", "<new>", "oil", 10, 40), split="unseen")]))
    html = write_page(run).read_text(encoding="utf-8")
    section = html[html.index('<h2 id="cells">') : html.index('<h2 id="mistakes">')]
    assert "People are wrongly accused most in the style ink" in section
    assert "The split unseen" in section
    assert "&lt;new&gt;" in section
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr.*?</tr>", section)]
    assert ["human", "people", "100", "95.0%", "89–98%", "–"] in rows
    assert ["<new>", "AI", "40", "25.0%", "14–40%", "–"] in [
        [w.replace("&lt;", "<").replace("&gt;", ">") for w in r] for r in rows
    ]
    assert 'style="margin-left: 88.8%; width: 9.0%"' in section  # the bar of 95 of 100: 0.888 to 0.978
    tiles = html[html.index('class="tiles"') : html.index("<nav")]
    assert "95%: 2–11%<br>false accusations: 5 of 100" in tiles  # Wilson's interval of 5 of 100
    assert tiles.count("95%: ") == 5


def test_small_rows_are_grey_and_a_long_table_is_cut(make_run, tmp_path: Path) -> None:
    table = works(*[("ai", "sd", f"style_{i:02d}", i, i) for i in range(1, 46)], ("human", "human", "style_45", 30, 30))
    run = make_run(tmp_path, predicted=table)
    (judged,) = read_cells(run, ["test", "unseen"])
    assert judged["left_out"] == 5
    assert [row["style"] for row in judged["styles"]] == [f"style_{i:02d}" for i in range(6, 46)]
    html = write_page(run).read_text(encoding="utf-8")
    assert html.count('<tr class="few">') == sum(row["too_small"] for row in judged["styles"]) > 0
    assert "5 of the smallest are left out here; cells.csv holds all." in html


def test_a_run_without_cells_says_so(make_run, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run / "cells.csv").unlink()
    assert "No cells.csv in the run folder" in write_page(run).read_text(encoding="utf-8")
    (run / "cells.csv").write_text("split,cell\ntest,split\n")
    with pytest.raises(ArtclfError, match="has no column generator"):
        write_page(run)
