"""What is computed and written of a finished model's verdicts on pictures."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from artclf.config.schema import AuditConfig
from artclf.data.canonical import Canonical
from artclf.evaluation.conformal import decision_metrics
from artclf.evaluation.decision import DecisionRule, with_verdicts
from artclf.evaluation.metrics import THRESHOLD, split_metrics
from artclf.evaluation.robustness import Robustness, measure_robustness
from artclf.inference.audit import audit_beside
from artclf.inference.finished_run import Selection, Subject
from artclf.inference.forms import judge_both_forms
from artclf.model.classifier import ArtClassifier
from artclf.report.run_page import write_report
from artclf.run_folder import write_text
from artclf.training.record import device_name, git_commit, model_facts, versions, write_json, write_tables


def assess(
    folder: Path,
    selection: Selection,
    model: ArtClassifier,
    judge: DecisionRule,
    predictions: pd.DataFrame,
    precision: str,
    seed: int,
) -> dict[str, Any]:
    """Compute all that is told of the verdicts: the one place for what is asked of a finished model.

    Args:
        folder: the evaluation's, in which predictions.csv, groups.csv and audit.json are made.
        selection: the pictures.
        model: the classifier, in eval mode on its device.
        judge: what gives its verdicts.
        predictions: the manifest's columns and p_ai.
        precision: what was computed in.
        seed: of random samples.

    Returns:
        The figures of each split, what the judge says, and both forms, for metrics.json.
    """
    predictions = with_verdicts(predictions, judge)
    write_tables(folder, predictions)
    ordered = sorted(predictions["split"].unique(), key=lambda name: ({"test": 0, "val": 1}.get(name, 2), name))
    metrics = {split: split_metrics(predictions[predictions["split"] == split]) for split in ordered}
    form = model.canonical or Canonical.for_size(int(model.hparams["image_size"]))
    canonical = model.canonical is not None
    pictures = AuditConfig().pictures  # as in a run that says nothing of it
    audit_beside(folder, selection.manifest, pictures=pictures, form=form, canonical=canonical)
    forms = judge_both_forms(model, selection.manifest.root, predictions, form, precision, pictures=pictures, seed=seed)
    return {"splits": metrics, **decision_metrics(predictions, judge), "canonical_comparison": forms}


def assess_robustness(folder: Path, scores: pd.DataFrame, threshold: float, *, image_size: int, seed: int) -> Robustness:
    """Compute and write how verdicts hold when pictures are altered: robustness.csv and robustness.json.

    Args:
        folder: the evaluation's.
        scores: from `score_versions`.
        threshold: from which p_ai on the verdict is AI.
        image_size: pixels a side of what the network is shown.
        seed: of the sample and of noise, which was used for the scores.
    """
    found = measure_robustness(scores, threshold)
    scores.to_csv(folder / "robustness.csv", index=False, float_format="%.7g")
    sides = scores.drop_duplicates("path").groupby("label")["shorter_side"].median()
    facts: dict[str, Any] = {
        "seed": seed,
        "image_size": image_size,
        "shorter_side": {str(label): float(side) for label, side in sides.items()},
    }
    write_json(folder / "robustness.json", {**facts, **asdict(found)})
    return found


def write_evaluation(
    folder: Path,
    *,
    subject: Subject,
    selection: Selection,
    model: ArtClassifier,
    predictions: pd.DataFrame,
    rejected: pd.DataFrame,
    altered: pd.DataFrame | None,
    judge: DecisionRule,
    precision: str,
    seed: int,
    command: str,
    began: float,
    threshold: float = THRESHOLD,
) -> dict[str, Any]:
    """Write what an evaluation leaves: predictions, manifest, figures, metrics.json and the report.

    Args:
        folder: where to; new, or empty.
        subject: the model.
        selection: the pictures.
        model: the classifier, on its device.
        predictions: predictions.csv: the manifest's columns and p_ai.
        rejected: what could not be read: path, reason.
        altered: from `score_versions`; None where robustness is not asked for.
        judge: what gives its verdicts.
        precision: what was computed in.
        seed: of the sample for robustness and of noise.
        command: the command line.
        began: when the evaluation began, by `time.perf_counter`.
        threshold: from which p_ai on the verdict is AI.

    Returns:
        What metrics.json holds.
    """
    manifest = selection.manifest
    write_text(folder / "manifest.csv", manifest.to_csv())
    if len(rejected):
        rejected.to_csv(folder / "rejected.csv", index=False)
    figures = assess(folder, selection, model, judge, predictions, precision, seed)
    size = int(model.hparams["image_size"])
    if altered is not None:
        assess_robustness(folder, altered, threshold, image_size=size, seed=seed)
    run = subject.metrics
    metrics: dict[str, Any] = {
        **figures,
        **{key: run[key] for key in ("stages", "best") if key in run},
        "evaluation": {
            "of": str(subject.given),
            "checkpoint": str(subject.checkpoint.absolute()),
            "checkpoint_sha256": subject.sha256,
            "data": selection.name,
            "own_data": selection.own,
            "left_out": selection.left_out,
            "trained_on": ((run.get("data") or {}).get("counts") or {}).get("train"),
            "threshold": threshold,
        },
        "model": run.get("model") or model_facts(model),
        "data": {
            "source": selection.name,
            "root": str(manifest.root),
            "image_size": size,
            "canonical": model.canonical.to_json() if model.canonical else None,
            "manifest_sha256": manifest.sha256,
            "counts": manifest.counts(),
            "rejected": len(rejected),
        },
        "seed": seed,
        "precision": precision,
        "device": device_name(model.device),
        "command": command,
        "versions": versions(),
        "git": git_commit(),
        "fallbacks": [*selection.notes, *judge.shortfalls()],
        "seconds": round(time.perf_counter() - began, 2),
    }
    write_json(folder / "metrics.json", metrics)
    write_report(folder)
    return metrics
