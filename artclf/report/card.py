"""A model card with the Hub's metadata, and Croissant metadata of a manifest, from what lies in a run folder (extra `hub`)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from artclf.errors import ArtclfError, without_folders
from artclf.report.data_page import AUDIT_FILE, Audit, count_images, describe_audit, shortcut_auroc
from artclf.report.findings import THRESHOLDS, Metrics, broken_guarantees, findings, limits, measured, thresholds
from artclf.report.render import lines, text
from artclf.report.robustness import describe_robustness, read_robustness
from artclf.report.run_page import describe_groups
from artclf.run_folder import MANIFEST_FILE, METRICS_FILE, read_json, read_metrics, write_json, write_text

CARD_FILE, CROISSANT_FILE = "README.md", "croissant.json"
_FIGURES = {  # of metrics.json → the Hub's name for it, and the heading
    "accuracy": ("accuracy", "accuracy"),
    "balanced_accuracy": ("balanced_accuracy", "balanced accuracy"),
    "auroc": ("roc_auc", "AUROC"),
    "false_positive_rate": ("false_positive_rate", "human images called AI"),
    "false_negative_rate": ("false_negative_rate", "AI images called human"),
}
_FIELDS = {
    "path": "Path of the image, below the folder of images.",
    "label": "ai or human.",
    "generator": "What made the image; human for human images.",
    "style": "Style of the image.",
    "split": "train, val, test, or a further set of test images.",
    "source": "Where the image came from: a dataset, a site, a scanner.",
    "year": "Year in which the image was made.",
    "sha256": "SHA-256 of the file.",
}


@dataclass(frozen=True)
class Card:
    """What a card is written from."""

    run: Path  # the folder of the finished run
    images: pd.DataFrame  # its manifest.csv
    metrics: Mapping[str, Any]  # its metrics.json, by the decision rule that the model has now
    hyper_parameters: Mapping[str, Any]  # of the network
    checkpoint_sha256: str
    name: str = ""  # of the model, OWNER/NAME on the Hub, if it has one
    license: str | None = None  # as the Hub calls it; None: the card names none
    evaluations: Sequence[Path] = ()  # folders that `artclf evaluate` has written about this model

    @property
    def title(self) -> str:
        """The name of the model, or of network and data."""
        return self.name or f"{self.metrics['model']['name']} on {self.metrics['data']['source']}"


def write_card(card: Card, folder: Path) -> None:
    """Write README.md into a folder. ArtclfError where a file of the run, or an evaluation, is not what artclf writes."""
    metrics = card.metrics
    audit = read_json(card.run / AUDIT_FILE, "delete it, and the card goes without it", Audit)
    splits = {name: split for name, split in metrics["splits"].items() if name != "val"}
    content = text(
        "card.md",
        card=card,
        metadata=_metadata(card),
        metrics=metrics,
        extras=",".join(["hub", *{"timm": ["timm"], "onnx": ["onnx"]}.get(card.hyper_parameters["library"], [])]),
        splits=splits,
        headings={key: heading for key, (_, heading) in _FIGURES.items()},
        lead=lines("lead.txt", metrics=metrics),
        measured=list(measured(metrics).values()),
        thresholds=[THRESHOLDS, *thresholds(metrics)],
        broken=broken_guarantees(metrics),
        failures=[*findings(metrics), *(line for part in describe_groups(card.run, list(splits)) for line in part["worst"])],
        evaluations=[_evaluation(card, one) for one in card.evaluations],
        limits=limits(metrics, audit and {"free": shortcut_auroc(audit)}),
        audit=describe_audit(audit) if audit else [],
        counts=count_images(card.images),
    )
    write_text(folder / CARD_FILE, without_folders(content))


def _metadata(card: Card) -> str:
    """The YAML on top of a card: what the Hub searches and shows."""
    from huggingface_hub import EvalResult, ModelCardData  # noqa: PLC0415 (an extra)

    test, data, known = card.metrics["splits"].get("test") or {}, card.metrics["data"]["source"], card.hyper_parameters
    task = {"task_type": "image-classification", "dataset_type": data, "dataset_name": data, "dataset_split": "test"}
    results = [
        EvalResult(**task, metric_type=kind, metric_name=heading, metric_value=round(test[key], 4))
        for key, (kind, heading) in _FIGURES.items()
        if test.get(key) is not None
    ]
    tagged = known["library"] == "timm" and known["weights"] == "pretrained" and "." in known["name"]  # as the Hub names it
    return ModelCardData(
        license=card.license,
        library_name="artclf",
        pipeline_tag="image-classification",
        tags=["art", "ai-generated-images", "ai-image-detection"],
        base_model=f"timm/{known['name']}" if tagged else None,
        metrics=[result.metric_type for result in results],
        model_name=card.title,
        eval_results=results,
    ).to_yaml()


def _evaluation(card: Card, folder: Path) -> dict[str, Any]:
    """Sentences on each data set of an evaluation, and on seen and unseen images. ArtclfError where it is of another model."""
    parts = [file.parent for file in (folder / METRICS_FILE, *sorted(folder.glob(f"*/{METRICS_FILE}"))) if file.is_file()]
    if not parts:
        raise ArtclfError(f"{folder}: holds no metrics.json; give what artclf evaluate RUN DATA --to FOLDER has written")
    found: dict[str, list[str]] = {}
    for part in parts:
        metrics = read_metrics(part, Metrics)
        tested = metrics.get("evaluation") or {}
        if tested.get("checkpoint_sha256") != card.checkpoint_sha256:
            raise ArtclfError(
                f"{part}: tested another model, or this one before artclf calibrate; evaluate this one, and try again"
            )
        altered = read_robustness(part)
        sentences = [*measured(metrics).values(), *findings(metrics), *broken_guarantees(metrics)]
        found[f"Images of {tested['data']}"] = [*sentences, *(describe_robustness(altered) if altered else ())]
    unseen = read_json(folder / "unseen.json", "evaluate again", dict[str, Any]) or {}
    return found | ({"Seen and unseen images": unseen["sentences"]} if unseen else {})


def write_croissant(card: Card, folder: Path) -> None:
    """Write croissant.json: a description of the run's manifest.csv, which is expected beside it."""
    import mlcroissant  # noqa: PLC0415 (an extra)

    file = card.run / MANIFEST_FILE
    described = mlcroissant.FileObject(
        id=MANIFEST_FILE,
        name=MANIFEST_FILE,
        content_url=MANIFEST_FILE,
        encoding_formats=["text/csv"],
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
    )
    fields = [
        mlcroissant.Field(
            id=f"images/{column}",
            name=column,
            description=_FIELDS[column],
            data_types=mlcroissant.DataType.TEXT,
            source=mlcroissant.Source(file_object=MANIFEST_FILE, extract=mlcroissant.Extract(column=column)),
        )
        for column in card.images
        if column in _FIELDS
    ]
    dataset = mlcroissant.Metadata(
        name=card.metrics["data"]["source"],
        description=f"The {len(card.images):,} images of {card.title}: a row for each that trained, validated or tested it.",
        distribution=[described],
        record_sets=[mlcroissant.RecordSet(id="images", name="images", fields=fields)],
    )
    write_json(folder / CROISSANT_FILE, dataset.to_json())
