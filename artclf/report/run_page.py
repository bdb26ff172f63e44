"""report.html: one page about a run or an evaluation, written from what lies in its folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from matplotlib.figure import Figure

from artclf.data.distortions import ALIKE, ALIKE_QUALITY, DISTORTIONS, NOTHING
from artclf.data.images import DEFAULT_MAX_PIXELS, UnreadableImage
from artclf.evaluation.groups import COLUMNS, FIGURES, worst_group
from artclf.evaluation.metrics import THRESHOLD
from artclf.evaluation.robustness import Altered
from artclf.report import format as fmt
from artclf.report.data_page import audit_section
from artclf.report.figures.network import plot_network
from artclf.report.figures.robustness import plot_alone, plot_rates
from artclf.report.figures.scores import plot_confusions, plot_reliability, plot_roc_pr, plot_scores
from artclf.report.figures.training import plot_curves
from artclf.report.finished_runs import read_history
from artclf.report.render import embed, render, thumbnail
from artclf.report.style import save
from artclf.report.text import (
    guessing,
    name_of,
    other_splits,
    read_robustness,
    robustness_in_words,
    three_sentences,
)
from artclf.run_folder import read_json, read_metrics, read_table

_MOST_REJECTED = 20
_MOST_MISTAKES = 6  # of each kind
_MOST_SAMPLES = 12  # of each class
_MOST_GROUPS = 40  # rows of a table of groups
_MOST_CELLS = 150  # groups of one generator and one style
_TEXT = ("path", "label", "generator", "style", "split")
_FILES = {
    "config.yaml": "all settings, resolved",
    "manifest.csv": "which images, in which split",
    "rejected.csv": "files that could not be read, and why",
    "checkpoints": "the weights: best.ckpt and last.ckpt",
    "layers.csv": "the layers of the network, and which stage trains each",
    "metrics.csv": "an epoch a row",
    "metrics.json": "the final figures, with what produced them",
    "audit.json": "what a classifier could cheat with",
    "groups.csv": "every figure by split, generator and style, with its 95% interval",
    "predictions.csv": "p_ai, calibrated probability and verdict of every evaluated image",
    "robustness.csv": "p_ai of a sample of the test images, altered in all ways",
    "robustness.json": "the same, in figures",
    "figures": "the figures of this page",
}
_RECORDED = ("splits", "stages", "best", "model", "data", "balance", "seed", "precision", "device", "seconds", "command")


def write_report(run: Path) -> Path:
    """Draw the figures of a finished run or evaluation and write report.html, from what lies in its folder.

    Args:
        run: holds metrics.json; the other tables that a run writes are shown where they are there, and images where they
            still lie in the folder that they were read from.

    Returns:
        The page's path.

    Raises:
        ArtclfError: where metrics.json is missing, or one of the files is not what a run writes.
    """
    metrics = read_metrics(run)
    predictions = read_table(run / "predictions.csv", text=_TEXT, numbers=("p_ai",))
    _draw(run, metrics, predictions)
    splits, data = metrics.get("splits") or {}, metrics.get("data") or {}
    test = splits.get("test") or {}
    others = [*other_splits(metrics), *(["val"] if splits.get("val") else [])]
    audit = audit_section(run, _reached(test))
    images = _Images(run, data)
    mistakes = _mistakes(predictions)
    rejected = read_table(run / "rejected.csv", text=("path", "reason"))
    manifest = read_table(run / "manifest.csv", text=_TEXT)
    page = render(
        "page.html",
        name=run.resolve().name,
        metrics=metrics,
        test=test,
        guessing=guessing(metrics),
        sentences=three_sentences(metrics, audit["free"] if audit else None),
        audit=audit,
        robustness=_robustness(run),
        figures={file.stem: embed(file) for file in sorted((run / "figures").glob("*.png"))},
        counts=_counts(data.get("counts") or {}),
        rejected=[] if rejected is None else rejected.head(_MOST_REJECTED).to_dict("records"),
        rejected_number=data.get("rejected") or (0 if rejected is None else len(rejected)),
        groups=_groups(run, [name for name in ("test", *others) if name != "val"]),
        threshold=THRESHOLD,
        calibration=_calibration(metrics),
        forms=metrics.get("canonical_comparison"),
        splits=[(name, splits[name]) for name in ("test", *others) if splits.get(name)],
        mistakes=None if mistakes is None else images.of(mistakes.groupby("label").head(_MOST_MISTAKES)),
        mistakes_number={} if mistakes is None else mistakes["label"].value_counts().to_dict(),
        samples={label: images.of(_samples(manifest, label)) for label in ("human", "ai")},
        unread=images.unread,
        facts=_facts(metrics),
        not_recorded=[key for key in (_RECORDED if "evaluation" not in metrics else ()) if key not in metrics],
        files=[(name, what) for name, what in _FILES.items() if (run / name).exists()],
    )
    path = run / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _draw(run: Path, metrics: Mapping[str, Any], predictions: pd.DataFrame | None) -> None:
    """Draw what the tables of the folder allow, into figures/."""
    drawn: dict[str, Figure] = {}
    history = read_history(run)
    if "stage" in history.columns:
        drawn |= {name: plot_curves(history, metrics.get("stages") or [], name) for name in ("accuracy", "loss")}
    layers = read_table(run / "layers.csv", text=("name", "kind", "stage"), numbers=("parameters",))
    if layers is not None:
        drawn["network"] = plot_network(layers, f"{metrics['model']['name']}: parameters, and the stage that trains them")
    test = None if predictions is None else predictions[predictions["split"] == "test"]
    if test is not None and len(test):
        is_ai = (test["label"] == "ai").to_numpy(dtype=bool)
        drawn["confusion"] = plot_confusions([("test images", metrics["splits"]["test"]["confusion"])])
        drawn["scores"] = plot_scores(test)
        if is_ai.any() and not is_ai.all():  # the curves need both classes
            drawn["roc_pr"] = plot_roc_pr(is_ai, test["p_ai"].to_numpy(dtype=float))
        if "calibrated" in test.columns:
            drawn["reliability"] = plot_reliability(test)
    found = read_robustness(run)
    if found is not None:
        drawn["robustness"] = plot_rates(found)
        if found.human and found.ai:
            drawn["robustness_alone"] = plot_alone(found)
    for name, figure in drawn.items():
        save(figure, run / "figures" / f"{name}.png")


def _reached(test: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """The network's AUROC on test images, and the bounds of its interval."""
    bounds = (test.get("intervals") or {}).get("auroc")
    return None if test.get("auroc") is None or bounds is None else (test["auroc"], bounds[0], bounds[1])


class _Images:
    """Thumbnails of a run's images; those that can't be read any more are noted."""

    def __init__(self, run: Path, data: Mapping[str, Any]) -> None:
        self.root = Path(data.get("root") or ".")
        config = run / "config.yaml"
        settings = (yaml.safe_load(config.read_text(encoding="utf-8")) if config.is_file() else None) or {}
        self.max_pixels = (settings.get("data") or {}).get("max_pixels") or DEFAULT_MAX_PIXELS
        self.unread: list[str] = []

    def of(self, rows: pd.DataFrame) -> list[dict[str, Any]]:
        """The rows as dicts, with the image (None where it can't be read) under "picture"."""
        found = []
        for row in rows.to_dict("records"):
            picture = None
            try:
                picture = thumbnail(self.root / str(row["path"]), self.max_pixels)
            except UnreadableImage as error:
                self.unread.append(f"{row['path']}: {error.reason}")
            found.append({**{str(key): value for key, value in row.items()}, "picture": picture})
        return found


def _mistakes(predictions: pd.DataFrame | None) -> pd.DataFrame | None:
    """Wrong verdicts on test images, false accusations first, in each kind the surest first."""
    if predictions is None:
        return None
    test = predictions[predictions["split"] == "test"]
    wrong = test[(test["p_ai"] >= THRESHOLD) != (test["label"] == "ai")]
    wrong = wrong.assign(sure=(wrong["p_ai"] - THRESHOLD).abs())
    return wrong.sort_values(["label", "sure", "path"], ascending=[False, False, True])


def _samples(manifest: pd.DataFrame | None, label: str) -> pd.DataFrame:
    """Training images of a class, in turn from each of its generators and styles."""
    if manifest is None:
        return pd.DataFrame()
    rows = manifest[(manifest["split"] == "train") & (manifest["label"] == label)]
    turn = rows.groupby(["generator", "style"]).cumcount()
    return rows.assign(turn=turn).sort_values(["turn", "generator", "style"], kind="stable").head(_MOST_SAMPLES)


def _counts(counts: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[str, Any]:
    """The table of images: a row for each generator, a column for each split."""
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


def _groups(run: Path, splits: list[str]) -> list[dict[str, Any]]:
    """What groups.csv holds of each of these splits: the worst groups, and the rows of the tables."""
    text = ("split", "cell", "generator", "style", "too_small")
    table = read_table(run / "groups.csv", text=text, numbers=tuple(name for name in COLUMNS if name not in text))
    if table is None:
        return []
    parts = []
    for split in splits:
        rows = table[table["split"] == split]
        if rows.empty:
            continue
        makers, styles = (rows[rows["cell"].isin(kinds)] for kinds in (("people", "generator"), ("style",)))
        whole, both = rows[rows["cell"] == "split"], rows[rows["cell"].str.endswith("_by_style")]
        grid: dict[str, dict[str, Any]] = {}
        for row in _rows(_largest(both, _MOST_CELLS)):
            grid.setdefault(row["generator"], {})[row["style"]] = row
        sides = {"human": whole["n_human"].sum(), "ai": whole["n_ai"].sum()}
        parts.append(
            {
                "split": split,
                "worst": {label: worst_group(table, label, split) for label in ("human", "ai") if sides[label]},
                "grid": grid,
                "grid_styles": sorted({name for row in grid.values() for name in row}),
                "makers": _rows(_largest(makers)),
                "styles": _rows(_largest(styles)),
                "left_out": sum(max(len(cells) - _MOST_GROUPS, 0) for cells in (makers, styles)),
            }
        )
    return parts


def _largest(groups: pd.DataFrame, most: int = _MOST_GROUPS) -> pd.DataFrame:
    sizes = groups["n_ai"] + groups["n_human"]
    return groups[sizes.rank(method="first", ascending=False) <= most]


def _rows(groups: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            **{str(key): value for key, value in row.items()},
            "n": row["n_ai"] + row["n_human"],
            "too_small": row["too_small"] == "True",
            "intervals": {
                name: None if fmt.missing(row[f"{name}_low"]) else [row[f"{name}_low"], row[f"{name}_high"]] for name in FIGURES
            },
        }
        for row in groups.to_dict("records")
    ]


def _calibration(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """What section_calibration.html shows; None where a run recorded none of it."""
    judge, calibration = metrics.get("judge"), metrics.get("calibration")
    if not judge or not calibration:
        return None
    names = sorted(calibration.get("splits") or {}, key=lambda name: ({"test": 0, "val": 2}.get(name, 1), name))
    return {"judge": judge, "calibration": calibration, "splits": names, "points": metrics.get("operating_points") or []}


def _robustness(run: Path) -> dict[str, Any] | None:
    """What section_robustness.html shows; None where robustness was not measured."""
    found = read_robustness(run)
    if found is None:
        return None
    content = read_json(run / "robustness.json", "evaluate again")
    return {
        "found": found,
        "sentences": robustness_in_words(found),
        "rows": [(name_of(level), level, _kind(level)) for level in found.levels if level.first == NOTHING],
        "again": [(name_of(level), level, _kind(level)) for level in found.levels if level.first == ALIKE],
        "alike_name": f"JPEG {ALIKE_QUALITY}",
        "notes": [(distortion.title, distortion.note) for distortion in DISTORTIONS if found.of(distortion.name)],
        "image_size": content.get("image_size"),
        "shorter_side": content.get("shorter_side") or {},
    }


def _kind(level: Altered) -> str:
    biased = {"ai": "bias to AI", "human": "bias to human"}.get(level.biased or "", "")
    kinds = ["fragility" if level.fragile else "", biased, "threshold" if level.shifted else ""]
    return ", ".join(kind for kind in kinds if kind)


def _facts(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    evaluation, data = metrics.get("evaluation") or {}, metrics.get("data") or {}
    facts = {
        "seed": metrics.get("seed"),
        "precision": metrics.get("precision"),
        "device": metrics.get("device"),
        "checkpoint": evaluation.get("checkpoint"),
        "checkpoint, SHA-256": evaluation.get("checkpoint_sha256"),
        "git": metrics.get("git") or ("not run from a git checkout" if "git" in metrics else None),
        "data": data.get("root"),
        "manifest, SHA-256": data.get("manifest_sha256"),
        "versions": ", ".join(f"{name} {version}" for name, version in (metrics.get("versions") or {}).items()) or None,
    }
    return [(name, str(value)) for name, value in facts.items() if value is not None]
