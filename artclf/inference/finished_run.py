"""A finished model that is looked at again, and the pictures that it has not learned from."""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from artclf.data.manifest import COLUMNS, SHA256, Manifest
from artclf.data.pixels import hash_files
from artclf.data.splits import check_names
from artclf.errors import ArtclfError, nearest
from artclf.model.checkpoint import find_checkpoint
from artclf.run_folder import read_metrics, read_table


@dataclass(frozen=True)
class Subject:
    """A model that is evaluated, and what is known of its training.

    Attributes:
        given: the run folder or checkpoint, as it was given.
        checkpoint: the file.
        sha256: of the file.
        run: the run folder; None where the checkpoint lies in none.
        metrics: the run's metrics.json; empty without a run folder.
    """

    given: Path
    checkpoint: Path
    sha256: str
    run: Path | None
    metrics: dict[str, Any]

    @property
    def root(self) -> Path | None:
        """Where the run's pictures lay; None where that is not known: an early version wrote it down as it was typed."""
        root = Path((self.metrics.get("data") or {}).get("root") or "")
        return root if root.is_absolute() else None

    @property
    def training_known(self) -> bool:
        """Whether it is known which pictures the model was trained on."""
        return self.root is not None or (self.run is not None and SHA256 in self.manifest())

    def manifest(self) -> pd.DataFrame:
        """The run's manifest.csv.

        Raises:
            ArtclfError: where it is empty, or lacks a column.
        """
        assert self.run is not None
        file = self.run / "manifest.csv"
        table = read_table(file, ("path", "split"))
        if table is None:
            raise ArtclfError(f"{file}: is empty; run the training again")
        return table


@dataclass(frozen=True)
class Selection:
    """The pictures that a model is evaluated on.

    Attributes:
        name: of the data, as people call it.
        manifest: the pictures; each has a split, and one of the splits is `test`.
        own: whether they are those of the model's own run.
        left_out: how many pictures were left out since the model was trained on them; None where that is not known.
        notes: what is done otherwise than one might think.
    """

    name: str
    manifest: Manifest
    own: bool
    left_out: int | None
    notes: list[str]


def find_subject(given: Path) -> Subject:
    """Find a model, and the run that it comes from.

    Args:
        given: a run folder, or a checkpoint: in the folder `checkpoints` of a run, or anywhere else.

    Raises:
        ArtclfError: where there is no checkpoint, or the run's files are not what a run writes.
    """
    checkpoint = find_checkpoint(given)
    with checkpoint.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    folder = checkpoint.absolute().parent.parent
    known = (folder / "metrics.json").is_file() and (folder / "manifest.csv").is_file()
    return Subject(given, checkpoint, sha256, folder if known else None, read_metrics(folder) if known else {})


def own_pictures(subject: Subject, split: str | None = None) -> Selection:
    """Select the pictures that the model's own run was tested on.

    Args:
        subject: the model.
        split: the only one to take; None for all but train.

    Raises:
        ArtclfError: where the run is not known, its pictures are not where they were, or there is no such split.
    """
    type_this = f"type artclf evaluate {subject.given} DATA"
    if subject.run is None:
        raise ArtclfError(
            f"{subject.checkpoint}: lies in no finished run (with manifest.csv and metrics.json), so that its test pictures "
            f"are not known; {type_this}"
        )
    if subject.root is None or not subject.root.is_dir():
        raise ArtclfError(f"{subject.given}: its pictures were in {subject.root}, which is not there; {type_this}")
    table = subject.manifest()
    learned = table["split"] == "train"
    if split == "train":
        allowed = ", ".join(table["split"][~learned].unique())
        raise ArtclfError(f"--split train: the model was trained on these pictures; allowed: {allowed}")
    rest = table[~learned]
    absent = [path for path in rest["path"] if not (subject.root / path).is_file()]
    if absent:
        raise ArtclfError(
            f"{subject.given}: {len(absent):,} of its {len(rest):,} pictures are not where they were (first: "
            f"{subject.root / absent[0]}); {type_this}"
        )
    if SHA256 in rest:
        now = hash_files([subject.root / path for path in rest["path"]])
        others = rest["path"][rest[SHA256] != now]
        if len(others):
            raise ArtclfError(
                f"{subject.given}: {len(others):,} of its {len(rest):,} pictures are no longer those that it was tested on "
                f"(first: {subject.root / others.iloc[0]}); {type_this}"
            )
    name = str((subject.metrics.get("data") or {}).get("source") or subject.root.name)
    return _selected(Selection(name, Manifest(subject.root, rest[list(COLUMNS)]), True, int(learned.sum()), []), split)


def _places(root: Path, table: pd.DataFrame) -> list[str]:
    """Where each picture of a table really lies, through links: `os.path.realpath`, which would take 5 s for 185,015 paths."""
    folders: dict[str, str] = {}
    places = []
    for path in table["path"]:
        folder, name = os.path.split(os.path.join(root, path))  # noqa: PTH118 (as all of these: far quicker)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        place = f"{folders[folder]}/{name}"
        places.append(os.path.realpath(place) if os.path.islink(place) else place)  # noqa: PTH114
    return places


def splits_of(subject: Subject, manifest: Manifest) -> "pd.Series[str]":
    """In which split of the model's own run each of these pictures was; "" where in none, or that is not known.

    A picture is known by the place of its file, through links, and by the hash of its bytes: a copy elsewhere is recognised.

    Args:
        subject: the model.
        manifest: the pictures.

    Returns:
        One for each row of the manifest's table, with its index.
    """
    places = _places(manifest.root, manifest.table)
    known = [""] * len(places)
    if subject.run is not None:
        own = subject.manifest()
        if subject.root is not None:
            by_place = dict(zip(_places(subject.root, own), own["split"], strict=True))
            known = [by_place.get(place, "") for place in places]
        if SHA256 in own:
            by_hash = dict(zip(own[SHA256], own["split"], strict=True))
            digests = iter(hash_files([Path(place) for place, split in zip(places, known, strict=True) if not split]))
            known = [split or by_hash.get(next(digests), "") for split in known]
    return pd.Series(known, index=manifest.table.index, dtype=object)


def choose_pictures(subject: Subject, manifest: Manifest, name: str, split: str | None = None) -> Selection:
    """Select, of any pictures, those that the model was not trained on; those that it was validated on are `val`.

    See `splits_of` for how a picture is known.

    Args:
        subject: the model.
        manifest: the pictures. Those without a split count as `test`.
        name: of the data.
        split: the only one to take; None for all.

    Raises:
        ArtclfError: where nothing is left, or there is no such split, and as `check_names`.
    """
    known = splits_of(subject, manifest)
    learned = known == "train"
    if learned.all():
        raise ArtclfError(
            f"{name}: the model was trained on each of these {len(learned):,} pictures, which would tell nothing of how good "
            "it is; give pictures that it has not seen"
        )
    table = manifest.table.assign(split=known.where(known != "", manifest.table["split"]).replace("", "test"))
    check_names(table["split"].unique())
    notes = []
    if learned.any():
        notes.append(f"{int(learned.sum()):,} pictures of {name} are left out: the model was trained on them")
    if not subject.training_known:
        notes.append(f"what {subject.given} was trained on is not known: pictures of {name} that it has seen would flatter it")
    left_out = int(learned.sum()) if subject.training_known else None
    return _selected(Selection(name, Manifest(manifest.root, table[~learned]), False, left_out, notes), split)


def _selected(selection: Selection, split: str | None) -> Selection:
    """The one split that was asked for, or all of them; one of them is called test, which is what the report shows most of."""
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
        chose = named == "val"  # weights and thresholds
        flatters = "; where the model was validated on it, it chose the weights and set the thresholds, and flatters"
        notes = [*notes, f"what is called test here is the split {named} of {selection.name}{flatters if chose else ''}"]
        table = table.assign(split=table["split"].replace(named, "test"))
    manifest = Manifest(selection.manifest.root, table.reset_index(drop=True))
    return replace(selection, manifest=manifest, notes=notes)
