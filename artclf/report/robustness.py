"""How verdicts hold when pictures are altered: in words, in two figures, and in the page's section."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from artclf.data.distortions import ALIKE, ALIKE_QUALITY, DISTORTIONS, NOTHING, Distortion
from artclf.errors import ArtclfError
from artclf.evaluation.intervals import Estimate
from artclf.evaluation.robustness import Altered, Robustness, from_json
from artclf.report import format as fmt
from artclf.report import style
from artclf.report.render import embed
from artclf.run_folder import read_json

_COLUMNS = 3
_NAMED = {distortion.name: distortion for distortion in DISTORTIONS}
_UNTOUCHED = "as it is"
_FIGURES = {
    "robustness": "Verdicts at the same threshold: the share of AI works found and of human works accused, from the pictures "
    "as they are (left in each panel) to the strongest level (right); shaded: 95% intervals.",
    "robustness_alone": "AUROC, which knows no threshold, with all pictures altered and with those of one class alone. Where "
    "the lines of one class alone part, the alteration itself passes for a sign of who made a picture: bias, towards AI where "
    "people's is the lower one. Where the line of both falls, what the network looks for is lost: fragility.",
}

Line = tuple[str, str, Callable[[Altered], Estimate]]  # label, colour, figure


def read_robustness(folder: Path) -> Robustness | None:
    """Read robustness.json; None where there is none.

    Raises:
        ArtclfError: where it is something else.
    """
    content = _read(folder)
    try:
        return None if content is None else from_json(content)
    except (LookupError, TypeError) as error:
        raise ArtclfError(
            f"{folder / 'robustness.json'}: is not what an evaluation writes ({error}); evaluate again"
        ) from error


def _read(folder: Path) -> dict[str, Any] | None:
    content: dict[str, Any] | None = read_json(folder / "robustness.json", "evaluate again")
    return content


def name_of(altered: Altered) -> str:
    """What was done to the pictures, as people say it: "JPEG 30", "scaling down 0.5"."""
    if altered.distortion not in _NAMED:
        return f"JPEG {ALIKE_QUALITY}" if altered.first == ALIKE else _UNTOUCHED
    distortion = _NAMED[altered.distortion]
    return f"{distortion.title} {_level(altered, distortion)}"


def _level(altered: Altered, distortion: Distortion) -> str:
    assert altered.level is not None
    return distortion.named(altered.level)


def in_words(found: Robustness) -> list[str]:
    """Say what breaks the verdicts most, whom it accuses, whether that is bias or fragility, and what making alike changes."""
    levels = [level for level in found.levels if level.first == NOTHING and level.distortion != NOTHING]
    told = [_worst(found, levels), _accused(found, levels), *_kinds(levels)]
    told += [_alike(found, alike) for alike in found.of(NOTHING, ALIKE)]
    return [sentence for sentence in told if sentence]


def _worst(found: Robustness, levels: Sequence[Altered]) -> str:
    before = found.clean.balanced_accuracy["both"].value
    judged = [(level.balanced_accuracy["both"].value, level) for level in levels]
    values = [(value, level) for value, level in judged if value is not None]
    if before is None or not values:
        return ""
    value, worst = min(values, key=lambda pair: pair[0])
    if value >= before:
        return f"Nothing that was tried lowers the balanced accuracy of {fmt.share(before)}."
    return (
        f"What breaks it most: {name_of(worst)}. With all pictures altered so, balanced accuracy falls from "
        f"{fmt.share(before)} to {fmt.share(value)} at the same threshold."
    )


def _accused(found: Robustness, levels: Sequence[Altered]) -> str:
    if not found.human or not levels:
        return ""
    worst = max(levels, key=lambda level: level.flips.accused)
    number = worst.flips.accused
    if not number:
        return f"None of the {fmt.count(found.human)} human works is newly called AI by any of it."
    works, share = fmt.plural(found.human, "human work"), fmt.share(number / found.human)
    return f"Newly accused: {fmt.count(number)} of {works} ({share}), called human as they are, under {name_of(worst)}."


def _kinds(levels: Sequence[Altered]) -> list[str]:
    if all(level.fragile is None for level in levels):
        return []  # of one class, or too few works
    to_ai, to_human = (_listed([level for level in levels if level.biased == who]) for who in ("ai", "human"))
    fragile, shifted = (
        _listed([level for level in levels if level.fragile]),
        _listed([level for level in levels if level.shifted]),
    )
    lines = []
    if to_ai:
        lines.append(f"Bias: works look more like AI's under {to_ai}; human works altered so are accused for it.")
    if to_human:
        lines.append(f"Bias: works look more like people's under {to_human}; AI works altered so pass for human.")
    if fragile:
        lines.append(f"Fragility: what it looks for is lost under {fragile}.")
    if shifted:
        lines.append(f"No loss of the scores' order was found under {shifted}, but the threshold is in the wrong place then.")
    return lines or ["Neither bias nor fragility beyond chance under anything that was tried on these pictures."]


def _listed(levels: Sequence[Altered]) -> str:
    """Name levels by their distortions: "JPEG 50 and 30; blur 2"."""
    by_name: dict[str, list[str]] = {}
    for level in levels:
        distortion = _NAMED[level.distortion]
        by_name.setdefault(distortion.title, []).append(_level(level, distortion))
    return "; ".join(f"{title} {fmt.listed(names)}" for title, names in by_name.items())


def _alike(found: Robustness, alike: Altered) -> str:
    before, after = found.clean.balanced_accuracy["both"].value, alike.balanced_accuracy["both"].value
    flips = alike.flips
    changed = flips.accused + flips.cleared + flips.missed + flips.found
    instead = "" if after == before else f" instead of {fmt.share(before)}"
    figures = "" if before is None else f", and balanced accuracy is {fmt.share(after)}{instead}"
    return (
        f"With every picture re-encoded alike first (JPEG {ALIKE_QUALITY}), {fmt.count(changed)} of "
        f"{fmt.plural(found.human + found.ai, 'verdict')} {'changes' if changed == 1 else 'change'}{figures}."
    )


def draw_robustness(folder: Path, found: Robustness) -> None:
    """Draw robustness.png and, where there are both classes, robustness_alone.png.

    Args:
        folder: figures/.
        found: from `measure_robustness`.
    """
    style.save(plot_rates(found), folder / "robustness.png")
    if found.human and found.ai:
        style.save(plot_alone(found), folder / "robustness_alone.png")


def plot_rates(found: Robustness) -> Figure:
    """Plot the shares of AI works found and of human works accused, a panel a distortion."""
    lines: list[Line] = [
        ("AI works found", style.AI, lambda level: level.recall),
        ("human works called AI", style.HUMAN, lambda level: level.false_positive_rate),
    ]
    kept = [line for line, number in zip(lines, (found.ai, found.human), strict=True) if number]
    heading = f"Works called AI from the threshold {found.threshold:.3g} on, altered more and more"
    return _panels(found, kept, heading, (0, 1), shaded=2)


def plot_alone(found: Robustness) -> Figure:
    """Plot AUROC with all pictures altered, and with those of one class alone, a panel a distortion."""
    lines: list[Line] = [
        ("all altered (shaded: 95% interval)", style.INK, lambda level: level.auroc["both"]),
        ("AI's alone", style.AI, lambda level: level.auroc["ai"]),
        ("people's alone", style.HUMAN, lambda level: level.auroc["human"]),
    ]
    bounds = [level.auroc["both"].low for level in found.levels]
    values = [figure(level).value for level in found.levels for _, _, figure in lines]
    lowest = min(value for value in (*bounds, *values) if value is not None)
    heading = "AUROC, with all pictures altered, or those of one class alone"
    return _panels(found, lines, heading, (lowest, 1), shaded=1, share=False)


def _panels(
    found: Robustness,
    lines: Sequence[Line],
    heading: str,
    limits: tuple[float, float],
    *,
    shaded: int,
    share: bool = True,
) -> Figure:
    """Plot lines over the levels, a panel a distortion; the first `shaded` of them with their intervals."""
    names = found.distortions()
    rows = -(-len(names) // _COLUMNS)
    figure = style.paper(style.WIDE, 1.3 + 2.35 * rows)
    style.heading(figure, heading)
    figure.set_layout_engine("constrained", hspace=0.06, wspace=0.03)
    grid = figure.subplots(rows, _COLUMNS, sharey=True, squeeze=False).ravel()
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(grid, names, strict=False):
        _panel(axes, found, name, lines, shaded)
        room = 0.03 * (limits[1] - limits[0])
        axes.set_ylim(limits[0] - room, limits[1] + room)
    for axes in grid[: len(names) : _COLUMNS] if share else ():
        style.percent(axes.yaxis)
    handles, labels = grid[0].get_legend_handles_labels()
    columns = len(labels) if len(labels) <= len(lines) else 2
    figure.legend(
        handles, labels, loc="outside lower left", ncols=columns, frameon=False, fontsize=style.NORMAL, labelcolor=style.INK
    )
    return figure


def _panel(axes: Axes, found: Robustness, name: str, lines: Sequence[Line], shaded: int) -> None:
    distortion = _NAMED[name]
    for first, look in ((NOTHING, "o-"), (ALIKE, "x:")):
        levels = found.of(name, first)
        if not levels:
            continue
        shown = [*found.of(NOTHING, first), *levels]
        for number, (label, colour, figure) in enumerate(lines):
            estimates = [figure(level) for level in shown]
            places = [place for place, estimate in enumerate(estimates) if estimate.value is not None]
            values, lows, highs = ([getattr(estimates[i], bound) for i in places] for bound in ("value", "low", "high"))
            if first == NOTHING and number < shaded:
                axes.fill_between(places, lows, highs, color=colour, alpha=0.13, linewidth=0)
            note = "" if first == NOTHING else f", all JPEG {ALIKE_QUALITY} first"
            axes.plot(places, values, look, color=colour, linewidth=1.8, markersize=4.5, label=label + note)
    style.tidy(axes)
    title = distortion.title[0].upper() + distortion.title[1:]
    style.title(axes, f"{title} ({distortion.unit})", loc="left", fontsize=style.NORMAL, color=style.INK, pad=8)
    axes.set_xticks(range(1 + len(distortion.levels)), [_UNTOUCHED, *map(distortion.named, distortion.levels)])
    axes.set_xlim(-0.25, len(distortion.levels) + 0.25)


def section(folder: Path) -> dict[str, Any] | None:
    """Make what section_robustness.html shows; None where robustness was not measured.

    Raises:
        ArtclfError: as `read_robustness`, and as `embed`.
    """
    content, found = _read(folder), read_robustness(folder)
    if content is None or found is None:
        return None
    pictures = {name: embed(folder / "figures" / f"{name}.png") for name in _FIGURES}
    return {
        "found": found,
        "sentences": in_words(found),
        "figures": [(picture, _FIGURES[name]) for name, picture in pictures.items() if picture is not None],
        "rows": [(name_of(level), level, _kind(level)) for level in found.levels if level.first == NOTHING],
        "alike": found.of(NOTHING, ALIKE),
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
