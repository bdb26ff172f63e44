"""What ends a training run and an evaluation alike: figures of a model's predictions, and the files that hold them."""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from artclf.config.schema import AuditConfig
from artclf.data.canonical import Canonical
from artclf.data.images import DEFAULT_MAX_PIXELS
from artclf.data.manifest import Manifest
from artclf.data.sampling import sample_test_images
from artclf.data.splits import Duplicates
from artclf.evaluation.decision import DecisionRule, as_stored, truth, with_verdicts
from artclf.evaluation.guarantees import decision_metrics
from artclf.evaluation.metrics import by_split, split_metrics, write_groups
from artclf.evaluation.robustness import compare_forms
from artclf.inference.audit import audit_text
from artclf.inference.score import score_images
from artclf.inference.torch_scorer import TorchScorer
from artclf.model.classifier import ArtClassifier
from artclf.report.data_page import AUDIT_FILE
from artclf.report.findings import broken_guarantees
from artclf.report.run_page import write_report
from artclf.run_folder import METRICS_FILE, write_json, write_table, write_text
from artclf.runtime import beside, git_commit, now, versions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AssessOptions:
    """How a finished model is assessed beyond its scores."""

    images: int = AuditConfig().images  # at most so many are audited, and compared in canonical form; 0: none
    canonical: Canonical | None = None  # the form of the comparison; None: the model's own, or the default for its size
    max_pixels: int = DEFAULT_MAX_PIXELS
    audit: Callable[[], str] | None = None  # gives the text of audit.json; None: it is made now
    helped: bool = False  # whether the helper process has begun, for groups.csv
    compared: "pd.Series[float] | None" = None  # p(AI) of the compared images, by their index; None: they are scored now

    def form_for(self, model: ArtClassifier) -> Canonical:
        """The canonical form that a model is compared in."""
        return model.canonical or self.canonical or Canonical.for_size(model.image_size)

    def to_audit(self, model: ArtClassifier, manifest: Manifest) -> tuple[Any, ...]:
        """The arguments of `audit_text`."""
        return manifest, self.form_for(model), model.canonical is not None, self.images, self.max_pixels


def assess(
    folder: Path,
    model: ArtClassifier,
    manifest: Manifest,
    predictions: pd.DataFrame,
    rule: DecisionRule,
    facts: dict[str, Any],
    options: AssessOptions,
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

    Returns:
        The content of metrics.json.
    """
    predictions = with_verdicts(predictions, rule)
    write_table(folder / "predictions.csv", predictions, float_format="%.7g")
    call = beside if options.helped else now
    groups = call(write_groups, folder / "groups.csv", predictions)
    metrics = {
        "splits": {name: split_metrics(rows) for name, rows in by_split(predictions).items()},
        **decision_metrics(predictions, rule),
        **facts,
        "fallbacks": [*facts["fallbacks"], *rule.shortfalls()],
    }
    for line in [*broken_guarantees(metrics), *rule.shortfalls()]:
        log.warning("%s", line)
    if options.images:
        form = options.form_for(model)
        audit = options.audit or partial(audit_text, *options.to_audit(model, manifest))
        write_text(folder / AUDIT_FILE, audit())
        tested = sample_test_images(predictions, options.images, facts["seed"])
        metrics["canonical_comparison"] = compare_canonical(
            model, manifest.root, tested, form, facts["precision"], max_pixels=options.max_pixels, scored=options.compared
        )
    groups.result()
    return metrics


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
