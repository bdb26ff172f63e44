"""What was measured, kept in results.json from run to run, so that a row which was not run again stays as it stood.

results.json is what counts; RESULTS.md is written from it (`benchmarks.page`).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.spread import Spread, number

Sign = Literal["≥", "≤", "<"]


class SkippedError(Exception):
    """A row can't be measured here; the message says why."""


@dataclass(frozen=True)
class Target:
    """What a figure should reach: at least, at most, or less than a limit."""

    sign: Sign
    limit: float

    def reached(self, value: float) -> bool:
        """Whether a value does."""
        match self.sign:
            case "≥":
                return value >= self.limit
            case "≤":
                return value <= self.limit
            case "<":
                return value < self.limit

    def text(self, unit: str) -> str:
        """As in "≥ 2.5×"."""
        return f"{self.sign} {number(self.limit).rstrip('0').rstrip('.') if self.limit < 100 else number(self.limit)}{unit}"


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
        return "reached" if self.target.reached(self.value.median) else "not reached"

    def line(self) -> str:
        """For the terminal."""
        promised = f"  [{self.target.text(self.unit)}: {self.verdict}]" if self.target else ""
        sides = f"  {self.artclf} against {self.against}" if self.against else f"  {self.artclf}" if self.artclf else ""
        return f"{self.what}: {self.value.text(self.unit)}{promised}{sides}"


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

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Measured":
        """What `to_json` gave."""
        found = content["findings"]
        figures = [
            Figure(**{**figure, "value": Spread(**figure["value"]), "target": figure["target"] and Target(**figure["target"])})
            for figure in found["figures"]
        ]
        return cls(**{**content, "findings": Findings(figures, list(found["notes"]))})


def load(file: Path) -> dict[str, Measured]:
    """The rows of a results.json; none where there is no such file."""
    if not file.exists():
        return {}
    content = json.loads(file.read_text(encoding="utf-8"))
    return {name: Measured.from_json(row) for name, row in content.items()}


def save(file: Path, rows: Mapping[str, Measured]) -> None:
    """Write a results.json."""
    content = {name: row.to_json() for name, row in rows.items()}
    new = file.with_name(f"{file.name}.new")
    new.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    new.replace(file)


def merge(old: Mapping[str, Measured], new: Mapping[str, Measured]) -> dict[str, Measured]:
    """The old rows with the new ones in their place; a row without figures takes the place of no row that has some."""
    return {
        **old,
        **{name: row for name, row in new.items() if row.findings.figures or name not in old or not old[name].findings.figures},
    }
