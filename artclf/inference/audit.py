"""The audit of a run's images, which needs no torch: another process makes it while the network trains."""

import hashlib
import json
import logging

from artclf.cache.array_store import ABOUT, read_about
from artclf.cache.folder import cache_folder
from artclf.data.canonical import Canonical
from artclf.data.facts import survey_files
from artclf.data.manifest import SHA256, Manifest
from artclf.errors import reason_of
from artclf.evaluation.audit import audit_survey
from artclf.inference.score import THREADS
from artclf.provenance.c2pa import looks_at_c2pa
from artclf.provenance.read import declared_state
from artclf.run_folder import as_json, write_json
from artclf.runtime import versions

log = logging.getLogger(__name__)

AUDIT = 1  # increase it with each change in what an audit finds


def audit_text(manifest: Manifest, form: Canonical, canonical: bool, images: int, max_pixels: int) -> str:
    """Audit a run's images, or a random sample of them.

    What is found is kept in artclf's cache by the hashes of the files: further runs mostly have the same ones.

    Args:
        manifest: the images.
        form: the canonical form that differences are measured in, too.
        canonical: whether the network is shown the images in that form.
        images: at most so many are audited.
        max_pixels: a larger image can't be read.

    Returns:
        The text of audit.json.
    """
    causes = {
        "audit": AUDIT,
        "manifest": manifest.sha256,
        "form": form.to_json(),
        "canonical": canonical,
        "images": images,
        "max_pixels": max_pixels,
        "c2pa": looks_at_c2pa(),
        "versions": versions(),
    }
    folder = cache_folder() / "audits" / hashlib.sha256(json.dumps(causes).encode()).hexdigest()[:16]
    has_hashes = SHA256 in manifest.table
    if has_hashes and (kept := read_about(folder).get("found")):
        return as_json(kept)
    limits = {"threads": THREADS, "max_pixels": max_pixels}
    survey = survey_files(manifest, sample=images, canonical=form, declared=declared_state, **limits)
    found = audit_survey(survey, canonical=form if canonical else None)
    if has_hashes:
        what = f"audit of {len(manifest.table):,} images in {manifest.root}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / ABOUT, {"what": what, **causes, "found": found})
        except OSError as error:
            log.warning("the audit is not kept for further runs: %s", reason_of(error))
    return as_json(found)
