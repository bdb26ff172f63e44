"""A finished model, and images that it was not trained on."""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from artclf.data.manifest import COLUMNS, SHA256, Manifest
from artclf.data.pixels import hash_files
from artclf.errors import ArtclfError, nearest
from artclf.model.checkpoint import find_checkpoint
from artclf.run_folder import read_metrics, read_table


@dataclass(frozen=True)
class FinishedRun:
    """A trained model, and what is known of its training."""

    given: Path  # the run folder or checkpoint, as it was typed
    checkpoint: Path
    sha256: str  # of the checkpoint
    folder: Path | None  # the run folder; None where the checkpoint lies in none
    metrics: dict[str, Any]  # metrics.json; empty without a run folder

    @property
    def root(self) -> Path | None:
        """The folder of the run's images; None where it is unknown."""
        root = Path((self.metrics.get("data") or {}).get("root") or "")
        return root if root.is_absolute() else None

    @property
    def training_known(self) -> bool:
        """Whether it is known which images the model was trained on."""
        return self.root is not None or (self.folder is not None and SHA256 in self.manifest())

    def manifest(self) -> pd.DataFrame:
        """The run's manifest.csv. ArtclfError where it is empty, or lacks a column."""
        assert self.folder is not None
        file = self.folder / "manifest.csv"
        table = read_table(file, ("path", "split"))
        if table is None:
            raise ArtclfError(f"{file}: is empty; run the training again")
        return table


@dataclass(frozen=True)
class Selection:
    """The images that a model is evaluated on."""

    name: str  # of the data
    manifest: Manifest  # each image has a split, and one of the splits is `test`
    own: bool  # whether they are those of the model's own run
    left_out: int | None  # how many were left out because the model was trained on them; None where that is unknown
    notes: list[str]  # what the reader of the results should know


def find_run(given: Path) -> FinishedRun:
    """Find a model and the run that it comes from.

    Args:
        given: a run folder or a checkpoint: in the folder `checkpoints` of a run, or anywhere else.

    Raises:
        ArtclfError: where there is no checkpoint, or metrics.json is damaged.
    """
    checkpoint = find_checkpoint(given)
    with checkpoint.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    folder = checkpoint.absolute().parent.parent
    known = (folder / "metrics.json").is_file() and (folder / "manifest.csv").is_file()
    return FinishedRun(given, checkpoint, sha256, folder if known else None, read_metrics(folder) if known else {})


def own_images(run: FinishedRun, split: str | None = None) -> Selection:
    """Select the images that the model's own run was tested on.

    Args:
        run: the model.
        split: the only split to take; None for all but train.

    Raises:
        ArtclfError: where the run is unknown, its images are missing or have changed, or there is no such split.
    """
    type_this = f"type artclf evaluate {run.given} DATA"
    if run.folder is None:
        raise ArtclfError(
            f"{run.checkpoint}: lies in no finished run (with manifest.csv and metrics.json), so that its test images are not "
            f"known; {type_this}"
        )
    if run.root is None or not run.root.is_dir():
        raise ArtclfError(f"{run.given}: its images were in {run.root}, which is not there; {type_this}")
    table = run.manifest()
    trained = table["split"] == "train"
    if split == "train":
        allowed = ", ".join(table["split"][~trained].unique())
        raise ArtclfError(f"--split train: the model was trained on these images; allowed: {allowed}")
    rest = table[~trained]
    files = [run.root / path for path in rest["path"]]
    missing = [file for file in files if not file.is_file()]
    if missing:
        what, first = "are not where they were", missing[0]
        raise ArtclfError(f"{run.given}: {len(missing):,} of its {len(files):,} images {what} (first: {first}); {type_this}")
    if SHA256 in rest:
        changed = rest["path"][rest[SHA256] != hash_files(files)]
        if len(changed):
            raise ArtclfError(
                f"{run.given}: {len(changed):,} of its {len(files):,} images have changed since the run was tested on them "
                f"(first: {run.root / changed.iloc[0]}); {type_this}"
            )
    name = str((run.metrics.get("data") or {}).get("source") or run.root.name)
    return _one_split(Selection(name, Manifest(run.root, rest[list(COLUMNS)]), True, int(trained.sum()), []), split)


def splits_of(run: FinishedRun, manifest: Manifest) -> "pd.Series[str]":
    """In which split of the model's own run each image of a manifest was; "" where in none, or that is unknown.

    An image is recognised by the path of its file, with links resolved, and by the hash of its bytes, as a copy elsewhere is.

    Returns:
        One for each row of the manifest's table, with its index.
    """
    places = _real_paths(manifest.root, manifest.table)
    splits = [""] * len(places)
    if run.folder is not None:
        own = run.manifest()
        if run.root is not None:
            by_place = dict(zip(_real_paths(run.root, own), own["split"], strict=True))
            splits = [by_place.get(place, "") for place in places]
        if SHA256 in own:
            by_hash = dict(zip(own[SHA256], own["split"], strict=True))
            hashes = iter(hash_files([Path(place) for place, split in zip(places, splits, strict=True) if not split]))
            splits = [split or by_hash.get(next(hashes), "") for split in splits]
    return pd.Series(splits, index=manifest.table.index, dtype=object)


def _real_paths(root: Path, table: pd.DataFrame) -> list[str]:
    return [os.path.realpath(root / path) for path in table["path"]]


def select_images(run: FinishedRun, manifest: Manifest, name: str, split: str | None = None) -> Selection:
    """Select those of any images that the model was not trained on; those that it was validated on are `val`.

    Args:
        run: the model; see `splits_of` for how it recognises images.
        manifest: the images. Those without a split count as `test`.
        name: of the data.
        split: the only split to take; None for all.

    Raises:
        ArtclfError: where nothing is left, or there is no such split.
    """
    known = splits_of(run, manifest)
    trained = known == "train"
    if trained.all():
        raise ArtclfError(
            f"{name}: the model was trained on each of these {len(trained):,} images, which would not show how good it is; "
            "give images that it was not trained on"
        )
    table = manifest.table.assign(split=known.where(known != "", manifest.table["split"]).replace("", "test"))
    notes = []
    if trained.any():
        notes.append(f"{int(trained.sum()):,} images of {name} are left out: the model was trained on them")
    if not run.training_known:
        notes.append(f"what {run.given} was trained on is not known: where it was on images of {name}, the figures flatter it")
    left_out = int(trained.sum()) if run.training_known else None
    return _one_split(Selection(name, Manifest(manifest.root, table[~trained]), False, left_out, notes), split)


def _one_split(selection: Selection, split: str | None) -> Selection:
    """The split that was asked for, or all of them; one of them is called test, of which the report shows most."""
    table = selection.manifest.table
    there = list(table["split"].unique())
    if split is not None:
        if split not in there:
            raise ArtclfError(
                f"--split {split}: {selection.name} has no such split; it has {', '.join(there)}{nearest(split, there)}"
            )
        table, there = table[table["split"] == split], [split]
    notes = selection.notes
    if "test" not in there:
        named = max(there, key=lambda name: (name not in {"train", "val"}, (table["split"] == name).sum()))
        flatters = "; if the model was validated on it, it chose the weights and the thresholds, and the figures flatter"
        notes = [*notes, f"the split {named} of {selection.name} is called test here{flatters if named == 'val' else ''}"]
        table = table.assign(split=table["split"].replace(named, "test"))
    return replace(selection, manifest=Manifest(selection.manifest.root, table.reset_index(drop=True)), notes=notes)
