"""The page of a case file."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageColor

import artclf
from artclf.evaluation import Floats
from artclf.evaluation.decision import AI, HUMAN, DecisionRule
from artclf.evaluation.guarantees import UNNAMED
from artclf.provenance.read import CAUTION, Provenance
from artclf.report.findings import broken_guarantees, measured
from artclf.report.plots import COLOURS
from artclf.report.render import EmbeddedImage, as_jpeg, thumbnail, write_page

_NAMED = 8  # generators, styles or sources that a line names


@dataclass(frozen=True)
class Case:
    """All that the case file of an image tells."""

    image: Path
    stored: dict[str, Any]  # format, width, height and sha256 of the file
    found: Any  # artclf.inference.predict.Prediction
    deliveries: list[tuple[str, float, str]]  # name, p_ai, verdict; the image as given comes first
    split: str  # in which split of the model's own run the image was; "" in none, or not known
    rule: DecisionRule
    run: str  # the run's name
    metrics: dict[str, Any]  # its metrics.json, and the next two its tables; empty without a run folder
    manifest: pd.DataFrame
    predictions: pd.DataFrame
    checkpoint: str  # its SHA-256
    provenance: Provenance
    explanation: Any  # artclf.inference.explain.Explanation
    neighbours: Any  # artclf.inference.neighbours.Neighbours


def write_case_page(to: Path, case: Case, max_pixels: int) -> Path:
    """Write the page. UnreadableImage where the image, or one of its neighbours, can no longer be read."""
    explanation = case.explanation
    rows = case.neighbours.rows.to_dict("records")
    rule = case.metrics.get("decision_rule") or {}
    own_rule = all(rule.get(key) == getattr(case.rule, key) for key in ("ai_from", "human_below", "fitted_on"))
    trained, rest = case.manifest[case.manifest["split"] == "train"], case.predictions[case.predictions["split"] == "test"]
    return write_page(
        to,
        "case.html",
        case=case,
        caution=CAUTION,
        made=f"{datetime.now():%Y-%m-%d}",
        version=artclf.__version__,
        shown=thumbnail(case.image, max_pixels),
        square=as_jpeg(Image.fromarray(explanation.pixels)),
        map=heat_map(explanation.pixels, explanation.cells),
        nearest=[row | {"thumbnail": thumbnail(row["file"], max_pixels)} for row in rows],
        broken=broken_guarantees(case.metrics) if own_rule else [],
        measured=measured(case.metrics).get("test") if own_rule else None,
        higher=_share(rest[rest["label"] == HUMAN], rest["p_ai"] >= case.found.p_ai),
        lower=_share(rest[rest["label"] == AI], rest["p_ai"] <= case.found.p_ai),
        generators=_names(trained["generator"]),
        counts={label: int((trained["label"] == label).sum()) for label in (HUMAN, AI)},
        untested=_untested(case.manifest, case.stored["format"]),
    )


def heat_map(pixels: np.ndarray[Any, np.dtype[np.uint8]], cells: Floats) -> EmbeddedImage:
    """Draw a map [G, G] over an image, uint8 [S, S, 3], in grey: orange above 0, blue below, stronger where it is greater."""
    grey = Image.fromarray(pixels).convert("L").convert("RGB")
    colours = np.array([ImageColor.getrgb(COLOURS[label]) for label in (HUMAN, AI)], dtype=np.uint8)[(cells > 0).astype(int)]
    strength = np.abs(cells) / max(float(np.abs(cells).max()), 1e-12)
    overlay = Image.fromarray(np.dstack([colours, (220 * strength).astype(np.uint8)]), "RGBA").resize(grey.size)
    pale = Image.blend(grey, Image.new("RGB", grey.size, "white"), 0.4).convert("RGBA")
    return as_jpeg(Image.alpha_composite(pale, overlay).convert("RGB"))


def _share(rows: pd.DataFrame, beyond: "pd.Series[bool]") -> tuple[int, int]:
    """How many of these rows lie beyond, and how many there are."""
    return int(beyond[rows.index].sum()), len(rows)


def _names(column: "pd.Series[str]") -> str:
    """The names in a column, without those that say nothing; "" where there are none."""
    names = sorted(set(column) - UNNAMED - {HUMAN})
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _untested(manifest: pd.DataFrame, kind: str) -> list[str]:
    """What no image that tested the model was, a line each."""
    tested = manifest[~manifest["split"].isin(["train", "val"])]
    if tested.empty:
        return ["What it was tested on is not known here."]
    lines = []
    for column in ("generator", "style", "source"):
        if column in tested:
            names = _names(tested[column])
            lines.append(f"Any {column} but {names}." if names else f"Any {column} by name: the test images name none.")
    formats = {Image.registered_extensions().get(Path(path).suffix.lower(), "") for path in tested["path"]} - {""}
    if kind not in formats:
        lines.append(f"{kind} files, as this one is: the test images are {', '.join(sorted(formats))}.")
    return [*lines, "Human images that were edited with AI, and AI images that a human has painted over."]
