"""Finished runs, read to be compared: tested on the same images, or refused with what differs."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pandas as pd

from artclf.data.manifest import SHA256
from artclf.errors import ArtclfError
from artclf.evaluation.metrics import binary_metrics
from artclf.evaluation.types import Booleans, Floats
from artclf.report import format as fmt
from artclf.run_folder import read_metrics, read_table

_NAMED = 3  # images that a refusal names of each kind


@dataclass(frozen=True)
class FinishedRun:
    """A finished run and its scores of the test images."""

    name: str  # short, and no other run's
    folder: Path
    metrics: Mapping[str, Any]  # metrics.json
    overrides: tuple[str, ...] | None  # of its command, without the seed and Hydra's own; None where there is no command
    paths: npt.NDArray[Any]  # [N], the test images, sorted, relative to the data's root
    is_ai: Booleans  # [N]
    p_ai: Floats  # [N]
    sha256: npt.NDArray[Any]  # [N], of the files; "" where the run has not recorded it

    @property
    def root(self) -> str:
        """The folder that the images were read from, "" where it was not recorded."""
        return str((self.metrics.get("data") or {}).get("root") or "")

    @cached_property
    def figures(self) -> dict[str, Any]:
        """The figures of the test images, computed from predictions.csv at the threshold 0.5."""
        return binary_metrics(self.is_ai, self.p_ai)

    @property
    def images(self) -> pd.DataFrame:
        """The test images: path, is_ai, sha256."""
        return pd.DataFrame({"path": self.paths, "is_ai": self.is_ai, SHA256: self.sha256})


def read_runs(runs: Sequence[Path], folder: Path) -> list[FinishedRun]:
    """Read finished runs that are to be compared.

    Args:
        runs: their folders.
        folder: where the comparison goes; runs below it are named by their path from there.

    Raises:
        ArtclfError: where a run has not finished or has no predictions of test images, and where the runs were tested on
            different images: by path, by label, or by the SHA-256 of the files where the runs recorded it.
    """
    read = [_read(run, name) for run, name in zip(runs, _names(runs, folder), strict=True)]
    keys = [(tuple(run.paths), run.is_ai.tobytes()) for run in read]
    usual = read[keys.index(Counter(keys).most_common(1)[0][0])]  # the test images that most runs have
    lines = [f"{run.folder} against {usual.folder}: {differs}" for run in read if (differs := _what_differs(run, usual))]
    if lines:
        raise ArtclfError("\n".join(["these runs were tested on different images, so they can't be compared:", *lines]))
    return read


def _names(runs: Sequence[Path], folder: Path) -> list[str]:
    """The runs' paths from the comparison's folder where all lie below it; else the shortest distinct ends of their paths."""
    folder, whole = folder.resolve(), [run.resolve() for run in runs]
    if all(run.is_relative_to(folder) and run != folder for run in whole):
        return [run.relative_to(folder).as_posix() for run in whole]
    for parts in range(1, max(len(run.parts) for run in whole)):
        names = [Path(*run.parts[-parts:]).as_posix() for run in whole]
        if len(set(names)) == len(names):
            return names
    return [str(run) for run in whole]


def _read(run: Path, name: str) -> FinishedRun:
    metrics = read_metrics(run)
    file = run / "predictions.csv"
    predictions = read_table(file, text=("path", "label", "split"), numbers=("p_ai",))
    if predictions is None:
        raise ArtclfError(f"{run}: no predictions.csv, so its test images are not known; train or evaluate again")
    test = predictions[predictions["split"] == "test"].sort_values("path", kind="stable")
    if test.empty:
        raise ArtclfError(f"{file}: holds no image of the split test; a comparison needs runs that were tested")
    odd = test[~test["label"].isin(["ai", "human"]) | ~test["p_ai"].between(0, 1) | test["path"].duplicated()]
    if len(odd):
        row = odd.iloc[0]
        raise ArtclfError(
            f"{file}: {row['path']}: got the label {row['label']!r} and the p_ai {row['p_ai']:g}; a label is ai or human, p_ai "
            "lies in 0..1, and each image stands there once"
        )
    command = metrics.get("command")
    return FinishedRun(
        name,
        run,
        metrics,
        None if command is None else _overrides(str(command)),
        test["path"].to_numpy(dtype=object),
        (test["label"] == "ai").to_numpy(dtype=bool),
        test["p_ai"].to_numpy(dtype=float),
        _hashes(run, test["path"]),
    )


def _hashes(run: Path, paths: pd.Series) -> npt.NDArray[Any]:
    """The SHA-256 of each file by the run's manifest.csv, "" where it has none."""
    manifest = read_table(run / "manifest.csv", text=("path",))
    if manifest is None or SHA256 not in manifest.columns:
        return paths.map(lambda _: "").to_numpy(dtype=object)
    known = manifest.drop_duplicates("path").set_index("path")[SHA256]
    return paths.map(known).fillna("").to_numpy(dtype=object)


def _overrides(command: str) -> tuple[str, ...]:
    """The overrides of a command, without the seed and Hydra's own."""
    words = [word for word in shlex.split(command) if "=" in word or word.startswith("~")]
    return tuple(word for word in words if not word.startswith(("-", "hydra", "seed=")))


def _what_differs(run: FinishedRun, usual: FinishedRun) -> str:
    """How a run's test images differ from another's, with the first paths of each kind; "" where they do not."""
    both = run.images.merge(usual.images, on="path", how="outer", suffixes=("", "_usual"), indicator=True)
    shared = both["_merge"] == "both"
    hashed = (both[SHA256] != "") & (both[f"{SHA256}_usual"] != "")
    kinds = {
        "more": both["_merge"] == "left_only",
        "fewer": both["_merge"] == "right_only",
        "with another label": shared & (both["is_ai"] != both["is_ai_usual"]),
        "with other content": shared & hashed & (both[SHA256] != both[f"{SHA256}_usual"]),
    }
    parts = []
    for what, differs in kinds.items():
        paths = list(both.loc[differs, "path"])
        if paths:
            named = ", ".join(paths[:_NAMED]) + (", …" if len(paths) > _NAMED else "")
            parts.append(f"{fmt.plural(len(paths), 'image')} {what} ({named})")
    return ", ".join(parts)


def read_history(run: Path) -> pd.DataFrame:
    """Read a run's metrics.csv, an epoch a row; empty where there is none."""
    table = read_table(run / "metrics.csv")
    if table is None:
        return pd.DataFrame()
    numbers = read_table(run / "metrics.csv", numbers=tuple({"epoch", *table.columns} - {"stage"}))
    return pd.DataFrame() if numbers is None else numbers
