"""The page of a case file."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageColor

import artclf
from artclf.evaluation import Floats
from artclf.evaluation.decision import AI, HUMAN
from artclf.evaluation.guarantees import UNNAMED
from artclf.provenance.read import CAUTION
from artclf.report.findings import broken_guarantees, measured
from artclf.report.plots import COLOURS
from artclf.report.render import EmbeddedImage, as_jpeg, thumbnail, write_page

_NAMED = 8  # generators, styles or sources that a line names


def write_case_page(to: Path, image: Path, manifest: pd.DataFrame, tested: pd.DataFrame, max_pixels: int, **shown: Any) -> Path:
    """Write the case file of an image; `shown` is what case.html shows as it is.

    Args:
        to: the page.
        image: the file.
        manifest: of the model's run, empty where it is not known, as the next.
        tested: predictions.csv of the run.
        max_pixels: as images are read with.
        shown: by the names of case.html.

    Raises:
        UnreadableImage: the image, or one of its neighbours, can no longer be read.
    """
    why, metrics, rule, p_ai = shown["why"], shown["metrics"], shown["rule"], shown["found"].p_ai
    trained, tested = manifest[manifest["split"] == "train"], tested[tested["split"] == "test"]
    was = metrics.get("decision_rule") or {}
    own_rule = all(was.get(key) == getattr(rule, key) for key in ("ai_from", "human_below", "fitted_on"))
    human, ai = (tested.loc[tested["label"] == label, "p_ai"] for label in (HUMAN, AI))
    return write_page(
        to,
        "case.html",
        image=image,
        caution=CAUTION,
        made=f"{datetime.now():%Y-%m-%d}",
        version=artclf.__version__,
        thumbnail=thumbnail(image, max_pixels),
        square=as_jpeg(Image.fromarray(why.pixels)),
        map=heat_map(why.pixels, why.cells),
        nearest=[one | {"thumbnail": thumbnail(one["file"], max_pixels)} for one in shown["near"].rows.to_dict("records")],
        broken=broken_guarantees(metrics) if own_rule else [],
        measured=measured(metrics).get("test") if own_rule else None,
        higher=((human >= p_ai).sum(), len(human)),
        lower=((ai <= p_ai).sum(), len(ai)),
        generators=_names(trained["generator"]),
        counts={label: (trained["label"] == label).sum() for label in (HUMAN, AI)},
        untested=_untested(manifest, shown["stored"]["format"]),
        **shown,
    )


def heat_map(pixels: np.ndarray[Any, np.dtype[np.uint8]], cells: Floats) -> EmbeddedImage:
    """Draw a map [G, G] over an image, uint8 [S, S, 3], in grey: orange above 0, blue below, stronger where it is greater."""
    grey = Image.fromarray(pixels).convert("L").convert("RGB")
    colours = np.array([ImageColor.getrgb(COLOURS[label]) for label in (HUMAN, AI)], dtype=np.uint8)[(cells > 0).astype(int)]
    strength = np.abs(cells) / max(float(np.abs(cells).max()), 1e-12)
    overlay = Image.fromarray(np.dstack([colours, (220 * strength).astype(np.uint8)]), "RGBA").resize(grey.size)
    pale = Image.blend(grey, Image.new("RGB", grey.size, "white"), 0.4).convert("RGBA")
    return as_jpeg(Image.alpha_composite(pale, overlay).convert("RGB"))


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
