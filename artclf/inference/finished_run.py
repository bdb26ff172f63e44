"""A trained model: its checkpoint, the run that it comes from, and the images that it may be tested on."""

import hashlib
import os
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

import artclf
from artclf.data.manifest import SHA256, Manifest, columns_of
from artclf.data.pixels import hash_files
from artclf.errors import ArtclfError, nearest
from artclf.model.hub import download, is_on_hub
from artclf.run_folder import MANIFEST_FILE, METRICS_FILE, read_metrics, read_table


@dataclass(frozen=True)
class FinishedRun:
    """A trained model, and what is known of its training."""

    given: Path  # the run folder, file or hub:OWNER/NAME, as it was typed
    checkpoint: Path  # or what was exported from one
    folder: Path | None  # the run folder; None where the checkpoint lies in none
    metrics: dict[str, Any]  # metrics.json; empty without a run folder

    @property
    def root(self) -> Path | None:
        """The folder of the run's images; None where it is unknown."""
        root = Path((self.metrics.get("data") or {}).get("root") or "")
        return root if root.is_absolute() else None

    @cached_property
    def images(self) -> pd.DataFrame:
        """The run's manifest.csv, empty without a run folder. ArtclfError where the file is empty or lacks a column."""
        if self.folder is None:
            return pd.DataFrame(columns=["path", "split"])
        file = self.folder / MANIFEST_FILE
        table = read_table(file, ("path", "split"))
        if table is None:
            raise ArtclfError(f"{file}: is empty; run the training again")
        return table

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the checkpoint, in hexadecimal digits."""
        with self.checkpoint.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def about(self) -> dict[str, str | None]:
        """Where a model comes from, for the file that it is exported to."""
        return {
            "artclf": artclf.__version__,
            "run": self.folder.name if self.folder else self.checkpoint.stem,
            "data": (self.metrics.get("data") or {}).get("source"),
            "precision": self.metrics.get("precision"),
            "date": f"{date.today()}",
        }

    @property
    def training_known(self) -> bool:
        """Whether it is known which images the model was trained on."""
        return self.root is not None or SHA256 in self.images


@dataclass(frozen=True)
class Selection:
    """The images that a model is evaluated on: it was not trained on them."""

    name: str  # of the data
    manifest: Manifest  # each image has a split, one of which is `test`, and the hash of its bytes, "" where it can't be read
    own: bool  # whether they are those of the model's own run
    left_out: int | None  # how many were left out because the model was trained on them; None where that is unknown
    in_run: frozenset[str]  # paths of those that validated or tested the model in its own run
    notes: list[str]  # what the reader of the results should know


def find_run(given: Path) -> FinishedRun:
    """Find the model of a run folder, of a file or of hub:OWNER/NAME, which is downloaded.

    ArtclfError where there is none, or metrics.json is damaged.
    """
    checkpoint = download(given) if is_on_hub(given) else find_checkpoint(given)
    folder = checkpoint.absolute().parent.parent
    known = all((folder / name).is_file() for name in (METRICS_FILE, MANIFEST_FILE))
    return FinishedRun(given, checkpoint, folder if known else None, read_metrics(folder) if known else {})


def find_checkpoint(run: Path) -> Path:
    """The best checkpoint of a run folder, or the file itself where one is named. ArtclfError if there is none."""
    if run.is_file():
        return run
    file = run / "checkpoints" / "best.ckpt"
    if file.is_file():
        return file
    if not run.exists():
        raise ArtclfError(f"{run}: there is no such run folder or checkpoint")
    if runs := sorted(run.glob("*/checkpoints/best.ckpt")):
        raise ArtclfError(f"{run}: holds runs; name one of them: {runs[0].parents[1]}")
    raise ArtclfError(f"{run}: holds no checkpoints/best.ckpt (a run with callbacks=none keeps no weights)")


def own_images(run: FinishedRun, split: str | None = None, remedy: str = "") -> Selection:
    """Select the images that the model's own run was tested on.

    ArtclfError, with what to do instead (`remedy`), where they are unknown, missing or changed.
    """
    remedy = remedy or f"type artclf evaluate {run.given} DATA"
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

    Those that it was validated on are `val`, a split val of other images is called "val of NAME", and images without a split
    are `test`. If no split has the name test, the largest one is renamed, as the report is about test.
    """
    known, hashes = splits_of(run, manifest)
    trained = known == "train"
    if trained.all():
        raise ArtclfError(f"{name}: the model was trained on each of these {len(trained):,} images; give other ones")
    given = manifest.table["split"].replace({"": "test", "val": f"val of {name}"})
    table = manifest.table[columns_of(manifest.table)].assign(split=known.where(known != "", given), sha256=hashes)[~trained]
    names, notes = list(table["split"].unique()), []
    if split is not None:
        meant = [one for one in (split, f"{split} of {name}") if one in names][:1]
        if not meant:
            allowed = f"{', '.join(names)}{nearest(split, names)}"
            raise ArtclfError(f"--split {split}: allowed are splits of {name} that the model was not trained on: {allowed}")
        table, names = table[table["split"] == meant[0]], meant
    if "test" not in names:
        largest = max(names, key=lambda one: (one not in {"train", "val"}, (table["split"] == one).sum()))
        chose = ": it chose weights and thresholds, so the figures are too good" if largest == "val" else ""
        notes.append(f"the split {largest.removesuffix(f' of {name}')} of {name} is called test here{chose}")
        table = table.assign(split=table["split"].replace(largest, "test"))
    if trained.any() and not own:
        notes.append(f"{trained.sum():,} images of {name} are left out: the model was trained on them")
    if not run.training_known:
        notes.append(f"what {run.given} was trained on is not known: if on images of {name}, these figures are too good")
    left_out = int(trained.sum()) if run.training_known else None
    in_run = frozenset(manifest.table["path"][known != ""])
    return Selection(name, replace(manifest, table=table.reset_index(drop=True)), own, left_out, in_run, notes)


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
