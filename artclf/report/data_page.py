"""Pages about a data set: what it holds, and what a classifier could cheat with (an audit)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from typing_extensions import TypedDict

from artclf.data.facts import Survey
from artclf.data.images import DEFAULT_MAX_PIXELS
from artclf.data.manifest import COLUMNS
from artclf.data.rejected import describe_losses
from artclf.data.sampling import sample_images
from artclf.evaluation.audit import MET, describe_generators
from artclf.evaluation.intervals import Estimate
from artclf.evaluation.shortcuts import bytes_per_pixel, find_shortcuts
from artclf.evaluation.significance import LEVEL
from artclf.report import plots
from artclf.report.render import THUMBNAIL, as_jpeg, lines, save_figures, write_page
from artclf.run_folder import read_json, write_table

AUDIT_FILE = "audit.json"
_GROUPS_SHOWN = 6
_SAMPLES = 12  # of each group
_MOST_FACTS = 8  # in the figure

Json = Mapping[str, Any]


class Audit(TypedDict):
    """The parts of audit.json that are looked into."""

    file_facts: dict[str, Any]
    pixel_statistics: dict[str, Any]
    canonical_pixel_statistics: dict[str, Any] | None
    metadata: list[dict[str, Any]]  # facts that reach no network
    duplicates: dict[str, Any]
    shortcuts: list[dict[str, Any]]
    compared: dict[str, int]
    not_compared: str
    copies_left_out: int
    splits: list[str]
    other_splits: list[str]
    generators: list[dict[str, Any]]
    canonical_limits: dict[str, int]


def write_dataset(
    folder: Path,
    survey: Survey,
    *,
    name: str,
    seed: int,
    demo: bool = False,
    command: str = "",
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> tuple[Path, Survey, str]:
    """Write dataset.html, figures/, facts.csv and, where there are such files, unreadable.csv.

    An audit.json in the folder has a section of the page. `seed` is that of the survey, `command` the one that wrote the page.

    Returns:
        The page's path; the survey, in which samples whose pixels turned out to be damaged count as unreadable; and which
        facts of the files separate the classes, or "" where an audit describes that.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = survey.manifest.table
    samples, damaged = _samples(survey, seed, max_pixels)
    survey = _with_damaged(survey, damaged)
    figures = {"files": plot_files(survey.facts)} if len(survey.facts) else {}
    write_table(folder / "facts.csv", survey.facts)
    (folder / "unreadable.csv").unlink(missing_ok=True)  # of an earlier look
    if len(survey.unreadable):
        write_table(folder / "unreadable.csv", survey.unreadable)
    audit = audit_section(folder)
    shortcuts = [] if audit else find_shortcuts(survey.facts)  # an audit has looked at the same facts, and at more
    warning = "" if audit else " ".join(lines("shortcuts.txt", shortcuts=shortcuts))
    page = write_page(
        folder / "dataset.html",
        "dataset.html",
        name=name,
        command=command,
        audit=audit,
        demo=demo,
        survey=survey,
        sentences=describe(survey, seed),
        warning=warning,
        figures=save_figures(folder / "figures", figures),
        samples=samples,
        counts=count_images(table),
        styles=count_styles(table),
        stored=describe_generators(survey.facts) if len(survey.facts) and not audit else [],
        shortcuts=shortcuts,
        seed=seed,
    )
    return page, survey, warning


def describe(survey: Survey, seed: int) -> list[str]:
    """How many images there are, of what kinds, how many files were read, and what is lost by those that can't be."""
    ai = survey.manifest.table.query("label == 'ai'")
    every = pd.concat([survey.facts[list(COLUMNS)].assign(reason=""), survey.unreadable], ignore_index=True)
    found = lines("dataset.txt", survey=survey, ai=len(ai), generators=list(ai["generator"].value_counts().items()), seed=seed)
    return [*found, *describe_losses(every)]


def _samples(survey: Survey, seed: int, max_pixels: int) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """A random sample of each group's images, its styles in turn; and path and reason of those that can't be read."""
    table, root = survey.manifest.table, survey.manifest.root
    samples, damaged = [], []
    for name, rows in table.groupby(groups_of(table, _GROUPS_SHOWN), observed=True):
        images, bad = sample_images(root, rows, number=_SAMPLES, side=THUMBNAIL, seed=seed, max_pixels=max_pixels)
        damaged += bad
        shown = [{"thumbnail": as_jpeg(image), "style": look} for look, image in images]
        if shown:
            samples.append({"name": name, "label": rows["label"].iloc[0], "of": len(rows), "shown": shown})
    return samples, damaged


def _with_damaged(survey: Survey, damaged: Sequence[tuple[str, str]]) -> Survey:
    """Move files whose headers were read and whose pixels are damaged to the unreadable ones."""
    found = pd.DataFrame(damaged, columns=["path", "reason"])
    found = found[~found["path"].isin(survey.unreadable["path"])].merge(survey.manifest.table, on="path")
    if found.empty:
        return survey
    unreadable = pd.concat([survey.unreadable, found[list(survey.unreadable.columns)]], ignore_index=True)
    return replace(survey, facts=survey.facts[~survey.facts["path"].isin(found["path"])], unreadable=unreadable)


def audit_section(folder: Path, test: Json | None = None) -> dict[str, Any] | None:
    """Prepare what section_audit.html shows of a folder's audit.json, and draw its figure; None where nothing was audited.

    `test` are a trained network's figures on test images, as in metrics.json. ArtclfError where audit.json is no JSON.
    """
    found = read_json(folder / AUDIT_FILE, "delete it, and the page goes without it", Audit)
    if found is None:
        return None
    (folder / "figures" / "audit.png").unlink(missing_ok=True)  # of an earlier audit
    return {
        **found,
        "sentences": describe_audit(found),
        "how": describe_audit_method(found),
        "free": shortcut_auroc(found),
        "figures": {} if found["not_compared"] else save_figures(folder / "figures", {"audit": _plot_audit(found, test or {})}),
    }


def _plot_audit(found: Json, test: Json) -> Figure:
    """Plot the AUROC of the network, and of each part of what is known without a look at the art."""
    parts = {
        "this network, test images": {"auroc": test.get("auroc"), "auroc_interval": test.get("intervals", {}).get("auroc")},
        "file facts together": found["file_facts"],
        "image statistics together": found["pixel_statistics"],
        "statistics of canonical images": found["canonical_pixel_statistics"],
    }
    alone = [row for row in found["shortcuts"] if row.get("auroc") is not None]
    parts |= {f"{row['fact']} alone": row for row in alone[:_MOST_FACTS]}
    shown = {name: Estimate(part["auroc"], *part["auroc_interval"]) for name, part in parts.items() if part and part["auroc"]}
    title = "AUROC without a look at the art: 0.5 is guessing, 1 separates all"
    return plots.plot_intervals(title, list(shown), {"AUROC": {"": list(shown.values())}}, reference=0.5)


def describe_audit(found: Json) -> list[str]:
    """What the audit found."""
    return lines("audit.txt", found=found, free=shortcut_auroc(found), level=LEVEL, met=MET)


def shortcut_auroc(found: Json) -> float | None:
    """The AUROC that is reached without a look at the art, by file facts or image statistics; None where that is chance."""
    seen = found["canonical_pixel_statistics"] if found.get("canonical") else None
    parts = [seen] if seen else [found["file_facts"], found["pixel_statistics"]]
    return max((part["auroc"] for part in parts if part and part["notable"]), default=None)


def describe_audit_method(found: Json) -> str:
    """Which images were compared, and how."""
    return " ".join(lines("audit_method.txt", found=found))


def top(names: pd.Series, most: int) -> pd.Series:
    """Replace all but the most frequent names by "12 others" where there are more than `most`."""
    counts = names.value_counts()
    if len(counts) <= most:
        return names
    return names.where(names.isin(counts.index[: most - 1]), f"{len(counts) - most + 1} others")


def groups_of(table: pd.DataFrame, most: int = 10) -> pd.Series:
    """Name the group of each row: "human", or a generator; the smallest generators are taken together.

    The result is categorical: human comes first, then the largest.
    """
    generators = table.loc[table["label"] == "ai", "generator"].replace("human", "human (generator)")
    groups = top(generators, most - 1).reindex(table.index, fill_value="human")
    names = sorted(groups.value_counts().index, key=lambda name: name != "human")
    return groups.astype(pd.CategoricalDtype(names))


def splits_of(table: pd.DataFrame) -> list[str]:
    """List the splits of a table: train, val and test first, then the user's own by name."""
    order = {"train": 0, "val": 1, "test": 2}
    return sorted(table["split"].unique(), key=lambda name: (order.get(name, 3), name))


def count_images(table: pd.DataFrame) -> pd.DataFrame:
    """Count images by label and generator (rows, human first) and by split (columns, and their sum)."""
    counts = pd.crosstab([table["label"], table["generator"]], table["split"])[splits_of(table)]
    counts["together"] = counts.sum(axis=1)
    return counts.sort_values(["label", "together"], ascending=False, kind="stable")


def count_styles(table: pd.DataFrame, most: int = 24) -> pd.DataFrame:
    """Count images by style (rows) and group (columns)."""
    return pd.crosstab(top(table["style"], most), groups_of(table))


def plot_files(facts: pd.DataFrame) -> Figure:
    """Plot side, JPEG quality and bytes per pixel of each group's files as box plots; `facts` are a survey's."""
    groups = groups_of(facts)
    names = [plots.short(name) for name in groups.cat.categories]
    quantities = {
        "side in pixels (√ width × height)": (facts["width"] * facts["height"]).astype(float) ** 0.5,
        "JPEG quality": pd.to_numeric(facts["jpeg_quality"].astype(object), errors="coerce"),
        "bytes per pixel": bytes_per_pixel(facts),
    }
    quantities = {title: values for title, values in quantities.items() if values.notna().any()}
    title, number = "How the files are stored, by class and generator", len(quantities)
    figure, panels = plots.panels(title, number, number, height=0.4 * max(len(names), 2), sharey=True, names=names)
    for axes, (title, values) in zip(panels, quantities.items(), strict=True):
        parts = [values[groups == name].dropna().to_numpy(dtype=float) for name in groups.cat.categories]
        boxes = axes.boxplot(parts, orientation="horizontal", widths=0.6, whis=(0, 100), patch_artist=True)
        for box, name in zip(boxes["boxes"], groups.cat.categories, strict=True):
            box.set_facecolor(plots.HUMAN if name == "human" else plots.AI)
        axes.set_title(title)
    panels[0].set_yticks(range(1, len(names) + 1), names)
    panels[0].invert_yaxis()
    return figure
