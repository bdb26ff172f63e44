"""What ends a training run and an evaluation alike: figures of a model's predictions, and the files that hold them."""

import hashlib
import json
import logging
import platform
import subprocess
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from artclf.cache.array_store import ABOUT, read_about
from artclf.cache.folder import cache_folder
from artclf.config.schema import AuditConfig
from artclf.data.canonical import Canonical
from artclf.data.facts import survey_files
from artclf.data.images import DEFAULT_MAX_PIXELS
from artclf.data.manifest import SHA256, Manifest
from artclf.data.sampling import sample_test_images
from artclf.data.splits import Duplicates
from artclf.errors import reason_of
from artclf.evaluation.audit import audit_survey
from artclf.evaluation.decision import DecisionRule, as_stored, truth, with_verdicts
from artclf.evaluation.guarantees import decision_metrics
from artclf.evaluation.metrics import by_split, group_metrics, split_metrics
from artclf.evaluation.robustness import compare_forms
from artclf.inference.score import THREADS, score_images
from artclf.inference.torch_scorer import TorchScorer
from artclf.model.classifier import ArtClassifier
from artclf.provenance.c2pa import looks_at_c2pa
from artclf.provenance.read import declared_state
from artclf.report.data_page import AUDIT_FILE
from artclf.report.findings import broken_guarantees
from artclf.report.run_page import write_report
from artclf.run_folder import METRICS_FILE, as_json, write_json, write_table, write_text

log = logging.getLogger(__name__)

PACKAGES = ("artclf", "torch", "torchvision", "lightning", "timm", "numpy", "pillow", "scikit-learn")

AUDIT = 1  # increase it with each change in what an audit finds


@dataclass(frozen=True)
class AssessOptions:
    """How a finished model is assessed beyond its scores."""

    images: int = AuditConfig().images  # at most so many are audited, and compared in canonical form; 0: none
    canonical: Canonical | None = None  # the form of the comparison; None: the model's own, or the default for its size
    max_pixels: int = DEFAULT_MAX_PIXELS


def assess(
    folder: Path,
    model: ArtClassifier,
    manifest: Manifest,
    predictions: pd.DataFrame,
    rule: DecisionRule,
    facts: dict[str, Any],
    options: AssessOptions,
    compared: "pd.Series[float] | None" = None,
) -> dict[str, Any]:
    """Compute everything that is reported of a model's predictions; write predictions.csv, groups.csv and audit.json.

    Args:
        folder: of the run or evaluation.
        model: in eval mode, on its device.
        manifest: the images that are audited.
        predictions: the manifest's columns and p_ai, of every image that was tested.
        rule: of the verdicts.
        facts: the rest of metrics.json, with at least seed, precision and fallbacks.
        options: what is measured.
        compared: p(AI) of the images of the canonical comparison, by the index of `predictions`; None: they are scored now.

    Returns:
        The content of metrics.json.
    """
    predictions = with_verdicts(predictions, rule)
    write_table(folder / "predictions.csv", predictions, float_format="%.7g")
    write_table(folder / "groups.csv", group_metrics(predictions), float_format="%.7g")
    metrics = {
        "splits": {name: split_metrics(rows) for name, rows in by_split(predictions).items()},
        **decision_metrics(predictions, rule),
        **facts,
        "fallbacks": [*facts["fallbacks"], *rule.shortfalls()],
    }
    for line in [*broken_guarantees(metrics), *rule.shortfalls()]:
        log.warning("%s", line)
    if options.images:
        form = model.canonical or options.canonical or Canonical.for_size(model.image_size)
        write_text(folder / AUDIT_FILE, _audit(manifest, form, options, canonical=model.canonical is not None))
        tested = sample_test_images(predictions, options.images, facts["seed"])
        metrics["canonical_comparison"] = compare_canonical(
            model, manifest.root, tested, form, facts["precision"], max_pixels=options.max_pixels, scored=compared
        )
    return metrics


def _audit(manifest: Manifest, form: Canonical, options: AssessOptions, *, canonical: bool) -> str:
    """The text of audit.json, kept in artclf's cache by the hashes of the files: further runs mostly have the same ones."""
    causes = {
        "audit": AUDIT,
        "manifest": manifest.sha256,
        "form": form.to_json(),
        "canonical": canonical,
        "images": options.images,
        "max_pixels": options.max_pixels,
        "c2pa": looks_at_c2pa(),
        "versions": versions(),
    }
    folder = cache_folder() / "audits" / hashlib.sha256(json.dumps(causes).encode()).hexdigest()[:16]
    has_hashes = SHA256 in manifest.table
    if has_hashes and (kept := read_about(folder).get("found")):
        return as_json(kept)
    limits = {"threads": THREADS, "max_pixels": options.max_pixels}
    survey = survey_files(manifest, sample=options.images, canonical=form, declared=declared_state, **limits)
    found = audit_survey(survey, canonical=form if canonical else None)
    if has_hashes:
        what = f"audit of {len(manifest.table):,} images in {manifest.root}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / ABOUT, {"what": what, **causes, "found": found})
        except OSError as error:
            log.warning("the audit is not kept for further runs: %s", reason_of(error))
    return as_json(found)


def compare_canonical(
    model: ArtClassifier,
    root: Path,
    predictions: pd.DataFrame,
    form: Canonical,
    precision: str,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    scored: "pd.Series[float] | None" = None,
) -> dict[str, Any] | None:
    """Score rows of predictions.csv again, in the form that the model was not trained on: as stored, or canonical.

    Where all of these scores are known already, they are `scored`, by the rows' index.

    Returns:
        As `compare_forms`, with trained_on ("as_stored" or "canonical") and the canonical form; None where there are no images.
    """
    if predictions.empty:
        return None
    rows = predictions.rename(columns={"p_ai": "own"})
    if scored is not None and rows.index.isin(scored.index).all():
        both = rows.assign(p_ai=as_stored(np.asarray(scored[rows.index])))
    else:
        scorer = TorchScorer(model, precision)
        read = scorer.reader_as(None if model.canonical else form, max_pixels).read
        both, unreadable = score_images(scorer, root, rows, read)
        for path, reason in unreadable.itertuples(index=False):
            log.warning("%s: is left out of the comparison with canonical form: %s", root / path, reason)
    (is_ai, other), own = truth(both), both["own"].to_numpy(dtype=float)
    stored, canonical = (other, own) if model.canonical else (own, other)
    trained_on = "canonical" if model.canonical else "as_stored"
    return {"trained_on": trained_on, "form": form.to_json(), **compare_forms(is_ai, stored, canonical)}


def write_results(folder: Path, metrics: dict[str, Any], began: float, *, report: bool = True) -> None:
    """Write metrics.json, with the seconds since `began` (of `time.perf_counter`), and report.html."""
    metrics["seconds"] = round(time.perf_counter() - began, 2)
    write_json(folder / METRICS_FILE, metrics)
    if report:
        write_report(folder)


def environment(device: torch.device) -> dict[str, Any]:
    """What metrics.json says of the device, the versions and the source code."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {"device": name, "versions": versions(), "git": git_commit()}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that figures depend on; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def git_commit() -> str | None:
    """The commit of the source tree, with "-dirty" where tracked files are changed; None where it is in no repository."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()


def data_facts(
    source: str, manifest: Manifest, model: ArtClassifier, rejected_by: list[dict[str, Any]], duplicates: Duplicates
) -> dict[str, Any]:
    """What metrics.json says of the images; `rejected_by` is what `count_rejected` returns."""
    return {
        "source": source,
        "root": str(manifest.root),
        "image_size": model.image_size,
        "canonical": model.canonical.to_json() if model.canonical else None,
        "manifest_sha256": manifest.sha256,
        "counts": manifest.counts(),
        "rejected": sum(row["rejected"] for row in rejected_by),
        "rejected_by": rejected_by,
        "duplicates": asdict(duplicates),
    }


def model_facts(model: ArtClassifier) -> dict[str, Any]:
    """What metrics.json says of the model."""
    return {
        "name": model.hparams["name"],
        "weights": model.hparams["weights"],
        "head": model.hparams["head"]["name"],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "layers": len(model.layers),
    }
