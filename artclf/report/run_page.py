"""report.html: one page that tells all about a run, and needs nothing besides itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from artclf.evaluation.metrics import THRESHOLD
from artclf.report import format as fmt
from artclf.report.audit import audit_section
from artclf.report.calibration import CAPTION, calibration_section
from artclf.report.cells import read_cells
from artclf.report.forms import forms_section
from artclf.report.render import embed, render
from artclf.report.robustness import section as robustness_section
from artclf.report.summary import errors_in_words, guessing, other_splits, three_sentences
from artclf.run_folder import read_metrics, read_table

_MOST_REJECTED = 20
_MOST_MISTAKES = 6  # of each kind
_CAPTIONS = {
    "accuracy": "Share of pictures judged rightly, on those that train the network and on those held back from it.",
    "loss": "What training makes smaller. Where validation rises while training falls, the network learns by heart.",
    "confusion": "Test pictures: who made them, and the verdicts. The framed corner counts artists wrongly accused.",
    "roc_pr": "What other thresholds would give: more AI works found, more human works accused.",
    "cells": "Test pictures: the share judged rightly, of each maker's works in each style. Hatched: too few to judge by.",
    "scores": "Each work's score. Full colour lies on the wrong side of the threshold.",
    "reliability": CAPTION,
    "samples_ai": "Works of AI from the training split, cut square as the network gets them.",
    "samples_human": "Works of people from the training split, cut square as the network gets them.",
    "copies": "One training picture and the altered copies that training sees beside it.",
    "network": "From picture to verdict. The taller a block, the more parameters (by square root); what is grey never changes.",
    "counts": "Training pictures of both classes, as the data has them and after balancing.",
    "mistakes": "The frame tells who made the work: blue for people, orange for AI.",
}
_FILES = {
    "config.yaml": "all settings, resolved",
    "manifest.csv": "which pictures, in which split",
    "rejected.csv": "files that could not be read, and why",
    "checkpoints": "the weights: best.ckpt and last.ckpt",
    "metrics.csv": "an epoch a row",
    "metrics.json": "the final figures, with what produced them",
    "audit.json": "what a classifier could cheat with",
    "cells.csv": "every figure by split, generator and style, with its 95% interval",
    "predictions.csv": "p_ai, calibrated probability and verdict of every evaluated picture",
    "robustness.csv": "p_ai of a sample of the test pictures, altered in all ways",
    "robustness.json": "what that tells, in figures",
    "figures": "the pictures of this page",
}
_RECORDED = (
    "test",
    "val",
    "stages",
    "best",
    "model",
    "data",
    "balance",
    "seed",
    "precision",
    "device",
    "seconds",
    "command",
    "versions",
    "git",
)


def write_page(run: Path) -> Path:
    """Write report.html into the folder of a finished run.

    Args:
        run: holds metrics.json; what else a run writes (tables, figures) is shown where it is there.

    Returns:
        The page's path.

    Raises:
        ArtclfError: where metrics.json is missing, or one of the files is not what a run writes.
    """
    metrics, audit = read_metrics(run), audit_section(run)
    test = metrics.get("test") or {}
    others = [*other_splits(metrics), *(["val"] if metrics.get("val") else [])]
    confusions = ["confusion", *(f"confusion_{name}" for name in others)]
    heatmaps = [f"cells_{name}" for name in others]
    drawn = {name: embed(run / "figures" / f"{name}.png") for name in dict.fromkeys((*_CAPTIONS, *confusions, *heatmaps))}
    figures = {name: picture for name, picture in drawn.items() if picture is not None}
    rejected = read_table(run / "rejected.csv", text=("path", "reason"))
    mistakes = _mistakes(run)
    model, source = (metrics.get("model") or {}).get("name"), (metrics.get("data") or {}).get("source")
    page = render(
        "page.html",
        over=_over(run, metrics),
        robustness=robustness_section(run),
        audit=audit,
        title=f"{model or 'A network'}{f' on {source}' if source else ''}: made by AI, or by people?",
        metrics=metrics,
        test=test,
        guessing=guessing(metrics),
        sentences=three_sentences(metrics, audit["free"] if audit else None),
        accused=_fraction(test, "human", "ai"),
        missed=_fraction(test, "ai", "human"),
        figures=figures,
        captions=_captions(metrics, others),
        confusions=[name for name in confusions if name in figures],
        counts=_counts((metrics.get("data") or {}).get("counts") or {}),
        rejected=[] if rejected is None else rejected.head(_MOST_REJECTED).to_dict("records"),
        rejected_number=(metrics.get("data") or {}).get("rejected") or (0 if rejected is None else len(rejected)),
        judged=read_cells(run, [name for name in ("test", *others) if name != "val"]),
        threshold=THRESHOLD,
        calibration=calibration_section(metrics),
        forms=forms_section(metrics),
        splits=[(name, metrics[name]) for name in ("test", *others) if metrics.get(name)],
        mistakes=None if mistakes is None else mistakes.groupby("label").head(_MOST_MISTAKES).to_dict("records"),
        mistakes_number={} if mistakes is None else mistakes["label"].value_counts().to_dict(),
        facts=_facts(metrics),
        not_recorded=[key for key in (_RECORDED if "evaluation" not in metrics else ()) if key not in metrics],
        files=[(name, what) for name, what in _FILES.items() if (run / name).exists()],
    )
    path = run / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _over(run: Path, metrics: Mapping[str, Any]) -> str:
    """What the page is a report of."""
    evaluation = metrics.get("evaluation")
    if not evaluation:
        return f"report of a run: {run.resolve().name}"
    return f"evaluation of {evaluation.get('of')} on {evaluation.get('data')}"


def _captions(metrics: Mapping[str, Any], others: list[str]) -> dict[str, dict[str, str]]:
    """What each figure shows, for the eye (caption) and for who cannot see it (alt)."""
    captions = dict(_CAPTIONS)
    for name in others:
        captions[f"confusion_{name}"] = f"The split {name}: who made its pictures, and the verdicts."
        captions[f"cells_{name}"] = captions["cells"].replace("Test pictures", f"The split {name}")
    texts = {name: {"alt": caption, "caption": caption} for name, caption in captions.items()}
    for figure, split in [("confusion", "test"), *((f"confusion_{name}", name) for name in others)]:
        numbers = errors_in_words(metrics.get(split) or {})
        texts[figure]["alt"] = f"Confusion matrix of the split {split}: {numbers or 'no figures'}"
    return texts


def _fraction(split: Mapping[str, Any], truth: str, verdict: str) -> str:
    row = (split.get("confusion") or {}).get(truth) or {}
    return f": {fmt.count(row.get(verdict, 0))} of {fmt.count(sum(row.values()))}" if row else ""


def _counts(counts: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[str, Any]:
    """The table of pictures: a row for each maker, a column for each split."""
    known = ("train", "val", "test")
    splits = [name for name in known if name in counts] + [name for name in counts if name not in known]
    makers = sorted(
        {(label, generator) for split in counts.values() for label, group in split.items() for generator in group},
        key=lambda maker: (maker[0] != "human", maker[1]),
    )
    numbers = {maker: [counts[split].get(maker[0], {}).get(maker[1], 0) for split in splits] for maker in makers}
    return {
        "splits": splits,
        "rows": [{"label": label, "generator": generator, "numbers": numbers[label, generator]} for label, generator in makers],
        "sums": [sum(column) for column in zip(*numbers.values(), strict=True)],
    }


def _mistakes(run: Path) -> pd.DataFrame | None:
    """Wrong verdicts on test pictures, false accusations first, in each kind the surest first."""
    predictions = read_table(run / "predictions.csv", text=("path", "label", "generator", "style", "split"), numbers=("p_ai",))
    if predictions is None:
        return None
    test = predictions[predictions["split"] == "test"]
    wrong = test[(test["p_ai"] >= THRESHOLD) != (test["label"] == "ai")]
    wrong = wrong.assign(sure=(wrong["p_ai"] - THRESHOLD).abs())
    return wrong.sort_values(["label", "sure", "path"], ascending=[False, False, True])


def _facts(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    evaluation = metrics.get("evaluation") or {}
    facts = {
        "seed": metrics.get("seed"),
        "precision": metrics.get("precision"),
        "device": metrics.get("device"),
        "checkpoint": evaluation.get("checkpoint"),
        "checkpoint, SHA-256": evaluation.get("checkpoint_sha256"),
        "git": metrics.get("git") or ("not run from a git checkout" if "git" in metrics else None),
        "data": (metrics.get("data") or {}).get("root"),
        "manifest, SHA-256": (metrics.get("data") or {}).get("manifest_sha256"),
        "versions": ", ".join(f"{name} {version}" for name, version in (metrics.get("versions") or {}).items()) or None,
    }
    return [(name, str(value)) for name, value in facts.items() if value is not None]
