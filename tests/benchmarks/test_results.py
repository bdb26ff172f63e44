from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.page import page
from benchmarks.results import Figure, Findings, Measured, Target, load, merge, save
from benchmarks.spread import Spread

FASTER = Figure("job, times faster", Spread(24.0, 22.0, 27.0, 3), "×", Target("≥", 25), "40.0 s", "plain: 960 s")
ABSOLUTE = Figure("help", Spread(0.2, 0.2, 0.2, 1), " s", Target("<", 0.5))
BARE = Figure("only told", Spread(3.0, 3.0, 3.0, 1), " MB")


def row(*figures: Figure, date: str = "2026-01-02", why_not: str = "", machine: str = "a box, 2 cores") -> Measured:
    return Measured(
        findings=Findings(list(figures), ["how it was done"]),
        why_not=why_not,
        date=date,
        machine=machine,
        versions="torch 2.11",
        commit="abc",
        command="python -m benchmarks",
        seconds=100.0,
    )


@pytest.mark.parametrize(
    ("sign", "value", "reached"),
    [("≥", 2.5, True), ("≥", 2.49, False), ("≤", 1.5, True), ("≤", 1.51, False), ("<", 3.0, False), ("<", 2.99, True)],
)
def test_a_target_is_reached_or_not(sign: str, value: float, reached: bool) -> None:
    limit = {"≥": 2.5, "≤": 1.5, "<": 3.0}[sign]
    assert Target(sign, limit).reached(value) is reached  # type: ignore[arg-type]


def test_the_median_is_judged() -> None:
    assert FASTER.verdict == "not reached"
    assert replace(FASTER, value=Spread(26.0, 22.0, 27.0, 3)).verdict == "reached"
    assert BARE.verdict == "–"
    assert FASTER.line() == "job, times faster: 24.0× (22.0–27.0)  [≥ 25×: not reached]  40.0 s against plain: 960 s"


@pytest.mark.parametrize(
    ("limit", "text"), [(25, "≥ 25×"), (2.5, "≥ 2.5×"), (0.95, "≥ 0.95×"), (3, "≥ 3×"), (100, "≥ 100×"), (30, "≥ 30×")]
)
def test_a_target_is_told_without_idle_digits(limit: float, text: str) -> None:
    assert Target("≥", limit).text("×") == text


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    rows = {"job": row(FASTER), "help": row(ABSOLUTE, BARE), "gpu": row(why_not="skipped: no GPU here")}
    save(tmp_path / "results.json", rows)
    assert load(tmp_path / "results.json") == rows
    assert load(tmp_path / "other.json") == {}


def test_rows_that_were_not_run_stay_as_they_stood() -> None:
    old = {"job": row(FASTER), "help": row(ABSOLUTE)}
    merged = merge(old, {"help": row(ABSOLUTE, date="2026-02-03")})
    assert {name: one.date for name, one in merged.items()} == {"job": "2026-01-02", "help": "2026-02-03"}


def test_a_row_that_could_not_be_measured_takes_no_figures_away() -> None:
    skipped = row(date="2026-02-03", why_not="skipped: no GPU here")
    assert merge({"gpu": row(BARE)}, {"gpu": skipped})["gpu"].findings.figures == [BARE]
    assert merge({"gpu": row(why_not="failed: x")}, {"gpu": skipped})["gpu"] == skipped
    assert merge({}, {"gpu": skipped})["gpu"] == skipped


def test_the_page_has_a_line_for_each_figure_and_says_where_it_was_measured() -> None:
    rows = {
        "help": row(ABSOLUTE, BARE, date="2026-02-03", machine="another box"),
        "job": row(FASTER),
        "gpu": row(why_not="skipped: no GPU here"),
        "retired": row(BARE),
    }
    titles = {"job": "What the job takes.", "gpu": "On a GPU.", "help": "Help | quickly."}
    text = page(rows, titles)
    table = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert table == [
        "| [job](#job) | job, times faster | 40.0 s | plain: 960 s | 24.0× (22.0–27.0) | ≥ 25× | **not reached** "
        "| 2026-01-02, A |",
        "| [gpu](#gpu) | – | – | – | – | – | skipped: no GPU here | 2026-01-02 |",
        "| [help](#help) | help | – | – | 0.20 s | < 0.5 s | **reached** | 2026-02-03, B |",
        "|  | only told | – | – | 3.00 MB | – | – | 2026-02-03, B |",
        "| [retired](#retired) | only told | – | – | 3.00 MB | – | – | 2026-01-02, A |",
    ]
    assert "- **A**: a box, 2 cores; torch 2.11" in text
    assert "- **B**: another box; torch 2.11" in text
    assert "### job\n\nWhat the job takes.\n\n- how it was done\n- measured on 2026-01-02" in text
    assert "Not measured (2026-01-02): skipped: no GPU here." in text
