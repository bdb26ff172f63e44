"""A look at a data set before anything is trained on it: one page, its figures and its tables."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from artclf.data.facts import Survey
from artclf.data.sampling import draw_pictures
from artclf.evaluation.shortcuts import FEWEST, Fact, find_shortcuts
from artclf.report import format as fmt
from artclf.report import style
from artclf.report.audit import audit_section
from artclf.report.figures.data import count_pictures, makers_of, plot_classes, plot_styles
from artclf.report.figures.files import plot_densities, plot_kinds, plot_qualities, plot_sizes
from artclf.report.figures.pictures import plot_samples
from artclf.report.render import embed, render

_MAKERS_SHOWN = 6
_SAMPLES = 12  # of each
_THUMBNAIL = 240  # pixels a side
_MOST_UNREADABLE = 200

_CAPTIONS = {
    "classes": "Every picture that was listed, by split and by who made it.",
    "styles": "The same pictures by style. Where a style has works of one class only, style tells the classes apart.",
    "qualities": "A row for each maker; the height of a bar is the share of that maker's files. Beside it the commonest one.",
    "sizes": "Where sizes differ between the classes, scaling all pictures to one size leaves a different trace in each.",
    "kinds": "File format, Pillow's word for the kind of pixels (RGB, L for grey, P for a palette), a JPEG's colour sampling.",
    "densities": "How small a file is depends on how it was written and on the picture: what is smooth takes little.",
}


def write_dataset(
    folder: Path, survey: Survey, *, name: str, seed: int, demo: bool = False, command: str = ""
) -> tuple[Path, Survey]:
    """Write dataset.html, figures/, facts.csv and, where there are such files, unreadable.csv.

    Args:
        folder: where to, made where it is missing; the audit.json in it, if there is one, has a section of the page.
        survey: of the data set.
        name: of the data set, for the title.
        seed: of the samples that are shown, and of the survey's.
        demo: whether a program drew the pictures, which the page then says.
        command: that wrote the page; it is shown where it is given.

    Returns:
        The page's path, and the survey with those pictures added to the unreadable ones that were chosen to be shown and whose
        pixels turned out to be damaged.
    """
    survey, figures = _draw(survey, seed)
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (folder / "figures").glob("samples_*.png"):
        stale.unlink()  # of an earlier look, which may have shown more makers
    drawn = {key: embed(style.save(figure, folder / "figures" / f"{key}.png")) for key, figure in figures.items()}
    survey.facts.to_csv(folder / "facts.csv", index=False)
    listed = folder / "unreadable.csv"
    listed.unlink(missing_ok=True)  # of an earlier look
    if len(survey.unreadable):
        survey.unreadable.to_csv(listed, index=False)
    counts = count_pictures(survey.manifest.table)
    shortcuts = find_shortcuts(survey.facts)
    page = render(
        "dataset.html",
        name=name,
        command=command,
        audit=audit_section(folder),
        demo=demo,
        root=survey.manifest.root,
        title=headline(survey),
        sentences=describe(survey, seed),
        warning=warn_of_shortcuts(survey, shortcuts),
        looked_at=survey.looked_at,
        total=len(survey.manifest.table),
        figures=drawn,
        captions=_CAPTIONS,
        samples=[(figure.get_suptitle(), drawn[key]) for key, figure in figures.items() if key not in _CAPTIONS],
        splits=[str(split) or "no split given" for split in counts.columns],
        counts=[(label, generator, list(row)) for (label, generator), row in zip(counts.index, counts.to_numpy(), strict=True)],
        sums=list(counts.sum()),
        shortcuts=shortcuts,
        unreadable=survey.unreadable.head(_MOST_UNREADABLE).to_dict("records"),
        unreadable_number=len(survey.unreadable),
        manifest_sha256=survey.manifest.sha256,
        seed=seed,
    )
    path = folder / "dataset.html"
    path.write_text(page, encoding="utf-8")
    return path, survey


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


def _draw(survey: Survey, seed: int) -> tuple[Survey, dict[str, Figure]]:
    """The figures by name, and the survey with what could not be drawn."""
    table = survey.manifest.table
    figures = {"classes": plot_classes(table), "styles": plot_styles(table)}
    if len(survey.facts):
        figures |= {
            "qualities": plot_qualities(survey.facts),
            "sizes": plot_sizes(survey.facts),
            "kinds": plot_kinds(survey.facts),
            "densities": plot_densities(survey.facts),
        }
    # the same number of each style, where they are few: the works of people and of generators then stand in the same order
    number = _SAMPLES // styles * styles if (styles := table["style"].nunique()) <= _SAMPLES else _SAMPLES
    refused = []
    for place, maker in enumerate(makers_of(table, _MAKERS_SHOWN)):
        pictures, bad = draw_pictures(survey.manifest.root, table[maker.rows], number=number, side=_THUMBNAIL, seed=seed)
        refused += bad
        if pictures:
            who = "Works of people" if maker.label == "human" else f"AI works by {maker.name}"
            title = f"{who}: {len(pictures)} of {fmt.count(int(maker.rows.sum()))}"
            figures[f"samples_{place}_{maker.label}"] = plot_samples(pictures, title)
    return _with_refused(survey, refused), figures


def _with_refused(survey: Survey, refused: Sequence[tuple[str, str]]) -> Survey:
    """Move files whose headers were read and whose pixels are damaged to the unreadable ones."""
    known = set(survey.unreadable["path"])
    found = pd.DataFrame([row for row in refused if row[0] not in known], columns=["path", "reason"])
    if found.empty:
        return survey
    found = found.merge(survey.manifest.table[["path", "label"]], on="path")
    unreadable = pd.concat([survey.unreadable, found[list(survey.unreadable.columns)]], ignore_index=True)
    return replace(survey, facts=survey.facts[~survey.facts["path"].isin(found["path"])], unreadable=unreadable)
