"""Finished runs, read to be compared: the same test pictures in the same order, or a refusal that says what differs."""

import filecmp
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from artclf.errors import ArtclfError
from artclf.evaluation.metrics import THRESHOLD, binary_metrics
from artclf.evaluation.types import Booleans, Floats
from artclf.report import format as fmt
from artclf.run_folder import read_metrics, read_table

_NAMED = 3  # pictures that a refusal names of each kind
_OPENED = 64  # pictures whose bytes are compared where runs read them from different folders


@dataclass(frozen=True)
class JudgedRun:
    """A finished run and what it said of each test picture.

    Attributes:
        name: short, and no other run's.
        folder: the run folder.
        metrics: its metrics.json.
        overrides: what its command said, without the seed and what concerns Hydra alone; None where that was not recorded.
        paths: [N] the test pictures, sorted, relative to the data's root.
        is_ai: [N] the truth.
        p_ai: [N] the probability of AI.
    """

    name: str
    folder: Path
    metrics: Mapping[str, Any]
    overrides: tuple[str, ...] | None
    paths: npt.NDArray[np.object_]
    is_ai: Booleans
    p_ai: Floats

    @property
    def called_ai(self) -> Booleans:
        """[N] the verdicts."""
        return self.p_ai >= THRESHOLD

    @property
    def right(self) -> Booleans:
        """[N] whether each verdict is."""
        right: Booleans = self.called_ai == self.is_ai
        return right

    @property
    def seed(self) -> str:
        """The seed, "" where it was not recorded."""
        return str(self.metrics.get("seed", ""))

    @property
    def root(self) -> str:
        """The folder that the pictures were read from, "" where it was not recorded."""
        return str((self.metrics.get("data") or {}).get("root") or "")

    @cached_property
    def figures(self) -> dict[str, Any]:
        """The figures of the test pictures, from predictions.csv, so that all of a comparison rests on the same verdicts."""
        return binary_metrics(self.is_ai, self.p_ai)

    def alike(self, other: "JudgedRun") -> bool:
        """Whether both are of one setting, the seed aside."""
        return self.overrides is not None and other.overrides is not None and set(self.overrides) == set(other.overrides)


def read_judged(runs: Sequence[Path], folder: Path) -> list[JudgedRun]:
    """Read finished runs that are to be compared.

    Args:
        runs: their folders.
        folder: where the comparison goes; runs below it are named by their path from there.

    Raises:
        ArtclfError: where a run has not finished or holds no verdicts on test pictures, and where the runs were tested on
            different pictures: by path, by label, or, where they read them from different folders that are still there, by
            the bytes of the files.
    """
    judged = [_read(run, name) for run, name in zip(runs, _names(runs, folder), strict=True)]
    _refuse_other_pictures(judged)
    _refuse_other_files(judged)
    return judged


def other_folders(runs: Sequence[JudgedRun]) -> list[str]:
    """Return the folders that runs read their pictures from, where these are several; else nothing."""
    roots = list(dict.fromkeys(run.root for run in runs if run.root))
    return roots if len(roots) > 1 else []


def _names(runs: Sequence[Path], folder: Path) -> list[str]:
    """The shortest ends of the runs' paths that tell all of them apart; paths from the comparison's folder below it."""
    folder, whole = folder.resolve(), [run.resolve() for run in runs]
    if all(run.is_relative_to(folder) and run != folder for run in whole):
        return [run.relative_to(folder).as_posix() for run in whole]
    for parts in range(1, max(len(run.parts) for run in whole)):
        names = [Path(*run.parts[-parts:]).as_posix() for run in whole]
        if len(set(names)) == len(names):
            return names
    return [str(run) for run in whole]


def _read(run: Path, name: str) -> JudgedRun:
    metrics = read_metrics(run)
    file = run / "predictions.csv"
    predictions = read_table(file, text=("path", "label", "split"), numbers=("p_ai",))
    if predictions is None:
        raise ArtclfError(f"{run}: no predictions.csv, so on which test pictures the run was judged is not known")
    test = predictions[predictions["split"] == "test"].sort_values("path", kind="stable")
    if not len(test):
        raise ArtclfError(f"{file}: holds no picture of the split test; a comparison needs runs that were tested")
    odd = test[~test["label"].isin(["ai", "human"]) | ~test["p_ai"].between(0, 1)]
    if len(odd):
        row = odd.iloc[0]
        got = f"got the label {row['label']!r} and the p_ai {row['p_ai']:g}"
        raise ArtclfError(f"{file}: {row['path']}: {got}; a label is ai or human, and p_ai lies in 0..1")
    command = metrics.get("command")
    overrides = None if command is None else _overrides(str(command))
    is_ai, p_ai = (test["label"] == "ai").to_numpy(dtype=bool), test["p_ai"].to_numpy(dtype=float)
    return JudgedRun(name, run, metrics, overrides, test["path"].to_numpy(dtype=object), is_ai, p_ai)


def _overrides(command: str) -> tuple[str, ...]:
    """What a command says after its script's name, without options, the seed and what concerns Hydra alone."""
    said = [word for word in shlex.split(command) if "=" in word or word.startswith("~")]
    return tuple(word for word in said if not word.startswith(("-", "hydra", "seed=")))


def _refuse_other_pictures(runs: Sequence[JudgedRun]) -> None:
    groups: list[list[JudgedRun]] = []
    for run in runs:
        for group in groups:
            if _same(run, group[0]):
                group.append(run)
                break
        else:
            groups.append([run])
    if len(groups) == 1:
        return
    groups.sort(key=len, reverse=True)  # what most runs have is what the others are held against
    lines = [
        f"{fmt.plural(len(group[0].paths), 'test picture')}: {', '.join(str(run.folder) for run in group)}" for group in groups
    ]
    lines += [
        f"{group[0].folder} against {groups[0][0].folder}: {_what_differs(group[0], groups[0][0])}" for group in groups[1:]
    ]
    raise ArtclfError("\n".join(["these runs were tested on different pictures, so their figures can't be compared:", *lines]))


def _same(one: JudgedRun, other: JudgedRun) -> bool:
    return np.array_equal(one.paths, other.paths) and np.array_equal(one.is_ai, other.is_ai)


def _what_differs(one: JudgedRun, other: JudgedRun) -> str:
    mine, theirs = (pd.Series(run.is_ai, index=run.paths) for run in (one, other))
    shared = mine.index.intersection(theirs.index)
    labels = shared[(mine[~mine.index.duplicated()][shared] != theirs[~theirs.index.duplicated()][shared])]
    parts = [
        f"{fmt.plural(len(paths), 'picture')} {what} ({_some(list(paths))})"
        for paths, what in (
            (mine.index.difference(theirs.index), "more"),
            (theirs.index.difference(mine.index), "fewer"),
            (labels, "with another label"),
        )
        if len(paths)
    ]
    return ", ".join(parts) or "some pictures stand there more than once"


def _some(paths: Sequence[str]) -> str:
    return ", ".join(paths[:_NAMED]) + (", …" if len(paths) > _NAMED else "")


def _refuse_other_files(runs: Sequence[JudgedRun]) -> None:
    """Refuse pictures of one name and different bytes, as far as the folders are there to look into.

    metrics.json's hash of the manifest is one of paths and labels, and of train too: it can't tell.
    """
    folders: dict[str, JudgedRun] = {}
    for run in runs:
        if run.root and Path(run.root).is_dir():
            folders.setdefault(run.root, run)
    if len(folders) < 2:
        return
    (root, first), *others = folders.items()
    chosen = first.paths[np.unique(np.linspace(0, len(first.paths) - 1, _OPENED).astype(int))]
    for other_root, other in others:
        for path in chosen:
            one, two = Path(root, path), Path(other_root, path)
            if one.is_file() and two.is_file() and not filecmp.cmp(one, two, shallow=False):
                raise ArtclfError(
                    f"{other.folder} and {first.folder} were tested on different pictures of the same names, so their figures "
                    f"can't be compared: {path} is not the same file in {other_root} as in {root}"
                )


def read_history(run: Path) -> pd.DataFrame:
    """Read a run's metrics.csv, an epoch a row; empty where there is none."""
    table = read_table(run / "metrics.csv")
    if table is None:
        return pd.DataFrame()
    numbers = read_table(run / "metrics.csv", numbers=tuple({"epoch", *table.columns} - {"stage"}))
    return pd.DataFrame() if numbers is None else numbers
