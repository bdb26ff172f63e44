"""Images for an evaluation: the model was not trained on them."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from artclf.data.manifest import COLUMNS, SHA256, Manifest
from artclf.data.pixels import hash_files
from artclf.errors import ArtclfError, nearest
from artclf.inference.finished_run import FinishedRun


@dataclass(frozen=True)
class Selection:
    """The images that a model is evaluated on."""

    name: str  # of the data
    manifest: Manifest  # each image has a split, and one of the splits is `test`
    own: bool  # whether they are those of the model's own run
    left_out: int | None  # how many were left out because the model was trained on them; None where that is unknown
    notes: list[str]  # what the reader of the results should know
    hashes: "pd.Series[str]"  # the SHA-256 of each image of the manifest, "" where it can't be read


def own_images(run: FinishedRun, split: str | None = None) -> Selection:
    """Select the images that the model's own run was tested on. ArtclfError where they are unknown, missing or changed."""
    remedy = f"type artclf evaluate {run.given} DATA"
    if run.root is None or not run.root.is_dir():
        place = run.root or "no known folder"
        raise ArtclfError(f"{run.given}: the images that it was tested on are not there (in {place}); {remedy}")
    tested = run.images[run.images["split"] != "train"]
    files = [run.root / path for path in tested["path"]]
    lost = [file for file in files if not file.is_file()]
    if not lost and SHA256 in tested:
        lost = [file for file, was, now in zip(files, tested[SHA256], hash_files(files), strict=True) if was != now]
    if lost:
        raise ArtclfError(
            f"{run.given}: {len(lost):,} of its {len(files):,} images are missing or have changed since the run was tested on "
            f"them (first: {lost[0]}); {remedy}"
        )
    return select_images(run, Manifest(run.root, run.images), run.metrics["data"]["source"], split, own=True)


def select_images(run: FinishedRun, manifest: Manifest, name: str, split: str | None = None, *, own: bool = False) -> Selection:
    """Select the images that the model was not trained on, of one split or of all. ArtclfError where there are none.

    Those that it was validated on are `val`, and those without a split `test`.
    """
    known, hashes = splits_of(run, manifest)
    trained = known == "train"
    if trained.all():
        raise ArtclfError(f"{name}: the model was trained on each of these {len(trained):,} images; give other ones")
    table = manifest.table[list(COLUMNS)].assign(sha256=hashes)
    table = table.assign(split=known.where(known != "", table["split"]).replace("", "test"))
    table, notes = _with_test_split(table[~trained], name, split)
    if trained.any() and not own:
        notes.append(f"{trained.sum():,} images of {name} are left out: the model was trained on them")
    if not run.training_known:
        notes.append(f"what {run.given} was trained on is not known: if on images of {name}, these figures are too good")
    left_out = int(trained.sum()) if run.training_known else None
    return Selection(name, replace(manifest, table=table[list(COLUMNS)]), own, left_out, notes, table[SHA256])


def splits_of(run: FinishedRun, manifest: Manifest) -> tuple["pd.Series[str]", "pd.Series[str]"]:
    """In which split of the model's own run each row of a manifest's table was, "" where in none, or that is unknown.

    An image is recognised by the path of its file, with links resolved, and by the hash of its bytes, as a copy elsewhere is.

    Returns:
        The splits; and the SHA-256 of each file, "" where it can't be read.
    """
    own, table = run.images, manifest.table
    paths = _real_paths(manifest.root, table)
    hashes = table[SHA256] if SHA256 in table else pd.Series(hash_files([Path(path) for path in paths]), index=table.index)
    splits = pd.Series("", index=table.index, dtype=object)
    if run.root is not None:
        splits = paths.map(dict(zip(_real_paths(run.root, own), own["split"], strict=True))).fillna("")
    if SHA256 in own:
        by_hash = hashes[splits == ""].map(dict(zip(own[SHA256], own["split"], strict=True)))
        splits.update(by_hash)
    return splits, hashes


def _real_paths(root: Path, table: pd.DataFrame) -> "pd.Series[str]":
    return pd.Series([os.path.realpath(root / path) for path in table["path"]], index=table.index, dtype=object)


def _with_test_split(table: pd.DataFrame, name: str, split: str | None) -> tuple[pd.DataFrame, list[str]]:
    """The split asked for, or all, and notes; if none is named test, the largest is renamed, as the report is about test."""
    names = list(table["split"].unique())
    if split is not None:
        if split not in names:
            allowed = f"{', '.join(names)}{nearest(split, names)}"
            raise ArtclfError(f"--split {split}: allowed are splits of {name} that the model was not trained on: {allowed}")
        table, names = table[table["split"] == split], [split]
    notes = []
    if "test" not in names:
        largest = max(names, key=lambda one: (one not in {"train", "val"}, (table["split"] == one).sum()))
        chose = "; if the model was validated on it, it chose weights and thresholds, and the figures are too good"
        notes.append(f"the split {largest} of {name} is called test here{chose if largest == 'val' else ''}")
        table = table.assign(split=table["split"].replace(largest, "test"))
    return table.reset_index(drop=True), notes
