"""Pages about a data set: what it holds (`artclf data show`), and what a classifier could cheat with (an audit)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from artclf.data.facts import Survey
from artclf.data.sampling import draw_pictures
from artclf.evaluation.shortcuts import FEWEST, MET, Fact, find_shortcuts
from artclf.evaluation.significance import LEVEL
from artclf.report import format as fmt
from artclf.report import style
from artclf.report.figures.data import (
    count_pictures,
    count_styles,
    describe_files,
    groups_of,
    in_order,
    plot_classes,
    plot_files,
)
from artclf.report.figures.forest import Series, plot_forest
from artclf.report.render import THUMBNAIL, as_jpeg, embed, render
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
        folder: where to, made where it is missing; the audit.json in it, if there is one, has a section of the page.
        survey: of the data set.
        name: of the data set, for the title.
        seed: of the samples that are shown, and of the survey's.
        demo: whether a program drew the images, which the page then says.
        command: that wrote the page; it is shown where it is given.

    Returns:
        The page's path, and the survey with those images added to the unreadable ones that were chosen to be shown and whose
        pixels turned out to be damaged; and what tells the classes apart, in words, or "" where an audit says it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = survey.manifest.table
    samples, refused = _samples(survey, seed)
    survey = _with_refused(survey, refused)
    figures = {"classes": plot_classes(table)}
    if len(survey.facts):
        figures["files"] = plot_files(survey.facts)
    drawn = {key: embed(style.save(figure, folder / "figures" / f"{key}.png")) for key, figure in figures.items()}
    survey.facts.to_csv(folder / "facts.csv", index=False)
    listed = folder / "unreadable.csv"
    listed.unlink(missing_ok=True)  # of an earlier look
    if len(survey.unreadable):
        survey.unreadable.to_csv(listed, index=False)
    counts, styles = count_pictures(table), count_styles(table)
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
        figures=drawn,
        samples=samples,
        splits=[str(split) or "no split given" for split in counts.columns],
        counts=[(label, generator, list(row)) for (label, generator), row in zip(counts.index, counts.to_numpy(), strict=True)],
        sums=list(counts.sum()),
        styles=styles,
        stored=describe_files(survey.facts) if len(survey.facts) else None,
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
    """How many pictures, of which class, in a few words."""
    labels = survey.manifest.table["label"].value_counts()
    by = [f"{fmt.count(labels[label])} by {who}" for label, who in (("human", "people"), ("ai", "AI")) if label in labels]
    return f"{fmt.plural(len(survey.manifest.table), 'picture')}, {fmt.listed(by)}"


def describe(survey: Survey, seed: int) -> list[str]:
    """What there is, and how much of it was read: a sentence each."""
    table = survey.manifest.table
    generators = table.loc[table["label"] == "ai", "generator"].value_counts()
    named = [f"{name} ({fmt.count(number)})" for name, number in generators.head(4).items()]
    if len(generators) > len(named):
        named.append(fmt.plural(len(generators) - len(named), "other"))
    styles = fmt.plural(table["style"].nunique(), "style")
    by_ai = f"The AI works are by {fmt.listed(named)}; " if named else ""
    what = f"{by_ai}{'in all' if by_ai else 'In all'} there are {styles} and {fmt.plural(table['split'].nunique(), 'split')}."
    return [what, _reading(survey, seed)]


def _reading(survey: Survey, seed: int) -> str:
    total, bad = len(survey.manifest.table), len(survey.unreadable)
    if survey.looked_at < total:
        read = (
            f"Read were the headers of {fmt.count(survey.looked_at)} of the {fmt.count(total)} files, drawn by lot "
            f"(seed {seed}) in proportion to splits, makers and styles"
        )
    else:
        read = f"Read were the headers of all {fmt.count(total)} files"
    return f"{read}; {fmt.count(bad)} of them can't be read." if bad else f"{read}; none was unreadable."


def warn_of_shortcuts(survey: Survey, shortcuts: Sequence[Fact]) -> str:
    """What gives the maker away without a look at the picture, in careful words."""
    if not len(survey.facts):
        return "Not one file could be read, so nothing can be said about how they are stored."
    if not shortcuts:
        labels = survey.facts["label"].unique()
        if len(labels) > 1:
            return f"Fewer than {FEWEST} files of a class were read, which is too few to compare how they are stored."
        only = "people" if labels[0] == "human" else "AI"
        return f"All files read are by {only}, so there is nothing to compare: what would tell the classes apart is not known."
    notable = [shortcut for shortcut in shortcuts if shortcut.notable]
    if not notable:
        return (
            "No fact of the files alone (size, format, JPEG quality, …) tells the two classes apart clearly "
            "better than guessing. Other shortcuts (colour, motif, traces of scaling) were not looked for; artclf audit "
            "looks at more."
        )
    named = fmt.listed([f"{fact.name} ({fmt.score(fact.auroc.value)})" for fact in notable])
    typical = "; ".join(f"{fact.name} {fact.human} among human works and {fact.ai} among AI works" for fact in notable)
    return (
        f"Without a look at the pictures, these facts alone tell human works from AI works (AUROC; guessing: 0.5): {named}. "
        "A classifier may learn them instead of the art; a good score on these files would then say little about pictures "
        f"stored otherwise. Typical: {typical}."
    )


def _samples(survey: Survey, seed: int) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """A random sample of each group's images, its styles in turn; and path and reason of those that can't be read."""
    table = survey.manifest.table
    groups = groups_of(table, _GROUPS_SHOWN)
    samples, refused = [], []
    for name in in_order(groups):
        rows = table[groups == name]
        pictures, bad = draw_pictures(survey.manifest.root, rows, number=_SAMPLES, side=THUMBNAIL, seed=seed)
        refused += bad
        shown = [{"picture": as_jpeg(Image.fromarray(pixels)), "style": style_} for pixels, style_ in pictures]
        if shown:
            samples.append({"name": name, "label": "human" if name == "human" else "ai", "of": len(rows), "shown": shown})
    return samples, refused


def _with_refused(survey: Survey, refused: Sequence[tuple[str, str]]) -> Survey:
    """Move files whose headers were read and whose pixels are damaged to the unreadable ones."""
    known = set(survey.unreadable["path"])
    found = pd.DataFrame([row for row in refused if row[0] not in known], columns=["path", "reason"])
    if found.empty:
        return survey
    found = found.merge(survey.manifest.table[["path", "label"]], on="path")
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
    if not found["unjudged"]:
        _draw_audit(found, network, file)
    kinds = ("exact", "near")
    return {
        **found,
        "sentences": audit_in_words(found),
        "severe": any(row["severity"] in {"severe", "moderate"} for row in found["shortcuts"]),
        "facts": [*found["file_facts"]["top"], *found["pixel_statistics"]["top"], *([found["exif"]] if found["exif"] else [])],
        "examples": [{"kind": kind, **example} for kind in kinds for example in found["duplicates"][kind]["examples"]],
        "how": how_it_was_done(found),
        "free": free_auroc(found),
        "figure": embed(file),
    }


def _draw_audit(found: Json, network: tuple[float, float, float] | None, file: Path) -> None:
    """Draw how far the network, and each part of what is known without a look at the art, tell the classes apart."""
    named = {
        "file_facts": "file facts together",
        "pixel_statistics": "image statistics together",
        "canonical_pixel_statistics": "statistics of canonical images",
    }
    together = [(name, found[key]) for key, name in named.items() if found[key] and found[key]["auroc"] is not None]
    alone = [(f"{row['fact']} alone", row) for row in found["shortcuts"] if row.get("auroc") is not None][:_MOST_FACTS]
    rows = [(name, (part["auroc"], *part["auroc_interval"]), style.INK) for name, part in together]
    rows += [(name, (row["auroc"], *row["auroc_interval"]), style.MUTED) for name, row in alone]
    if network:
        rows.insert(0, ("this network, test images", network, style.STAGES[0]))
    series = Series([estimate for _, estimate, _ in rows], [colour for *_, colour in rows])
    title, names = "What the data gives away without a look at the art", [name for name, *_ in rows]
    axis = "0.5 is guessing, 1 is telling all apart"
    style.save(plot_forest(title, names, {"AUROC": [series]}, reference=0.5, axis=axis), file)


def audit_in_words(found: Json) -> list[str]:
    """What the audit found, in plain words: a sentence or two each."""
    if found["unjudged"]:
        return [f"Nothing could be compared: {found['unjudged']}.", *_copies_in_words(found)]
    lines = [
        _together("File facts alone (size, format, how it was written; not one pixel)", found["file_facts"]),
        _together("Statistics of the whole picture alone (brightness, contrast, colour; no detail)", found["pixel_statistics"]),
    ]
    if found["canonical_pixel_statistics"]:
        lines.append(_together("The same statistics of canonical pictures", found["canonical_pixel_statistics"]))
    free = free_auroc(found)
    if free is None:
        of_files = found.get("canonical") and any("auroc" in row for row in found["shortcuts"])
        start = "In canonical form, looks alone give nothing away" if of_files else "No shortcut was found"
        lines.append(f"{start}: a network is to be judged against guessing, an AUROC of 0.50.")
    else:
        lines.append(f"A network that learns from these pictures is to be judged against {free:.2f}, not against 0.50.")
    lines += [_shortcut_in_words(row) for row in found["shortcuts"]]
    for remedy in dict.fromkeys(row["remedy"] for row in found["shortcuts"]):
        rows = [row for row in found["shortcuts"] if row["remedy"] == remedy]
        facts = fmt.listed([row["fact"] for row in rows])
        met = all(row["severity"] == MET for row in rows)
        lines.append(f"What keeps {facts} from this network: {remedy}." if met else f"What helps against {facts}: {remedy}.")
    same = [row["fact"] for row in found["file_facts"]["top"] if row["constant"]]
    chance = [row["fact"] for row in found["file_facts"]["top"] if not row["constant"] and row["p"] >= LEVEL]
    small = [row["fact"] for row in found["file_facts"]["top"] if row["p"] < LEVEL and row["severity"] == "none"]
    if same:
        lines.append(f"The same in all files: {fmt.listed(same)}.")
    if chance:
        lines.append(f"No difference that could not be chance: {fmt.listed(chance)}.")
    if small:
        lines.append(f"A difference, too small to matter: {fmt.listed(small)}.")
    return [*lines, *_copies_in_words(found)]


def free_auroc(found: Json) -> float | None:
    """The AUROC that the data gives away for free: of all files or of all looks, the larger; None where that is chance."""
    seen = found["canonical_pixel_statistics"] if found.get("canonical") else None
    parts = [seen] if seen else [found["file_facts"], found["pixel_statistics"]]
    free = [part["auroc"] for part in parts if part and part["notable"]]
    return max(free, default=None)


def how_it_was_done(found: Json) -> str:
    """Which pictures were compared, and how."""
    compared = found["compared"]
    who = f"{fmt.plural(compared['human'], 'human work')} and {fmt.plural(compared['ai'], 'AI work')}"
    splits = fmt.listed([name or "no split given" for name in found["splits"]])
    text = f"Compared were {who} ({splits})"
    if found.get("drawn_of"):
        text += f", drawn by lot from {fmt.count(found['drawn_of'])} pictures"
    copies = found["copies_left_out"]
    text += f"; {fmt.plural(copies, 'copy', 'copies')} of others left out." if copies else "."
    if found["other_splits"]:
        text += (
            f" Not compared, since nothing is trained on them: {fmt.listed(found['other_splits'])}; they are in the table "
            "and among the duplicates."
        )
    if found["folds"]:
        text += (
            f" A random forest judged each picture without having seen its fold ({found['folds']} folds, copies in one); each "
            "fact alone by its order or by a small tree on held-out pictures, whichever tells more. What is named a shortcut "
            "is more than chance by Mann and Whitney's test (for held-out scores with Nadeau and Bengio's correction), "
            "corrected for all facts together (Holm), with an AUROC of 0.55 at least: severe where the interval begins at 0.75 "
            "or above, moderate at 0.6, else slight."
        )
        if found.get("canonical"):
            text += (
                " What the canonical form takes away before the network sees a picture is said to be met by it; aspect, colour "
                "mode and bytes per pixel are not."
            )
    return text


def _bounds(part: Json) -> str:
    low, high = part["auroc_interval"]
    return f"AUROC {part['auroc']:.3f} (95% interval {low:.3f} to {high:.3f})"


def _together(what: str, part: Json) -> str:
    if not part["notable"]:
        close = "which is hardly more than guessing" if part["p"] < LEVEL else "which may be chance"
        return f"{what} reach {_bounds(part)}, {close}."
    right = fmt.share(part["balanced_accuracy"])
    return f"{what} tell the classes apart with {_bounds(part)} and a balanced accuracy of {right}."


def _shortcut_in_words(row: Json) -> str:
    """One shortcut: how bad, and what it is."""
    start = f"{row['fact'][0].upper()}{row['fact'][1:]} ({row['severity']})"
    if "auroc" in row:
        return f"{start}: alone {_bounds(row)}; human works {row['human']}, AI works {row['ai']}."
    if "files" in row:
        number = fmt.plural(row["files"], "picture")
        return f"{start}: {number} outside of train ({fmt.share(row['share'])}) have one in train."
    return f"{start}: {fmt.plural(row['groups'], 'group')}."


def _copies_in_words(found: Json) -> list[str]:
    duplicates, lines = found["duplicates"], []
    for kind, what in (("exact", "files with the same bytes"), ("near", "pictures that look nearly the same")):
        copies = duplicates[kind]
        if copies["groups"]:
            crossing = [
                f"{copies[key]:,} of them across {name}"
                for key, name in (("across_splits", "splits"), ("across_labels", "both labels"))
                if copies[key]
            ]
            number = f"{fmt.plural(copies['groups'], 'group')}, {fmt.plural(copies['files'], 'picture')} in all"
            where = fmt.listed(crossing) if crossing else "none across splits or labels"
            lines.append(f"{kind.capitalize()} duplicates ({what}): {number}; {where}.")
    lines = lines or ["No duplicates were found, exact or near."]
    if found.get("drawn_of"):
        looked_at = sum(row["pictures"] for row in found["makers"])
        odds = round((found["drawn_of"] / max(looked_at, 1)) ** 2)
        lines.append(
            f"Copies are found only where both were drawn, which of {fmt.plural(odds, 'pair')} is about one: there may be "
            "many more (artclf audit PATH --all looks at every picture)."
        )
    return lines
