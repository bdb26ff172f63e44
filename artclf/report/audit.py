"""What a classifier could cheat with, in words and as a figure, from an audit's plain values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from artclf.evaluation.shortcuts import MET
from artclf.evaluation.significance import LEVEL
from artclf.report import format as fmt
from artclf.report import style
from artclf.report.render import embed
from artclf.run_folder import read_json

AUDIT_FILE = "audit.json"
FIGURE = "audit.png"
_MOST_FACTS = 8  # bars
_SHOWN = {  # the columns of the table of makers
    "size": "size",
    "aspect": "aspect",
    "bytes per pixel": "bytes per pixel",
    "stored as": "stored as",
    "JPEG quality": "JPEG quality",
    "JPEG tables": "JPEG tables",
    "EXIF": "EXIF",
    "colour saturation": "saturation",
    "brightness": "brightness",
    "contrast": "contrast",
}
_CAPTION = (
    "How far the classes can be told apart without a look at the art: AUROC on held-out pictures with 95% intervals; 0.5 is "
    "guessing. A network that is no better than these may have learnt nothing else."
)

Json = Mapping[str, Any]


def audit_section(folder: Path) -> dict[str, Any] | None:
    """What the section on shortcuts shows; None where nothing was audited.

    Args:
        folder: holds audit.json, and figures/audit.png where there was something to draw.

    Raises:
        ArtclfError: where audit.json is no JSON.
    """
    found = read_json(folder / AUDIT_FILE, "delete it, and the page goes without it")
    if found is None:
        return None
    return {
        "sentences": in_words(found),
        "severe": any(row["severity"] in {"severe", "moderate"} for row in found["shortcuts"]),
        "shortcuts": found["shortcuts"],
        "judged": _judged(found),
        "facts": [*found["file_facts"]["top"], *found["pixel_statistics"]["top"], *([found["exif"]] if found["exif"] else [])],
        "columns": _SHOWN,
        "makers": found["makers"],
        "duplicates": found["duplicates"],
        "examples": [
            {"kind": kind, **example} for kind in ("exact", "near") for example in found["duplicates"][kind]["examples"]
        ],
        "how": how_it_was_done(found),
        "free": free_auroc(found),
        "figure": embed(folder / "figures" / FIGURE),
        "caption": _CAPTION,
    }


def in_words(found: Json) -> list[str]:
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


def plot_audit(found: Json, network: tuple[float, float, float] | None = None) -> Figure | None:
    """Plot how far each part of what is known without a look at the art tells the classes apart.

    Args:
        found: an audit's plain values.
        network: the trained network's AUROC on test pictures, and the bounds of its interval; None where there is none.

    Returns:
        None where nothing was judged.
    """
    if found["unjudged"]:
        return None
    rows = [(name, part["auroc"], *part["auroc_interval"], style.INK) for name, part in _judged(found)]
    facts = [row for row in found["shortcuts"] if row.get("auroc") is not None][:_MOST_FACTS]
    rows += [(_alone(row), row["auroc"], *row["auroc_interval"], style.MUTED) for row in facts]
    if network:
        rows.insert(0, ("this network, test pictures", *network, style.STAGES[0]))
    figure = style.paper(style.WIDE, 1.3 + 0.34 * len(rows))
    style.heading(figure, "What the data gives away without a look at the art")
    axes = figure.subplots()
    axes.axvline(0.5, color=style.INK, linewidth=1.2, zorder=1)
    for place, (_, value, low, high, color) in enumerate(rows):
        axes.plot([low, high], [-place, -place], "|-", color=color, linewidth=2.0, markersize=7, markeredgewidth=1.6)
        axes.plot([value], [-place], "o", color=color, markersize=6)
        axes.annotate(
            fmt.score(value),
            (max(high, value), -place),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.SMALL,
            color=style.INK,
        )
    style.tidy(axes, "x")
    axes.set_xlim(min(0.42, *(low - 0.02 for _, _, low, *_ in rows)), 1.06)
    axes.set_xticks([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    axes.set_yticks([-place for place in range(len(rows))], [style.plain(name, 40) for name, *_ in rows])
    axes.tick_params(axis="y", labelsize=style.NORMAL, labelcolor=style.INK)
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.set_xlabel("AUROC; 0.5 is guessing, 1 is telling all apart", fontsize=style.SMALL + 0.5, color=style.MUTED)
    return figure


def _judged(found: Json) -> list[tuple[str, Json]]:
    """The classifiers, with their names in figure and table."""
    named = (
        ("file facts together", "file_facts"),
        ("picture statistics together", "pixel_statistics"),
        ("statistics of canonical pictures", "canonical_pixel_statistics"),
    )
    return [(name, found[key]) for name, key in named if found[key] and found[key]["auroc"] is not None]


def _alone(row: Json) -> str:
    """A fact by itself, as the figure names it."""
    return f"{row['fact']} ({MET.replace('canonical ', '')})" if row["severity"] == MET else f"{row['fact']} alone"


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
