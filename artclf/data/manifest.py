"""The table of images: the only thing that knows about folders. A source makes one; all else asks it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from artclf.errors import ArtclfError

COLUMNS = ("path", "label", "generator", "style", "split")
SHA256 = "sha256"  # the column of the files' hashes, which a run's manifest has besides
LABELS = ("ai", "human")
TARGETS = {"ai": 0, "human": 1}  # as the seed study encoded them
HUMAN = "human"  # the "generator" of human works


@dataclass(frozen=True)
class Manifest:
    """Which images there are, and what is known of each.

    Attributes:
        root: the folder that paths are relative to, an absolute path.
        table: a row an image, with the columns `path` (relative to `root`, with /), `label` ("ai" or "human"), `generator`
            ("human" for human works), `style`, and `split` ("train", "val", "test", another name, or "" where the source
            leaves it open); in a run, also `sha256`, the hash of the file's bytes, 64 hexadecimal digits.
    """

    root: Path
    table: pd.DataFrame

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.root.absolute())  # what is written down is read from elsewhere

    @classmethod
    def of(cls, root: Path, rows: Sequence[Mapping[str, str]] | Mapping[str, Sequence[str]]) -> "Manifest":
        """Make a manifest of rows (or of whole columns, which is quicker), in the order of their paths.

        Raises:
            ArtclfError: for a label that is neither ai nor human, and where there are no rows.
        """
        table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=str).sort_values("path", kind="stable")
        if table.empty:
            raise ArtclfError(f"{root}: no pictures found; allowed are JPEG, PNG, WebP, GIF, BMP and TIFF files")
        unknown = table[~table["label"].isin(LABELS)]
        if len(unknown):
            first = unknown.iloc[0]
            raise ArtclfError(
                f"{root / first['path']}: got the label {first['label']!r} ({len(unknown)} such rows); allowed: ai, human"
            )
        return cls(root, table.reset_index(drop=True))

    @classmethod
    def of_folders(cls, root: Path, folders: Iterable[tuple[Sequence[str], Mapping[str, str]]]) -> "Manifest":
        """Make a manifest of folders, in the order of the paths.

        Args:
            root: the folder that paths are relative to.
            folders: for each, the paths in it, and what all of them have in common: label, generator, style and split.

        Raises:
            ArtclfError: as `of`.
        """
        columns: dict[str, list[str]] = {name: [] for name in COLUMNS}
        for paths, common in folders:
            columns["path"] += paths
            for name, value in common.items():
                columns[name] += [value] * len(paths)
        return cls.of(root, columns)

    @cached_property
    def sha256(self) -> str:
        """The hash of the table: the same for the same pictures in the same splits, wherever their folder lies."""
        return hashlib.sha256(self.to_csv().encode()).hexdigest()

    def to_csv(self) -> str:
        """The table as text, the columns in their order."""
        columns = [*COLUMNS, *({SHA256} & {*self.table.columns})]
        text: str = self.table.to_csv(index=False, columns=columns, lineterminator="\n")
        return text

    def targets(self, split: str) -> npt.NDArray[np.int64]:
        """The encoded labels of one split, [N]: 0 = AI, 1 = human."""
        return np.array([TARGETS[label] for label in self.split(split)["label"]], dtype=np.int64)

    def split(self, name: str) -> pd.DataFrame:
        """The rows of one split, numbered as in the whole table."""
        return self.table[self.table["split"] == name]

    @property
    def evaluated(self) -> list[str]:
        """The splits that a model is tested on: all but train, with val and test first."""
        names = [name for name in self.table["split"].unique() if name != "train"]
        return sorted(names, key=lambda name: ({"test": 0, "val": 1}.get(name, 2), name))

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Number of images by split, label and generator."""
        counts: dict[str, dict[str, dict[str, int]]] = {}
        for (split, label, generator), rows in self.table.groupby(["split", "label", "generator"]):
            counts.setdefault(str(split), {}).setdefault(str(label), {})[str(generator)] = len(rows)
        return counts
