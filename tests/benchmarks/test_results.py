from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.results import Figure, Measured, interleaved, load, page, ratios, save, spread

FASTER = Figure("job, times faster", [24.0, 22.0, 27.0], "×", "≥ 25", "40.0 s against 960 s")
HELP = Figure("help", [0.2], " s", "< 0.5")


def row(*figures: Figure, date: str = "2026-01-02", why_not: str = "", where: str = "a box, 2 cores") -> Measured:
    return Measured(list(figures), ["how it was done"], why_not, date, where, "abc", "python -m benchmarks", 100.0)


def test_a_spread_is_the_median_and_the_range() -> None:
    assert spread([3.0, 1.0, 2.5], " s") == "2.50 s (1.00–3.00)"
    assert spread([12.34], "×") == "12.3×"


def test_ratios_are_taken_within_each_round() -> None:
    assert ratios([10.0, 30.0, 11.0], [5.0, 15.0, 5.5]) == [2.0, 2.0, 2.0]  # both sides were slow in the second round
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


def test_sides_take_turns_at_being_first() -> None:
    order: list[str] = []
    interleaved(3, a=lambda: order.append("a"), b=lambda: order.append("b"))
    assert order == ["a", "b", "b", "a", "a", "b"]


@pytest.mark.parametrize(
    ("target", "value", "reached"),
    [("≥ 2.5", 2.5, True), ("≥ 2.5", 2.49, False), ("≤ 1.5", 1.5, True), ("≤ 1.5", 1.51, False), ("< 3", 3.0, False)],
)
def test_the_median_reaches_a_target_or_not(target: str, value: float, reached: bool) -> None:
    assert Figure("", [0.0, value, 9.0], "", target).verdict == ("reached" if reached else "not reached")


def test_rows_that_were_not_run_stay_and_failures_replace_no_figures(tmp_path: Path) -> None:
    old, skipped = {"job": row(FASTER), "help": row(HELP)}, row(date="2026-02-03", why_not="skipped: no GPU here")
    save(tmp_path, old, {})
    save(tmp_path, {"help": row(HELP, date="2026-02-03"), "job": skipped, "gpu": skipped}, {})
    assert load(tmp_path / "results.json") == {"job": old["job"], "help": row(HELP, date="2026-02-03"), "gpu": skipped}


def test_the_page_has_a_line_for_each_figure_and_says_where_it_was_measured() -> None:
    rows = {"help": row(HELP, where="another box"), "job": row(FASTER), "gpu": row(why_not="skipped: no GPU here")}
    text = page(rows, {"job": "What the job takes.", "gpu": "On a GPU.", "help": "Help."})
    assert [line for line in text.splitlines() if line.startswith("|")][2:] == [
        "| [job](#job) | job, times faster | 24.0× (22.0–27.0) | ≥ 25× | not reached | 40.0 s against 960 s | 2026-01-02, A |",
        "| [gpu](#gpu) | – | skipped: no GPU here |  |  |  | 2026-01-02, A |",
        "| [help](#help) | help | 0.20 s | < 0.5 s | reached |  | 2026-01-02, B |",
    ]
    assert "- **B**: another box" in text
    assert "### job\n\nWhat the job takes.\n\n- how it was done\n- measured on 2026-01-02" in text


def test_results_in_the_repository_are_those_of_the_page() -> None:
    found = load(command.HERE / "results.json")
    assert (command.HERE / "RESULTS.md").read_text(encoding="utf-8") == page(found, command.TITLES)
    assert all("--quick" not in each.command for each in found.values())
