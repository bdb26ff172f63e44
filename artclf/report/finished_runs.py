"""Finished runs, read to be compared: tested on the same images, or refused with what differs."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from artclf.data.manifest import SHA256
from artclf.errors import ArtclfError
from artclf.evaluation import Booleans, Floats
from artclf.evaluation.metrics import binary_metrics
from artclf.report import format as fmt
from artclf.run_folder import EPOCHS_FILE, read_metrics, read_table


@dataclass(frozen=True)
class ComparedRun:
    """A finished run and its scores of the test images."""

    name: str  # short, and no other run's
    folder: Path
    metrics: Mapping[str, Any]  # metrics.json
    images: pd.DataFrame  # the test images, by path: is_ai, p_ai, and sha256 of the file ("" where it was not recorded)

    @property
    def overrides(self) -> tuple[str, ...] | None:
        """The overrides of its command, without the seed and Hydra's own; None where there is no command."""
        command = self.metrics.get("command")
        if command is None:
            return None
        words = [word for word in shlex.split(str(command)) if "=" in word or word.startswith("~")]
        return tuple(word for word in words if not word.startswith(("-", "hydra", "seed=")))

    @property
    def root(self) -> str:
        """The folder that the images were read from, "" where it was not recorded."""
        return str((self.metrics.get("data") or {}).get("root") or "")

    @property
    def is_ai(self) -> Booleans:
        """The truth of each test image, [N]."""
        return self.images["is_ai"].to_numpy(dtype=bool)

    @property
    def p_ai(self) -> Floats:
        """The score of each test image, [N]."""
        return self.images["p_ai"].to_numpy(dtype=float)

    @cached_property
    def figures(self) -> dict[str, Any]:
        """The figures of the test images, computed from predictions.csv at the threshold 0.5."""
        return binary_metrics(self.is_ai, self.p_ai)


def read_runs(folders: Sequence[Path]) -> list[ComparedRun]:
    """Read finished runs that are to be compared, named by their paths from the folder that holds all of them.

    Raises:
        ArtclfError: where a run has not finished or has no predictions of test images, and where the runs were tested on
            different images: by path, by label, or by the SHA-256 of the files where the runs recorded it.
    """
    whole = [folder.resolve() for folder in folders]
    above = os.path.commonpath([folder.parent for folder in whole])
    runs = [
        ComparedRun(place.relative_to(above).as_posix(), folder, read_metrics(folder), _images(folder))
        for folder, place in zip(folders, whole, strict=True)
    ]
    first = runs[0]
    lines = [f"{run.folder} against {first.folder}: {differs}" for run in runs if (differs := _what_differs(run, first))]
    if lines:
        raise ArtclfError("\n".join(["these runs were tested on different images, so they can't be compared:", *lines]))
    return runs


def _images(run: Path) -> pd.DataFrame:
    """The test images of a run, as `ComparedRun` holds them."""
    file = run / "predictions.csv"
    predictions = read_table(file, text=("path", "label", "split"), numbers=("p_ai",))
    if predictions is None:
        raise ArtclfError(f"{run}: no predictions.csv, so its test images are not known; train or evaluate again")
    test = predictions[predictions["split"] == "test"].sort_values("path", kind="stable")
    if test.empty:
        raise ArtclfError(f"{file}: holds no image of the split test; a comparison needs runs that were tested")
    odd = test[~test["label"].isin(["ai", "human"]) | ~test["p_ai"].between(0, 1) | test["path"].duplicated()]
    for row in odd.head(1).itertuples():
        raise ArtclfError(
            f"{file}: {row.path}: got the label {row.label!r} and the p_ai {row.p_ai:g}; a label is ai or human, p_ai lies in "
            "0..1, and each image stands there once"
        )
    images = pd.DataFrame({"is_ai": test["label"] == "ai", "p_ai": test["p_ai"]}).set_index(test["path"])
    manifest = read_table(run / "manifest.csv", text=("path",))
    known = {} if manifest is None or SHA256 not in manifest else manifest.set_index("path")[SHA256].to_dict()
    return images.assign(**{SHA256: [known.get(path, "") for path in images.index]})


def _what_differs(run: ComparedRun, other: ComparedRun) -> str:
    """How a run's test images differ from another's, with the first path of each kind; "" where they do not."""
    both = run.images.merge(other.images, "outer", left_index=True, right_index=True, suffixes=("", "_other"))
    more, fewer = both["is_ai_other"].isna(), both["is_ai"].isna()
    hashed = (both[SHA256] != "") & (both[f"{SHA256}_other"] != "")
    kinds = {
        "more": more,
        "fewer": fewer,
        "with another label": ~more & ~fewer & (both["is_ai"] != both["is_ai_other"]),
        "with other content": ~more & ~fewer & hashed & (both[SHA256] != both[f"{SHA256}_other"]),
    }
    found = {what: both.index[differs] for what, differs in kinds.items()}
    parts = [f"{fmt.plural(len(paths), 'image')} {what} (first: {paths[0]})" for what, paths in found.items() if len(paths)]
    return ", ".join(parts)


def read_history(run: Path) -> pd.DataFrame:
    """Read a run's metrics.csv, by epoch; empty where there is none."""
    table = read_table(run / EPOCHS_FILE, ("stage", "epoch"))
    numbers = () if table is None else tuple(name for name in table.columns if name != "stage")
    table = read_table(run / EPOCHS_FILE, numbers=numbers)
    return pd.DataFrame() if table is None else table.set_index("epoch")
