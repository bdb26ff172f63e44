"""report.html: one page about a run or an evaluation, written from what lies in its folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from matplotlib.figure import Figure

from artclf.data.distortions import ALIKE, DISTORTIONS
from artclf.data.images import DEFAULT_MAX_PIXELS, UnreadableImage
from artclf.evaluation.decision import THRESHOLD
from artclf.evaluation.groups import COLUMNS, worst_group
from artclf.evaluation.robustness import Robustness
from artclf.report import style
from artclf.report.data_page import audit_section
from artclf.report.figures.data import count_pictures
from artclf.report.figures.network import plot_network
from artclf.report.figures.robustness import plot_alone, plot_rates
from artclf.report.figures.scores import plot_confusions, plot_reliability, plot_roc_pr, plot_scores
from artclf.report.figures.training import plot_curves
from artclf.report.finished_runs import read_history
from artclf.report.render import embed, render, thumbnail
from artclf.report.text import describe_robustness, guessing, list_levels, read_robustness
from artclf.run_folder import read_json, read_metrics, read_table, write_text

_MOST_REJECTED = 20
_MOST_MISTAKES = 6  # of each kind
_MOST_SAMPLES = 12  # of each class
_MOST_GROUPS = 40  # rows of a table of groups
_MOST_PAIRS = 150  # of a generator and a style
_IMAGE = ("path", "label", "generator", "style", "split")


def write_report(run: Path) -> Path:
    """Draw the figures of a finished run or evaluation and write report.html, from what lies in its folder.

    Images are shown where they still lie in the folder that they were read from.

    Raises:
        ArtclfError: where metrics.json is missing, or one of the files is not what a run writes.
    """
    metrics = read_metrics(run)
    recorded = metrics.get("splits") or {}
    splits = {name: recorded[name] for name in sorted(recorded, key=lambda name: (name == "val", name != "test", name))}
    test = splits.get("test") or {}
    predictions = _table(run / "predictions.csv", _IMAGE, ("p_ai",))
    tested = predictions[predictions["split"] == "test"]
    manifest = _table(run / "manifest.csv", _IMAGE)
    rejected = _table(run / "rejected.csv", ("path", "reason"))
    robustness = read_robustness(run)
    for name, figure in _draw(run, metrics, tested, robustness).items():
        style.save(figure, run / "figures" / f"{name}.png")
    mistakes = _mistakes(tested)
    shown = {
        "mistakes": mistakes.groupby("label").head(_MOST_MISTAKES),
        "human": _samples(manifest, "human"),
        "ai": _samples(manifest, "ai"),
    }
    page = render(
        "page.html",
        name=run.resolve().name,
        metrics=metrics,
        splits=splits,
        guessing=guessing(metrics),
        audit=audit_section(run, _auroc(test)),
        robustness=_robustness(run, robustness),
        figures={file.stem: embed(file) for file in sorted((run / "figures").glob("*.png"))},
        counts=count_pictures(manifest) if len(manifest) else None,
        rejected=rejected.head(_MOST_REJECTED).to_dict("records"),
        rejected_number=len(rejected),
        groups=_groups(run, [name for name in splits if name != "val"]),
        threshold=THRESHOLD,
        tested=len(tested),
        mistakes_number=mistakes["label"].value_counts().to_dict(),
        images=_with_thumbnails(run, metrics, shown),
        files={file.name for file in run.iterdir()},
    )
    path = run / "report.html"
    write_text(path, page)
    return path


def _table(file: Path, text: tuple[str, ...], numbers: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a table; an empty one where there is no such file."""
    table = read_table(file, text=text, numbers=numbers)
    return pd.DataFrame(columns=[*text, *numbers]) if table is None else table


def _draw(run: Path, metrics: Mapping[str, Any], tested: pd.DataFrame, robustness: Robustness | None) -> dict[str, Figure]:
    """Draw what the tables of the folder allow."""
    figures: dict[str, Figure] = {}
    history = read_history(run)
    if len(history):
        figures |= {name: plot_curves(history, metrics.get("stages") or [], name) for name in ("accuracy", "loss")}
    layers = _table(run / "layers.csv", ("name", "stage"), ("parameters",))
    if len(layers):
        figures["network"] = plot_network(layers, f"{metrics['model']['name']}: parameters, and the stage that trains them")
    test = (metrics.get("splits") or {}).get("test")
    if test and len(tested):
        is_ai = (tested["label"] == "ai").to_numpy(dtype=bool)
        figures["confusion"] = plot_confusions([("test images", test["confusion"])])
        figures["scores"] = plot_scores(tested)
        if is_ai.any() and not is_ai.all():  # the curves need both classes
            figures["roc_pr"] = plot_roc_pr(is_ai, tested["p_ai"].to_numpy(dtype=float))
        if "calibrated" in tested.columns:
            figures["reliability"] = plot_reliability(tested)
    if robustness is not None:
        figures["robustness"] = plot_rates(robustness)
        if robustness.human and robustness.ai:
            figures["robustness_alone"] = plot_alone(robustness)
    return figures


def _auroc(test: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """The AUROC on test images, and the bounds of its interval."""
    bounds = (test.get("intervals") or {}).get("auroc")
    return None if bounds is None else (test["auroc"], bounds[0], bounds[1])


def _with_thumbnails(
    run: Path, metrics: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]
) -> dict[str, list[dict[str, Any]]]:
    """The rows of tables, each with its "picture", or with the reason why there is none."""
    root = Path((metrics.get("data") or {}).get("root") or ".")
    config = run / "config.yaml"
    settings = yaml.safe_load(config.read_text(encoding="utf-8")) if config.is_file() else None
    max_pixels = ((settings or {}).get("data") or {}).get("max_pixels") or DEFAULT_MAX_PIXELS

    def with_thumbnail(row: dict[Any, Any]) -> dict[str, Any]:
        try:
            return {**row, "picture": thumbnail(root / row["path"], max_pixels)}
        except UnreadableImage as error:
            return {**row, "picture": None, "reason": error.reason}

    return {name: [with_thumbnail(row) for row in table.to_dict("records")] for name, table in tables.items()}


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


def _groups(run: Path, splits: Sequence[str]) -> list[dict[str, Any]]:
    """What groups.csv holds of each of these splits: the worst groups, and the rows of the tables."""
    text = ("split", "group", "generator", "style", "too_small")
    table = _table(run / "groups.csv", text, tuple(name for name in COLUMNS if name not in text))
    table = table.assign(n=table["n_ai"] + table["n_human"], too_small=table["too_small"] == "True")
    parts = []
    for split in splits:
        rows = table[table["split"] == split]
        grid: dict[str, dict[str, Any]] = {}
        for row in _largest(rows, _MOST_PAIRS, "human_by_style", "generator_by_style"):
            grid.setdefault(row["generator"], {})[row["style"]] = row
        parts.append(
            {
                "split": split,
                "worst": {label: worst_group(table, label, split) for label in ("human", "ai") if rows[f"n_{label}"].any()},
                "grid": grid,
                "generators": _largest(rows, _MOST_GROUPS, "human", "generator"),
                "styles": _largest(rows, _MOST_GROUPS, "style"),
            }
        )
    return [part for part in parts if part["generators"]]


def _largest(rows: pd.DataFrame, most: int, *kinds: str) -> list[dict[Any, Any]]:
    """The largest groups of some kinds, in the order of the table."""
    of_kinds = rows[rows["group"].isin(kinds)]
    return of_kinds.loc[of_kinds["n"].astype(float).nlargest(most).index.sort_values()].to_dict("records")


def _robustness(run: Path, found: Robustness | None) -> dict[str, Any] | None:
    """What section_robustness.html shows; None where robustness was not measured."""
    if found is None:
        return None
    return {
        **read_json(run / "robustness.json", "evaluate again"),
        "sentences": describe_robustness(found),
        "levels": list_levels(found),
        "alike_first": list_levels(found, ALIKE),
        "distortions": [distortion for distortion in DISTORTIONS if found.of(distortion.name)],
    }
