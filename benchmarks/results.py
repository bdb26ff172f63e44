"""What was measured, kept in results.json; RESULTS.md is written from it. A row that is not run again stays as it was."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from operator import ge, le, lt
from pathlib import Path
from statistics import median
from timeit import timeit
from typing import Any, TypeVar

T = TypeVar("T")
SIGNS = {"≥": ge, "≤": le, "<": lt}
HEAD = """\
<!-- Written by `python -m benchmarks` from results.json; edits by hand are lost. -->

# Measured speed and memory

`python -m benchmarks` measures every row and writes this page; `--only NAME,…` measures some rows and leaves the others as they
are, each with its own date. `--list` shows all rows and how long each takes. `--only gpu` measures those of a GPU, one round
each, sized for 6 minutes on an H100 with 16 cores; without a GPU they are skipped, but with `--quick` they run on the CPU.

The sides of a comparison run in turn. A figure is the median over the rounds, with the lowest and the highest in brackets; a
ratio is taken within each round. Both peers are scripts in `benchmarks/peers`: *plain Lightning*, as a competent user writes it
without artclf, and the *bare loop*, PyTorch alone in the best precision with every image ready in memory, which is the limit.

| row | figure | measured | target | | of | when, where |
|---|---|---|---|---|---|---|
"""


class SkippedError(Exception):
    """A row can't be measured here; the message says why."""


def number(value: float) -> str:
    """Two decimals below 10, one below 100, none above."""
    return f"{value:,.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"


def spread(values: Sequence[float], unit: str = "") -> str:
    """The median and the range, as in "4.20 s (4.10–4.40)"."""
    shown = f"{number(median(values))}{unit}"
    return shown if len(values) == 1 else f"{shown} ({number(min(values))}–{number(max(values))})"


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """The ratio of each pair: what slows a whole round cancels out."""
    return [a / b for a, b in zip(above, below, strict=True)]


def interleaved(repeat: int, **sides: Callable[[], T]) -> dict[str, list[T]]:
    """Measure the sides in turn, every other round in the opposite order; for each side its results by round."""
    found: dict[str, list[T]] = {name: [] for name in sides}
    for turn in range(repeat):
        for name in list(sides)[:: -1 if turn % 2 else 1]:
            found[name].append(sides[name]())
    return found


def timed(repeat: int, number: int, **sides: Callable[[], object]) -> dict[str, list[float]]:
    """Seconds of so many calls of each side, by round; the sides are called in turn, and once before, to warm up."""
    timers = {name: partial(timeit, side, number=number) for name, side in sides.items()}
    interleaved(1, **timers)
    return interleaved(repeat, **timers)


@dataclass(frozen=True)
class Figure:
    """A line of the table."""

    what: str
    values: list[float]  # one of each round
    unit: str = ""  # written right behind the value: "×", " s", " MB"
    target: str = ""  # what the median should reach, as in "≥ 25"; "": nothing was promised
    sides: str = ""  # what was compared

    @property
    def verdict(self) -> str:
        """Whether the median reaches the target."""
        if not self.target:
            return ""
        sign, limit = self.target.split()
        return "reached" if SIGNS[sign](median(self.values), float(limit)) else "not reached"

    @classmethod
    def ratio(cls, what: str, above: Sequence[float], below: Sequence[float], unit: str, target: str = "") -> "Figure":
        """How many times one side is the other, by round; both are named in their unit."""
        return cls(what, ratios(above, below), "×", target, f"{spread(above, unit)} against {spread(below, unit)}")

    def cells(self) -> list[str]:
        """What, measured, target, verdict, sides."""
        target = f"{self.target}{self.unit}" if self.target else ""
        return [self.what, spread(self.values, self.unit), target, self.verdict, self.sides]


@dataclass(frozen=True)
class Measured:
    """A row in results.json: its figures and notes, or why there are none, and with what it was measured."""

    figures: list[Figure]
    notes: list[str] = field(default_factory=list)
    why_not: str = ""
    date: str = ""
    where: str = ""  # machine and versions
    commit: str = ""
    command: str = ""
    seconds: float = 0


def load(file: Path) -> dict[str, Measured]:
    """The rows of a results.json; none where there is no such file."""
    rows: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return {name: Measured(**{**row, "figures": [Figure(**each) for each in row["figures"]]}) for name, row in rows.items()}


def save(folder: Path, new: Mapping[str, Measured], titles: Mapping[str, str]) -> None:
    """Put rows into results.json, and write RESULTS.md; a row without figures replaces no row that has some."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = load(folder / "results.json")
    rows |= {name: row for name, row in new.items() if row.figures or name not in rows or not rows[name].figures}
    content = json.dumps({name: asdict(row) for name, row in rows.items()}, indent=1, ensure_ascii=False)
    (folder / "results.json").write_text(f"{content}\n", encoding="utf-8")
    (folder / "RESULTS.md").write_text(page(rows, titles), encoding="utf-8")


def page(rows: Mapping[str, Measured], titles: Mapping[str, str]) -> str:
    """RESULTS.md, with the rows in the order of their titles."""
    rows = {name: rows[name] for name in titles if name in rows}
    marks = {where: chr(65 + index) for index, where in enumerate(dict.fromkeys(row.where for row in rows.values()))}
    table, about = [], []
    for name, row in rows.items():
        when = f"{row.date}, {marks[row.where]}"
        cells = [figure.cells() for figure in row.figures] or [["–", row.why_not, "", "", ""]]
        table += [f"| {' | '.join([f'[{name}](#{name})', *line, when])} |" for line in cells]
        about += [f"\n### {name}\n\n{titles[name]}\n", *(f"- {note}" for note in row.notes)]
        about.append(f"- measured on {when}, commit {row.commit}, in {row.seconds:.0f} s: `{row.command}`")
    places = [f"- **{mark}**: {where}" for where, mark in marks.items()]
    return HEAD + "\n".join([*table, "\n## Where\n", *places, *about, ""])
