"""An audit of pictures from first to last: of what a path holds, or of what a run trains and tests on."""

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from artclf.data.canonical import Canonical
from artclf.data.facts import Survey, survey_files
from artclf.data.images import DEFAULT_MAX_PIXELS
from artclf.data.manifest import Manifest
from artclf.evaluation.audit import audit
from artclf.report.data_page import AUDIT_FILE
from artclf.run_folder import as_json

if TYPE_CHECKING:  # it loads torch, which `artclf audit` has no use of
    from artclf.data.module import ArtData

_kept: dict[Hashable, dict[str, Any]] = {}  # what was audited → what was found: most runs of a sweep have the same pictures


@dataclass(frozen=True)
class Audited:
    """What was found in some pictures.

    Attributes:
        survey: their files' facts, and those that can't be read.
        found: audit.json.
    """

    survey: Survey
    found: dict[str, Any]


def audit_pictures(
    manifest: Manifest,
    *,
    sample: int | None,
    seed: int = 0,
    make_canonical: Canonical | None = None,
    canonical: bool = False,
    threads: int = 4,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    quiet: bool = False,
) -> Audited:
    """Audit the pictures of a manifest, or some of them by lot.

    Args:
        manifest: the pictures.
        sample: how many at most; None for all.
        seed: of the lots, the folds and the forests.
        make_canonical: what makes a picture canonical, where statistics of canonical pictures are asked for too.
        canonical: whether the pictures are read so, with data.canonical=true.
        threads: how many files at a time.
        max_pixels: a picture with more counts as unreadable.
        quiet: show no progress.
    """
    options: dict[str, Any] = {"threads": threads, "max_pixels": max_pixels, "quiet": quiet}
    survey = survey_files(manifest, sample=sample, seed=seed, decode=True, canonical=make_canonical, **options)
    form = make_canonical.to_json() if canonical and make_canonical else None
    result = audit(pd.concat([survey.facts, survey.measured], axis=1), survey.canonical, canonical=form, seed=seed)
    total = len(manifest.table)
    found = {
        **result,
        "pictures": total,
        "drawn_of": total if survey.looked_at < total else None,
        "unreadable": len(survey.unreadable),
        "seed": seed,
        "manifest_sha256": manifest.sha256,
    }
    return Audited(survey, found)


def write_audit(folder: Path, found: dict[str, Any]) -> None:
    """Write audit.json into a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    write_found(folder / AUDIT_FILE, found)


def write_found(file: Path, found: dict[str, Any]) -> None:
    """Write what was found for machines."""
    file.write_text(as_json(found), encoding="utf-8")


def audit_beside(
    folder: Path,
    manifest: Manifest,
    *,
    pictures: int,
    form: Canonical,
    canonical: bool,
    stands_for: str = "",
    threads: int = 2,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> None:
    """Audit what a network was trained or tested on, and write it beside its other results.

    Args:
        folder: of a run or an evaluation.
        manifest: the pictures.
        pictures: how many are audited at most, by lot.
        form: the canonical one.
        canonical: whether the network is shown pictures in it.
        stands_for: what changes when a file does: pictures that this process has audited are not audited again; "" always does.
        threads: how many files at a time.
        max_pixels: a picture with more counts as unreadable.
    """
    key = (str(manifest.root), manifest.sha256, stands_for, pictures, form, canonical, max_pixels)
    found = _kept.get(key) if stands_for else None
    if found is None:
        found = audit_pictures(
            manifest,
            sample=pictures,
            make_canonical=form,
            canonical=canonical,
            threads=threads,
            max_pixels=max_pixels,
            quiet=True,
        ).found
        if stands_for:
            _kept[key] = found
    write_audit(folder, found)


def audit_run(folder: Path, data: "ArtData", pictures: int) -> None:
    """Audit what a run trained and was tested on, and write it beside its other results.

    Args:
        folder: the run folder.
        data: the run's data, read.
        pictures: how many are audited at most, by lot; 0 writes nothing.
    """
    if pictures:
        audit_beside(
            folder,
            data.manifest,
            pictures=pictures,
            form=Canonical.described(data.config),
            canonical=data.canonical is not None,
            stands_for=hashlib.sha256(b"".join(data.digests)).hexdigest(),
            threads=max(2, data.config.num_workers),
            max_pixels=data.config.max_pixels,
        )
