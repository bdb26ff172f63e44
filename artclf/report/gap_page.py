"""The page that shows seen and unseen images side by side: of runs with `+holdout`, and of an evaluation on other data sets."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from artclf.evaluation.gap import FIGURES, Row, as_table
from artclf.evaluation.intervals import UNDEFINED, Estimate
from artclf.report.plots import plot_intervals
from artclf.report.render import save_figures, write_page
from artclf.run_folder import write_json, write_table

PANELS = ("auroc", "recall_at_1", "recall_at_5", "false_positive_rate", "recall")


def write_gap(file: Path, rows: list[Row], sentences: Sequence[str], **context: Any) -> None:
    """Write seen and unseen images side by side: `file` with the suffixes .html, .csv, .json and .png.

    `context` is what gap.html shows besides: title, by (what was left out; "" for data sets), commands, links (name → address)
    and, where there are any, demo, failed, skipped, fallbacks and resume.
    """
    write_table(file.with_suffix(".csv"), as_table(rows))
    write_json(file.with_suffix(".json"), {**context, "sentences": sentences, "rows": [asdict(row) for row in rows]})
    figures = save_figures(file.parent, {file.name: plot_gap(rows, context["by"])})
    few = min((row.human for row in rows if row.human), default=100)
    more = {"sentences": sentences, "rows": rows, "headings": FIGURES, "fewest": few, "stem": file.name, **context}
    write_page(file.with_suffix(".html"), "gap.html", figure=figures[file.name], folder=file.resolve().parent.name, **more)


def plot_gap(rows: Sequence[Row], by: str) -> Figure:
    """Plot the figures that have intervals: of each that was left out, unseen beside seen; of data sets, each."""
    names = list(dict.fromkeys(row.name for row in rows))
    labels = {"unseen": f"not trained on the {by} (all images)", "seen": "trained on it (its test images)"} if by else {"": ""}
    found: dict[tuple[str, str], dict[str, Estimate]] = {(row.name, row.images if by else ""): row.estimates for row in rows}
    panels = {
        FIGURES[figure]: {
            label: [found[name, images][figure] if (name, images) in found else UNDEFINED for name in names]
            for images, label in labels.items()
        }
        for figure in PANELS
    }
    title = f"Images of each {by}, by networks trained and not trained on it" if by else "Seen and unseen images"
    return plot_intervals(title, names, panels)
