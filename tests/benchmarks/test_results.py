from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.results import Figure, Findings, Measured, Spread, Target, interleaved, load, merge, page, ratios, save

FASTER = Figure("job, times faster", Spread(24.0, 22.0, 27.0, 3), "×", Target("≥", 25), "40.0 s", "plain: 960 s")
ABSOLUTE = Figure("help", Spread(0.2, 0.2, 0.2, 1), " s", Target("<", 0.5))
BARE = Figure("without a target", Spread(3.0, 3.0, 3.0, 1), " MB")


def row(*figures: Figure, date: str = "2026-01-02", why_not: str = "", machine: str = "a box, 2 cores") -> Measured:
    about = {"machine": machine, "versions": "torch 2.11", "commit": "abc", "command": "python -m benchmarks", "seconds": 100.0}
    return Measured(Findings(list(figures), ["how it was done"]), why_not, date, **about)  # type: ignore[arg-type]


def test_a_spread_is_the_median_between_the_lowest_and_the_highest() -> None:
    assert Spread.of([3.0, 1.0, 2.5]) == Spread(2.5, 1.0, 3.0, 3)
    assert Spread.of([3.0, 1.0, 2.5]).text(" s") == "2.50 s (1.00–3.00)"
    assert Spread.of([12.34]).text("×") == "12.3×"


def test_ratios_are_taken_within_each_pair() -> None:
    # both sides were slow in the second round: the ratio does not see it
    assert ratios([10.0, 30.0, 11.0], [5.0, 15.0, 5.5]) == Spread(2.0, 2.0, 2.0, 3)
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


def test_sides_take_turns_at_being_first() -> None:
    order: list[str] = []
    interleaved(3, a=lambda: order.append("a"), b=lambda: order.append("b"))
    assert order == ["a", "b", "b", "a", "a", "b"]


@pytest.mark.parametrize(
    ("sign", "limit", "value", "reached"),
    [("≥", 2.5, 2.5, True), ("≥", 2.5, 2.49, False), ("≤", 1.5, 1.5, True), ("≤", 1.5, 1.51, False), ("<", 3, 3.0, False)],
)
def test_the_median_reaches_a_target_or_not(sign: str, limit: float, value: float, reached: bool) -> None:
    figure = replace(BARE, value=Spread(value, 0.0, 9.0, 3), target=Target(sign, limit))  # type: ignore[arg-type]
    assert figure.verdict == ("reached" if reached else "not reached")


def test_a_figure_as_a_line() -> None:
    assert FASTER.line() == "job, times faster: 24.0× (22.0–27.0)  [≥ 25×: not reached]  40.0 s against plain: 960 s"
    assert [Target("≥", limit).text("×") for limit in (2.5, 0.95, 30, 100)] == ["≥ 2.5×", "≥ 0.95×", "≥ 30×", "≥ 100×"]


def test_rows_that_were_not_run_stay_and_failures_take_no_figures_away(tmp_path: Path) -> None:
    old = {"job": row(FASTER), "help": row(ABSOLUTE, BARE)}
    skipped = row(date="2026-02-03", why_not="skipped: no GPU here")
    merged = merge(old, {"help": row(ABSOLUTE, date="2026-02-03"), "job": skipped, "gpu": skipped})
    assert merged == {"job": old["job"], "help": row(ABSOLUTE, date="2026-02-03"), "gpu": skipped}
    save(tmp_path, merged, {})
    assert load(tmp_path / "results.json") == merged
    assert load(tmp_path / "other.json") == {}


def test_the_page_has_a_line_for_each_figure_and_says_where_it_was_measured() -> None:
    rows = {
        "help": row(ABSOLUTE, BARE, date="2026-02-03", machine="another box"),
        "job": row(FASTER),
        "gpu": row(why_not="skipped: no GPU here"),
        "retired": row(BARE),
    }
    text = page(rows, {"job": "What the job takes.", "gpu": "On a GPU.", "help": "Help | quickly."})
    assert [line for line in text.splitlines() if line.startswith("|")][2:] == [
        "| [job](#job) | job, times faster | 40.0 s | plain: 960 s | 24.0× (22.0–27.0) | ≥ 25× | **not reached** "
        "| 2026-01-02, A |",
        "| [gpu](#gpu) | – | – | – | – | – | skipped: no GPU here | 2026-01-02 |",
        "| [help](#help) | help | – | – | 0.20 s | < 0.5 s | **reached** | 2026-02-03, B |",
        "|  | without a target | – | – | 3.00 MB | – | – | 2026-02-03, B |",
        "| [retired](#retired) | without a target | – | – | 3.00 MB | – | – | 2026-01-02, A |",
    ]
    assert "- **B**: another box; torch 2.11" in text
    assert "### job\n\nWhat the job takes.\n\n- how it was done\n- measured on 2026-01-02" in text
    assert "Not measured (2026-01-02): skipped: no GPU here." in text
