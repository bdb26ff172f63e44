"""report.html: one page about a run or an evaluation, written from what lies in its folder."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from matplotlib.figure import Figure

from artclf.data.images import DEFAULT_MAX_PIXELS, UnreadableImage
from artclf.evaluation.decision import THRESHOLD
from artclf.evaluation.guarantees import seen_in_training
from artclf.evaluation.metrics import COLUMNS, worst_group
from artclf.evaluation.robustness import Robustness
from artclf.report.data_page import audit_section, count_images
from artclf.report.findings import (
    THRESHOLDS,
    Metrics,
    broken_guarantees,
    findings,
    guessing,
    has_few,
    limits,
    measured,
    thresholds,
)
from artclf.report.render import embed, lines, load_template, save_figures, thumbnail, write_page
from artclf.report.robustness import plot_rates, read_robustness, robustness_section
from artclf.report.run_plots import plot_reliability, plot_roc_pr, plot_scores, plot_training, read_history
from artclf.run_folder import CONFIG_FILE, read_metrics, read_table, read_yaml

_thumbnail = lru_cache(maxsize=500)(thumbnail)  # the runs of a multirun show many of the same images
_MOST_BLOCKS = 20  # of a network
_MOST_MISTAKES = 6  # of each kind
_MOST_SAMPLES = 12  # of each class
_CLASSES: tuple[Literal["human", "ai"], ...] = ("human", "ai")
_TABLES = {  # of groups.csv: how many rows are shown at most, and which kinds of groups
    "pairs": (150, ("human_by_style", "generator_by_style")),
    "generators": (40, ("human", "generator", "family")),
    "sources": (40, ("source",)),
    "styles": (40, ("style",)),
}
_IMAGE = ("path", "label", "generator", "style", "split")


def write_report(run: Path) -> Path:
    """Draw the figures of a finished run or evaluation and write report.html, from what lies in its folder.

    Images are shown where they still lie in the folder that they were read from.

    Raises:
        ArtclfError: where metrics.json is missing, or one of the files is not what a run writes.
    """
    metrics = read_metrics(run, Metrics)
    order = sorted(metrics.get("splits", {}), key=lambda name: (name == "val", name != "test", name))
    splits = {name: metrics["splits"][name] for name in order}
    predictions = _table(run / "predictions.csv", _IMAGE, ("p_ai",))
    tested = predictions[predictions["split"] == "test"]
    manifest = _table(run / "manifest.csv", _IMAGE)
    robustness = read_robustness(run)
    figures = save_figures(run / "figures", _draw(run, metrics, tested, robustness))
    if (copies := run / "figures" / "copies.png").is_file():  # which training has drawn
        figures["copies"] = embed(copies)
    mistakes, audit = _mistakes(tested), audit_section(run, splits.get("test"))
    shown = {
        "mistakes": mistakes.groupby("label").head(_MOST_MISTAKES),
        "human": _samples(manifest, "human"),
        "ai": _samples(manifest, "ai"),
    }
    return write_page(
        run / "report.html",
        "page.html",
        name=run.resolve().name,
        metrics=metrics,
        splits=splits,
        guessing=guessing(metrics),
        broken=broken_guarantees(metrics),
        thresholds=thresholds(metrics),
        threshold_columns=THRESHOLDS,
        measured=measured(metrics),
        few="confusion" in splits.get("test", {}) and has_few(splits["test"]),
        findings=findings(metrics),
        seen=metrics.get("evaluation") or seen_in_training(predictions, manifest[manifest["split"] == "train"]),
        audit=audit,
        lead=lines("lead.txt", metrics=metrics),
        limits=limits(metrics, audit),
        robustness=robustness_section(run, robustness),
        figures=figures,
        counts=count_images(manifest) if len(manifest) else None,
        blocks=_blocks(run),
        rejected=_table(run / "rejected.csv", ("path", "reason")),
        groups=describe_groups(run, [name for name in splits if name != "val"]),
        tested=len(tested),
        mistakes_number=mistakes["label"].value_counts().to_dict(),
        images=_with_thumbnails(run, metrics, shown),
        files={file.name for file in run.iterdir()},
    )


def prepare_report(run: Path, root: Path) -> None:
    """Do in advance what the page of a run in training will need: read its templates, and the training images that it shows."""
    load_template("page.html")
    manifest = _table(run / "manifest.csv", _IMAGE)
    samples = pd.concat([_samples(manifest, label) for label in _CLASSES])
    _with_thumbnails(run, {"data": {"root": str(root)}}, {"samples": samples})


def _table(file: Path, text: tuple[str, ...], numbers: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a table; an empty one where there is no such file."""
    table = read_table(file, text=text, numbers=numbers)
    return pd.DataFrame(columns=[*text, *numbers]) if table is None else table


def _draw(run: Path, metrics: Mapping[str, Any], tested: pd.DataFrame, robustness: Robustness | None) -> dict[str, Figure]:
    """Draw what the tables of the folder allow."""
    figures: dict[str, Figure] = {}
    history = read_history(run)
    if len(history):
        figures["training"] = plot_training(history, metrics.get("stages") or [])
    if len(tested):
        figures["scores"] = plot_scores(tested)
        if tested["label"].nunique() == 2:  # the curves need both classes
            figures["roc_pr"] = plot_roc_pr(tested)
        if "calibrated" in tested:
            figures["reliability"] = plot_reliability(tested)
    if robustness is not None:
        figures["robustness"] = plot_rates(robustness)
    return figures


def _blocks(run: Path) -> list[dict[Any, Any]]:
    """The blocks of the network, from input to head: their layers, their parameters, and the first stage that trains them."""
    layers = _table(run / "layers.csv", ("name", "stage"), ("parameters",))
    layers["block"] = blocks_of(layers["name"])
    blocks = layers.groupby(["block", "stage"], sort=False)["parameters"].agg(["size", "sum"])
    return blocks.reset_index().to_dict("records")


def blocks_of(names: pd.Series) -> pd.Series:
    """Name the block of each layer: its dotted name, cut to as many parts as give at most 20 blocks, if any do."""
    parts, blocks = names.str.split("."), names
    for depth in range(names.str.count(r"\.").max() + 1, 0, -1) if len(names) else ():
        blocks = parts.str[:depth].str.join(".")
        if blocks.nunique() <= _MOST_BLOCKS:
            break
    return blocks


def _with_thumbnails(
    run: Path, metrics: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]
) -> dict[str, list[dict[Any, Any]]]:
    """The rows of tables, each with its "thumbnail", or with the reason why there is none."""
    root = Path(metrics.get("data", {}).get("root") or ".")
    settings: Mapping[Any, Any] = read_yaml(run / CONFIG_FILE, "remove it, and the page goes without it") or {}
    data = settings.get("data")
    asked = data.get("max_pixels") if isinstance(data, Mapping) else None
    max_pixels = asked if isinstance(asked, int) else DEFAULT_MAX_PIXELS
    shown: dict[str, list[dict[Any, Any]]] = {}
    for name, table in tables.items():
        shown[name] = table.to_dict("records")
        for row in shown[name]:
            try:
                row["thumbnail"] = _thumbnail(root / row["path"], max_pixels)
            except UnreadableImage as error:
                row["reason"] = error.reason
    return shown


def _mistakes(tested: pd.DataFrame) -> pd.DataFrame:
    """Wrong verdicts, false accusations first, in each kind the surest first."""
    wrong = tested[(tested["p_ai"] >= THRESHOLD) != (tested["label"] == "ai")]
    wrong = wrong.assign(sure=(wrong["p_ai"] - THRESHOLD).abs())
    return wrong.sort_values(["label", "sure", "path"], ascending=[False, False, True])


def _samples(manifest: pd.DataFrame, label: str) -> pd.DataFrame:
    """Training images of a class, in turn from each of its generators and styles."""
    rows = manifest[(manifest["split"] == "train") & (manifest["label"] == label)]
    turn = rows.groupby(["generator", "style"]).cumcount()
    return rows.assign(turn=turn).sort_values(["turn", "generator", "style"], kind="stable").head(_MOST_SAMPLES)


def describe_groups(run: Path, splits: Sequence[str]) -> list[dict[str, Any]]:
    """What groups.csv holds of each of these splits: a sentence on the worst group of each class, and the rows of the tables.

    The largest groups come first.
    """
    text = ("split", "group", "generator", "style", "too_small")
    table = _table(run / "groups.csv", text, tuple(name for name in COLUMNS if name not in (*text, "source")))
    table = table.assign(
        source=table.get("source", ""), n=table["n_ai"] + table["n_human"], too_small=table["too_small"] == "True"
    )
    parts = []
    for split in splits:
        rows = table[table["split"] == split].sort_values("n", ascending=False, kind="stable")
        tables = {
            name: rows[rows["group"].isin(kinds)].head(most).to_dict("records") for name, (most, kinds) in _TABLES.items()
        }
        classes: list[Literal["ai", "human"]] = [label for label in _CLASSES if rows[f"n_{label}"].any()]
        worst = [
            line for label in classes for line in lines("worst_group.txt", label=label, worst=worst_group(table, label, split))
        ]
        if tables["generators"]:
            parts.append({"split": split, "worst": worst, **tables})
    return parts
