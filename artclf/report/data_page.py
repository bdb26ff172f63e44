"""Pages about a data set: what it holds (`artclf data show`), and what a classifier could cheat with (an audit)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from artclf.data.facts import Survey
from artclf.data.sampling import draw_pictures
from artclf.evaluation.audit import MET, describe_generators
from artclf.evaluation.shortcuts import FEWEST, Fact, find_shortcuts
from artclf.evaluation.significance import LEVEL
from artclf.report import format as fmt
from artclf.report import style
from artclf.report.figures.data import (
    count_pictures,
    count_styles,
    groups_of,
    in_order,
    plot_classes,
    plot_files,
)
from artclf.report.figures.forest import Series, plot_forest
from artclf.report.render import THUMBNAIL, as_jpeg, embed, lines, render
from artclf.run_folder import read_json

AUDIT_FILE = "audit.json"
_GROUPS_SHOWN = 6
_SAMPLES = 12  # of each group
_MOST_UNREADABLE = 200
_MOST_FACTS = 8  # in the figure

Json = Mapping[str, Any]


def write_dataset(
    folder: Path, survey: Survey, *, name: str, seed: int, demo: bool = False, command: str = ""
) -> tuple[Path, Survey, str]:
    """Write dataset.html, figures/, facts.csv and, where there are such files, unreadable.csv.

    Args:
        folder: made where it is missing; the audit.json in it, if there is one, has a section of the page.
        survey: of the data set.
        name: of the data set, for the title.
        seed: of the samples that are shown, and of the survey's.
        demo: whether a program drew the images.
        command: that wrote the page.

    Returns:
        The page's path; the survey, in which samples whose pixels turned out to be damaged count as unreadable; and which
        facts of the files separate the classes, or "" where an audit describes that.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = survey.manifest.table
    samples, damaged = _samples(survey, seed)
    survey = _with_damaged(survey, damaged)
    figures = {"classes": plot_classes(table)}
    if len(survey.facts):
        figures["files"] = plot_files(survey.facts)
    survey.facts.to_csv(folder / "facts.csv", index=False)
    listed = folder / "unreadable.csv"
    listed.unlink(missing_ok=True)  # of an earlier look
    if len(survey.unreadable):
        survey.unreadable.to_csv(listed, index=False)
    audit = audit_section(folder)
    shortcuts = [] if audit else find_shortcuts(survey.facts)  # an audit has looked at the same facts, and at more
    warning = "" if audit else warn_of_shortcuts(survey, shortcuts)
    page = render(
        "dataset.html",
        name=name,
        command=command,
        audit=audit,
        demo=demo,
        root=survey.manifest.root,
        title=headline(survey),
        sentences=describe(survey, seed),
        warning=warning,
        looked_at=survey.looked_at,
        total=len(table),
        figures={key: embed(style.save(figure, folder / "figures" / f"{key}.png")) for key, figure in figures.items()},
        samples=samples,
        counts=count_pictures(table),
        styles=count_styles(table),
        stored=describe_generators(survey.facts) if len(survey.facts) and not audit else [],
        shortcuts=shortcuts,
        unreadable=survey.unreadable.head(_MOST_UNREADABLE).to_dict("records"),
        unreadable_number=len(survey.unreadable),
        manifest_sha256=survey.manifest.sha256,
        seed=seed,
    )
    path = folder / "dataset.html"
    path.write_text(page, encoding="utf-8")
    return path, survey, warning


def headline(survey: Survey) -> str:
    """How many images there are of each class."""
    labels = survey.manifest.table["label"].value_counts()
    return f"{fmt.plural(len(survey.manifest.table), 'image')}, {labels.get('human', 0):,} human and {labels.get('ai', 0):,} AI"


def describe(survey: Survey, seed: int) -> list[str]:
    """What there is, and how much of it was read."""
    table = survey.manifest.table
    generators = table.loc[table["label"] == "ai", "generator"].value_counts()
    return lines(
        "dataset.txt",
        generators=list(generators.items()),
        styles=table["style"].nunique(),
        splits=table["split"].nunique(),
        read=survey.looked_at,
        total=len(table),
        unreadable=len(survey.unreadable),
        seed=seed,
    )


def warn_of_shortcuts(survey: Survey, shortcuts: Sequence[Fact]) -> str:
    """Which facts of the files separate the classes."""
    labels = sorted(survey.facts["label"].unique())
    return " ".join(lines("shortcuts.txt", labels=labels, shortcuts=shortcuts, fewest=FEWEST))


def _samples(survey: Survey, seed: int) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """A random sample of each group's images, its styles in turn; and path and reason of those that can't be read."""
    table = survey.manifest.table
    groups = groups_of(table, _GROUPS_SHOWN)
    samples, damaged = [], []
    for name in in_order(groups):
        rows = table[groups == name]
        images, bad = draw_pictures(survey.manifest.root, rows, number=_SAMPLES, side=THUMBNAIL, seed=seed)
        damaged += bad
        shown = [{"picture": as_jpeg(image), "style": style_} for style_, image in images]
        if shown:
            samples.append({"name": name, "label": "human" if name == "human" else "ai", "of": len(rows), "shown": shown})
    return samples, damaged


def _with_damaged(survey: Survey, damaged: Sequence[tuple[str, str]]) -> Survey:
    """Move files whose headers were read and whose pixels are damaged to the unreadable ones."""
    found = pd.DataFrame(damaged, columns=["path", "reason"])
    found = found[~found["path"].isin(survey.unreadable["path"])].merge(survey.manifest.table[["path", "label"]], on="path")
    if found.empty:
        return survey
    unreadable = pd.concat([survey.unreadable, found[list(survey.unreadable.columns)]], ignore_index=True)
    return replace(survey, facts=survey.facts[~survey.facts["path"].isin(found["path"])], unreadable=unreadable)


def audit_section(folder: Path, network: tuple[float, float, float] | None = None) -> dict[str, Any] | None:
    """Draw an audit's figure, and prepare what section_audit.html shows; None where nothing was audited.

    Args:
        folder: holds audit.json; figures/audit.png is drawn where there is something to draw.
        network: a trained network's AUROC on test images, and the bounds of its interval; None where there is none.

    Raises:
        ArtclfError: where audit.json is no JSON.
    """
    found = read_json(folder / AUDIT_FILE, "delete it, and the page goes without it")
    if found is None:
        return None
    file = folder / "figures" / "audit.png"
    file.unlink(missing_ok=True)  # of an earlier audit
    if not found["not_compared"]:
        _draw_audit(found, network, file)
    return {
        **found,
        "sentences": audit_in_words(found),
        "how": how_it_was_done(found),
        "free": free_auroc(found),
        "figure": embed(file),
    }


def _draw_audit(found: Json, network: tuple[float, float, float] | None, file: Path) -> None:
    """Draw the AUROC of the network, and of each part of what is known without a look at the art."""
    together = {
        "file facts together": found["file_facts"],
        "image statistics together": found["pixel_statistics"],
        "statistics of canonical images": found["canonical_pixel_statistics"],
    }
    alone = {f"{row['fact']} alone": row for row in found["shortcuts"] if row.get("auroc") is not None}
    rows = [("this network, test images", network, style.STAGES[0])] if network else []
    for colour, parts in ((style.INK, together), (style.MUTED, dict(list(alone.items())[:_MOST_FACTS]))):
        rows += [(name, (part["auroc"], *part["auroc_interval"]), colour) for name, part in parts.items() if part]
    names, estimates, colours = zip(*rows, strict=True)
    title, axis = "AUROC without a look at the art", "0.5 is guessing, 1 separates all"
    style.save(plot_forest(title, names, {"AUROC": [Series(estimates, colours)]}, reference=0.5, axis=axis), file)


def audit_in_words(found: Json) -> list[str]:
    """What the audit found."""
    return lines("audit.txt", found=found, free=free_auroc(found), level=LEVEL, met=MET)


def free_auroc(found: Json) -> float | None:
    """The AUROC that is reached without a look at the art, by file facts or image statistics; None where that is chance."""
    seen = found["canonical_pixel_statistics"] if found.get("canonical") else None
    parts = [seen] if seen else [found["file_facts"], found["pixel_statistics"]]
    return max((part["auroc"] for part in parts if part and part["notable"]), default=None)


def how_it_was_done(found: Json) -> str:
    """Which images were compared, and how."""
    return " ".join(lines("audit_method.txt", found=found))
