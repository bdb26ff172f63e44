"""What a run's figures say in sentences, on its page and in the terminal."""

from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

from artclf.data.distortions import ALIKE, ALIKE_QUALITY, DISTORTIONS, NOTHING
from artclf.errors import ArtclfError
from artclf.evaluation.robustness import Altered, Robustness, from_json
from artclf.report import format as fmt
from artclf.run_folder import read_json

_MEANINGS = {
    "bias to AI": "altered images look more like AI images",
    "bias to human": "altered images look more like human images",
    "fragility": "what tells the classes apart is lost",
    "threshold": "AI images still score higher than human ones, but the threshold is in the wrong place",
}


def guessing(metrics: Mapping[str, Any]) -> str | None:
    """Say that a network is no better than chance on its test images; None where it is, or that was not measured.

    Args:
        metrics: metrics.json, or what it will hold.
    """
    test = (metrics.get("splits") or {}).get("test") or {}
    bounds = (test.get("intervals") or {}).get("balanced_accuracy")
    if bounds is None or bounds[0] > 0.5:
        return None
    return (
        f"No better than guessing: the balanced accuracy on the {fmt.plural(test['n'], 'test image')} is "
        f"{fmt.share(test['balanced_accuracy'])} (95% interval {fmt.share_range(bounds)}), and guessing gives 50%"
    )


def read_robustness(folder: Path) -> Robustness | None:
    """Read robustness.json; None where there is none.

    Raises:
        ArtclfError: where it is something else.
    """
    content = read_json(folder / "robustness.json", "evaluate again")
    try:
        return None if content is None else from_json(content)
    except (LookupError, TypeError) as error:
        raise ArtclfError(
            f"{folder / 'robustness.json'}: is not what an evaluation writes ({error}); evaluate again"
        ) from error


def name_of(altered: Altered) -> str:
    """Name an alteration: "JPEG 30", "scaling down 0.5"."""
    if altered.level is None:
        return f"JPEG {ALIKE_QUALITY}" if altered.first == ALIKE else "unaltered"
    distortion = next(distortion for distortion in DISTORTIONS if distortion.name == altered.distortion)
    return f"{distortion.title} {distortion.named(altered.level)}"


def findings(altered: Altered) -> list[str]:
    """List what was found beyond chance under an alteration: "fragility", "bias to AI", "bias to human", "threshold"."""
    found = {
        "fragility": altered.fragile,
        "bias to AI": altered.biased == "ai",
        "bias to human": altered.biased == "human",
        "threshold": altered.shifted,
    }
    return [name for name, beyond_chance in found.items() if beyond_chance]


def describe_robustness(found: Robustness) -> list[str]:
    """Describe the largest loss, the most false accusations, what is bias or fragility, and what re-encoding alike changes."""
    levels = [level for level in found.levels if level.first == NOTHING and level.level is not None]
    accuracies = {name_of(level): level.balanced_accuracy["both"].value or 0.0 for level in levels}
    clean = found.clean.balanced_accuracy["both"].value
    lines = []
    if clean is not None:
        worst = min(accuracies, key=lambda name: accuracies[name])
        lines.append(
            f"Lowest balanced accuracy: {fmt.share(accuracies[worst])} with all images altered by {worst} "
            f"(unaltered: {fmt.share(clean)}), at the same threshold."
        )
    if found.human:
        most = max(levels, key=lambda level: level.flips.accused)
        number = f"{fmt.count(most.flips.accused)} of {fmt.plural(found.human, 'human image')}"
        lines.append(
            f"Most new false accusations: {number} ({fmt.share(most.flips.accused / found.human)}), by {name_of(most)}."
        )
    for finding, meaning in _MEANINGS.items():
        names = [name_of(level) for level in levels if finding in findings(level)]
        if names:
            lines.append(f"Beyond chance, {finding} ({meaning}): {fmt.listed(names)}.")
    if levels[0].fragile is not None and not any(map(findings, levels)):
        lines.append("Neither bias nor fragility was found beyond chance.")
    for alike in found.of(NOTHING, ALIKE):
        changed = f"{sum(astuple(alike.flips)):,} of {fmt.plural(found.human + found.ai, 'verdict')} changed"
        accuracy = fmt.share(alike.balanced_accuracy["both"].value)
        lines.append(f"With every image re-encoded first (JPEG {ALIKE_QUALITY}): {changed}, balanced accuracy {accuracy}.")
    return lines
