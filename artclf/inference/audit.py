"""An audit of images: their files are read, measured, and searched for shortcuts. Loads no torch."""

from typing import Any

import pandas as pd

from artclf.data.canonical import Canonical
from artclf.data.facts import Survey, survey_files
from artclf.data.images import DEFAULT_MAX_PIXELS
from artclf.data.manifest import Manifest
from artclf.evaluation.audit import audit


def audit_images(
    manifest: Manifest,
    form: Canonical,
    *,
    sample: int | None,
    seed: int = 0,
    trained_canonical: bool = False,
    threads: int = 4,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    quiet: bool = False,
) -> tuple[Survey, dict[str, Any]]:
    """Audit the images of a manifest, or a random sample of them.

    Args:
        manifest: the images.
        form: the canonical form in which they are measured too.
        sample: how many at most; None for all.
        seed: of the sample, the folds and the forests.
        trained_canonical: whether a network is shown them in that form.
        threads: how many files at a time.
        max_pixels: an image with more counts as unreadable.
        quiet: show no progress.

    Returns:
        The facts of the files, with those that can't be read; and the content of audit.json.
    """
    options: dict[str, Any] = {"threads": threads, "max_pixels": max_pixels, "quiet": quiet}
    survey = survey_files(manifest, sample=sample, seed=seed, decode=True, canonical=form, **options)
    facts = pd.concat([survey.facts, survey.measured], axis=1)
    total = len(manifest.table)
    return survey, {
        **audit(facts, survey.canonical, canonical=form.to_json() if trained_canonical else None, seed=seed),
        "images": total,
        "drawn_of": total if survey.looked_at < total else None,
        "unreadable": len(survey.unreadable),
        "seed": seed,
        "manifest_sha256": manifest.sha256,
    }
