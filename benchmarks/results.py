"""What was measured: figures, their medians and ratios, kept in results.json, from which RESULTS.md is written.

A row that was not run again stays in results.json as it stood.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from operator import ge, le, lt
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypeVar

T = TypeVar("T")
SIGNS = {"≥": ge, "≤": le, "<": lt}
HEAD = """\
<!-- Written by `python -m benchmarks`; what is changed here by hand is lost. The figures are those of results.json. -->

# What is claimed about speed, measured

`python -m benchmarks` measures every row anew and writes this page; `--only {some}` measures these alone, and leaves the
others as they stand, each with its own date. `--list` tells how long each takes.

The sides of a comparison run in turn, each a process of its own where the row is about a process. A figure is the median over
the rounds, with the lowest and the highest in brackets; a ratio is taken within each round. "Reached" judges the median. Both
peers are scripts in `benchmarks/peers`: *plain Lightning*, as a competent user writes it without artclf, and the *bare loop*,
PyTorch alone in the best precision with every image ready in memory, which is the limit.
"""


class SkippedError(Exception):
    """A row can't be measured here; the message says why."""


def number(value: float) -> str:
    """Two decimals below 10, one below 100, none above."""
    return f"{value:,.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"


@dataclass(frozen=True)
class Spread:
    """The median, the lowest and the highest of some measurements, and how many they were."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of one measurement or more."""
        return cls(median(values), min(values), max(values), len(values))

    def text(self, unit: str = "") -> str:
        """As in "4.20 s (4.10–4.40)"; without the range where there was but one measurement."""
        shown = f"{number(self.median)}{unit}"
        return shown if self.n == 1 else f"{shown} ({number(self.low)}–{number(self.high)})"


def text(values: Sequence[float], unit: str = "") -> str:
    """The spread of some measurements as text."""
    return Spread.of(values).text(unit)


def ratios(above: Sequence[float], below: Sequence[float]) -> Spread:
    """The spread of the ratios within each pair, measured one right after the other: what slows a whole pair cancels out."""
    return Spread.of([a / b for a, b in zip(above, below, strict=True)])


def interleaved(repeat: int, **sides: Callable[[], T]) -> dict[str, list[T]]:
    """Measure the sides in turn, `repeat` times; every other time in the opposite order, so that none always comes first.

    Returns:
        For each side what it gave, in the order of the rounds.
    """
    found: dict[str, list[T]] = {name: [] for name in sides}
    for turn in range(repeat):
        for name in list(sides)[:: -1 if turn % 2 else 1]:
            found[name].append(sides[name]())
    return found


@dataclass(frozen=True)
class Target:
    """What a figure should reach: at least, at most, or less than a limit."""

    sign: Literal["≥", "≤", "<"]
    limit: float

    def text(self, unit: str) -> str:
        """As in "≥ 2.5×"."""
        shown = number(self.limit)
        return f"{self.sign} {shown.rstrip('0').rstrip('.') if '.' in shown else shown}{unit}"


@dataclass(frozen=True)
class Figure:
    """A line of the table.

    Attributes:
        what: in a few words, what the value is.
        value: a ratio, or an absolute number.
        unit: written right behind the value: "×", " s", " MB", "".
        target: what the median should reach, if anything was promised.
        artclf: artclf's side, as text; "" where the value is all.
        against: the other side, as text.
    """

    what: str
    value: Spread
    unit: str
    target: Target | None = None
    artclf: str = ""
    against: str = ""

    @property
    def verdict(self) -> str:
        """reached, not reached, or "–" where nothing was promised."""
        if self.target is None:
            return "–"
        return "reached" if SIGNS[self.target.sign](self.value.median, self.target.limit) else "not reached"

    def line(self) -> str:
        """For the terminal."""
        promised = f"  [{self.target.text(self.unit)}: {self.verdict}]" if self.target else ""
        sides = " against ".join(side for side in (self.artclf, self.against) if side)
        return f"{self.what}: {self.value.text(self.unit)}{promised}  {sides}".rstrip()


@dataclass(frozen=True)
class Findings:
    """What a row found: its figures, and lines on how they came about."""

    figures: list[Figure]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Measured:
    """A row as it stands in results.json.

    Attributes:
        findings: what it found; without figures where it could not be measured.
        why_not: why there are no figures; "" where there are.
        date: YYYY-MM-DD.
        machine, versions, commit, command: with what it was measured.
        seconds: how long the measuring took.
    """

    findings: Findings
    why_not: str
    date: str
    machine: str
    versions: str
    commit: str
    command: str
    seconds: float

    @property
    def where(self) -> str:
        """The machine and its software."""
        return f"{self.machine}; {self.versions}"


def load(file: Path) -> dict[str, Measured]:
    """The rows of a results.json; none where there is no such file."""
    rows: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for row in rows.values():
        figures = [
            Figure(**{**figure, "value": Spread(**figure["value"]), "target": figure["target"] and Target(**figure["target"])})
            for figure in row["findings"]["figures"]
        ]
        row["findings"] = Findings(figures, row["findings"]["notes"])
    return {name: Measured(**row) for name, row in rows.items()}


def save(folder: Path, rows: Mapping[str, Measured], titles: Mapping[str, str]) -> None:
    """Write results.json, and RESULTS.md from it."""
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps({name: asdict(row) for name, row in rows.items()}, indent=1, ensure_ascii=False)
    (folder / "results.json").write_text(f"{content}\n", encoding="utf-8")
    (folder / "RESULTS.md").write_text(page(rows, titles), encoding="utf-8")


def merge(old: Mapping[str, Measured], new: Mapping[str, Measured]) -> dict[str, Measured]:
    """The old rows with the new ones in their place; a row without figures takes the place of no row that has some."""
    return {**old, **{n: row for n, row in new.items() if row.findings.figures or n not in old or not old[n].findings.figures}}


def page(rows: Mapping[str, Measured], titles: Mapping[str, str]) -> str:
    """RESULTS.md.

    Args:
        rows: by name, what was measured.
        titles: by name, what each row means in one line, in the order of the page; rows of other names follow.
    """
    names = [name for name in titles if name in rows] + [name for name in rows if name not in titles]
    machines = dict.fromkeys(rows[name].where for name in names if rows[name].findings.figures)
    marks = {where: chr(ord("A") + index) for index, where in enumerate(machines)}
    lines = [
        HEAD.format(some=",".join(list(titles)[:2])),
        "| row | figure | artclf | against | measured | target | | when, where |",
    ]
    lines += ["|---|---|---|---|---|---|---|---|"]
    lines += [
        f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |" for n in names for cells in _cells(n, rows[n], marks)
    ]
    lines += ["", "## Where", "", *(f"- **{mark}**: {where}" for where, mark in marks.items())]
    for name in names:
        row = rows[name]
        lines += ["", f"### {name}", "", titles.get(name, ""), ""]
        if not row.findings.figures:
            lines.append(f"Not measured ({row.date}): {row.why_not}.")
            continue
        took = f"{row.seconds / 60:.0f} min" if row.seconds >= 90 else f"{row.seconds:.0f} s"
        where = f"machine {marks[row.where]}, commit {row.commit}"
        lines += [f"- {note}" for note in row.findings.notes]
        lines.append(f"- measured on {row.date}, {where}, in {took}: `{row.command}`")
    return "\n".join([*lines, ""])


def _cells(name: str, row: Measured, marks: Mapping[str, str]) -> list[list[str]]:
    """The table's lines on a row."""
    link = f"[{name}](#{name})"
    if not row.findings.figures:
        return [[link, *"–––––", row.why_not, row.date]]
    return [
        [
            "" if index else link,
            figure.what,
            figure.artclf or "–",
            figure.against or "–",
            figure.value.text(figure.unit),
            figure.target.text(figure.unit) if figure.target else "–",
            f"**{figure.verdict}**" if figure.target else "–",
            f"{row.date}, {marks[row.where]}",
        ]
        for index, figure in enumerate(row.findings.figures)
    ]
