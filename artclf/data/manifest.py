"""The table of images. A source makes it from files; all else reads it and knows nothing of folders."""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from artclf.data.files import FORMATS
from artclf.errors import ArtclfError, is_printable, printable

log = logging.getLogger(__name__)

COLUMNS = ("path", "label", "generator", "style", "split")
OPTIONAL = ("source", "year")  # where an image came from (a dataset, a site, a scanner), and the year it was made in
SHA256 = "sha256"  # a further column in a run's manifest: the hash of each file's bytes, hexadecimal
LABELS = ("ai", "human")
HUMAN = "human"  # the "generator" of human images, and of no others
BAD_NAME = "its name is not UTF-8, or holds a line break or another control character; rename it"


@dataclass(frozen=True)
class Manifest:
    """Which images there are, and what is known of each.

    The column `path` is relative to the root, with /; `label` is "ai" or "human"; `generator` is "human" for human images;
    `split` is "train", "val", "test", another name, or "" where the source leaves it open. `source` and `year`, texts that may
    be empty, are there where the source gives them.
    """

    root: Path  # made absolute: the table is written down and read from elsewhere
    table: pd.DataFrame  # a row for each image, with COLUMNS, and maybe OPTIONAL; in a run also SHA256
    # images whose names can't be written into tables: a row for each, with COLUMNS, the names escaped, and a `reason`
    rejected: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*COLUMNS, "reason"], dtype=str))

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.root.absolute())

    @classmethod
    def of(cls, root: Path, rows: Iterable[tuple[str, ...]], columns: Sequence[str] = COLUMNS) -> "Manifest":
        """Make a manifest of rows, sorted by path; `columns` are COLUMNS, and maybe some of OPTIONAL.

        A generator of AI images that is called human is renamed.

        Raises:
            ArtclfError: for an unknown label, and where there are no rows.
        """
        good: list[tuple[str, ...]] = []
        bad: list[tuple[str, ...]] = []
        for row in rows:
            (good if all(map(is_printable, row)) else bad).append(row)
        table = pd.DataFrame(good, columns=list(columns), dtype=str).sort_values("path", kind="stable", ignore_index=True)
        if table.empty:
            hint = f" (of {len(bad)} files: {BAD_NAME})" if bad else ""
            allowed = f"allowed are files of these formats: {FORMATS}"
            raise ArtclfError(f"{printable(str(root))}: no images found{hint}; {allowed}")
        unknown = table[~table["label"].isin(LABELS)]
        if len(unknown):
            path, label = unknown.iloc[0][["path", "label"]]
            raise ArtclfError(f"{root / path}: got the label {label!r} ({len(unknown)} such rows); allowed: ai, human")
        namesakes = (table["label"] == "ai") & (table["generator"].str.lower() == HUMAN)
        if namesakes.any():
            log.warning("%d AI images are of a generator called human: here it is called human (generator)", namesakes.sum())
            table["generator"] = table["generator"].mask(namesakes, f"{HUMAN} (generator)")
        rejected = [(*map(printable, row[: len(COLUMNS)]), BAD_NAME) for row in sorted(bad)]
        return cls(root, table, pd.DataFrame(rejected, columns=[*COLUMNS, "reason"], dtype=str))

    @cached_property
    def sha256(self) -> str:
        """The hash of the table: the same for the same images in the same splits, wherever their folder lies."""
        return hashlib.sha256(self.to_csv().encode()).hexdigest()

    def to_csv(self) -> str:
        """The table as CSV text, the columns in their order."""
        columns = [*columns_of(self.table), *([SHA256] if SHA256 in self.table else [])]
        return str(self.table.to_csv(index=False, columns=columns, lineterminator="\n"))

    def split(self, name: str) -> pd.DataFrame:
        """The rows of one split, numbered as in the whole table."""
        return self.table[self.table["split"] == name]

    @property
    def evaluated(self) -> list[str]:
        """The splits that a model is tested on: all but train, with test and val first."""
        names = [name for name in self.table["split"].unique() if name != "train"]
        return sorted(names, key=lambda name: ({"test": 0, "val": 1}.get(name, 2), name))

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Number of images by split, label and generator."""
        counts: dict[str, dict[str, dict[str, int]]] = {}
        for (split, label, generator), rows in self.table.groupby(["split", "label", "generator"]):
            counts.setdefault(str(split), {}).setdefault(str(label), {})[str(generator)] = len(rows)
        return counts


def columns_of(table: pd.DataFrame) -> list[str]:
    """COLUMNS, and those of OPTIONAL that a table has."""
    return [*COLUMNS, *(column for column in OPTIONAL if column in table)]


def families(generators: "pd.Series[str]") -> "pd.Series[str]":
    """The family of each generator: stable_diffusion of stable_diffusion/cfg1. A generator without variants is its own."""
    return generators.str.partition("/")[0].str.strip()


def is_ai(table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """The target of each image of a manifest's table, [N]: 1 = AI, 0 = human."""
    return np.array(table["label"] == "ai", dtype=np.int64)
