"""What robustness.json says: in sentences, as rows of a table, and as a figure."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from artclf.data.distortions import DISTORTIONS, NOTHING, REENCODED, REENCODED_QUALITY
from artclf.evaluation.intervals import Estimate
from artclf.evaluation.robustness import Altered, Robustness
from artclf.report import plots
from artclf.report.render import lines
from artclf.run_folder import read_json


def read_robustness(folder: Path) -> Robustness | None:
    """Read robustness.json; None where there is none. ArtclfError where it is something else."""
    found: Robustness | None = read_json(folder / "robustness.json", "evaluate again", Robustness)
    return found


def list_levels(found: Robustness, first: str = NOTHING) -> list[dict[str, Any]]:
    """List the levels of all alterations, each with its name ("JPEG 30") and what is found beyond chance."""
    titles = {distortion.name: distortion for distortion in DISTORTIONS}
    rows = []
    for level in found.levels:
        if level.first != first:
            continue
        name = f"JPEG {REENCODED_QUALITY}" if first == REENCODED else "unaltered"
        if level.level is not None:
            distortion = titles[level.distortion]
            name = f"{distortion.title} {distortion.named(level.level)}"
        bias = [f"bias to {'AI' if level.biased == 'ai' else 'human'}"] if level.biased else []
        findings = ["fragility"] * bool(level.fragile) + bias + ["threshold"] * bool(level.shifted)
        rows.append({"level": level, "name": name, "findings": findings})
    return rows


def describe_robustness(found: Robustness) -> list[str]:
    """Describe the largest loss, the most false accusations, what is bias or fragility, and what re-encoding alike changes."""
    return lines("robustness.txt", found=found, levels=list_levels(found), reencoded_first=list_levels(found, REENCODED))


def robustness_section(folder: Path, found: Robustness | None) -> dict[str, Any] | None:
    """What section_robustness.html shows; None where robustness was not measured."""
    if found is None:
        return None
    return {
        **read_json(folder / "robustness.json", "evaluate again", dict[str, Any]),
        "sentences": describe_robustness(found),
        "levels": list_levels(found),
        "reencoded_first": list_levels(found, REENCODED),
        "distortions": [distortion for distortion in DISTORTIONS if found.of(distortion.name)],
    }


def plot_rates(found: Robustness) -> Figure:
    """Plot the shares of AI images found and of human images called AI, with 95% intervals: a panel for each distortion."""
    rates: dict[str, tuple[str, Callable[[Altered], Estimate]]] = {}
    if found.ai:
        rates["AI images found"] = plots.AI, lambda level: level.recall
    if found.human:
        rates["human images called AI"] = plots.HUMAN, lambda level: level.false_positive_rate
    distortions = [distortion for distortion in DISTORTIONS if found.of(distortion.name)]
    title = f"Altered images called AI (threshold {found.threshold:.3g})"
    figure, panels = plots.panels(title, len(distortions), 3, height=1.5, sharey=True, legend=True)
    for axes, distortion in zip(panels, distortions, strict=True):
        for first, look, note in ((NOTHING, "o-", ""), (REENCODED, "x:", f", all JPEG {REENCODED_QUALITY} first")):
            levels = found.of(distortion.name, first)
            for label, (colour, estimate_of) in rates.items() if levels else ():
                estimates = [estimate_of(level) for level in (*found.of(NOTHING, first), *levels)]
                values, lows, highs = np.array([(one.value, one.low, one.high) for one in estimates], dtype=float).T
                axes.plot(values, look, color=colour, markersize=4, label=label + note)
                if first == NOTHING:
                    axes.fill_between(range(len(values)), lows, highs, color=colour, alpha=0.1, linewidth=0)
        axes.set_title(f"{distortion.title} ({distortion.unit})")
        axes.set_xticks(range(1 + len(distortion.levels)), ["none", *map(distortion.named, distortion.levels)])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="lower left", ncols=3)
    return figure
