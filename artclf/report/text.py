"""What a run's figures say in sentences, on its page and in the terminal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from artclf.data.distortions import ALIKE, ALIKE_QUALITY, DISTORTIONS, NOTHING
from artclf.errors import ArtclfError
from artclf.evaluation.robustness import Altered, Robustness, from_json
from artclf.report import format as fmt
from artclf.report.render import lines
from artclf.run_folder import read_json


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
    except ValueError as error:
        raise ArtclfError(
            f"{folder / 'robustness.json'}: is not what an evaluation writes ({str(error).splitlines()[0]}); evaluate again"
        ) from error


def _name(altered: Altered) -> str:
    """Name an alteration: "JPEG 30", "scaling down 0.5"."""
    if altered.level is None:
        return f"JPEG {ALIKE_QUALITY}" if altered.first == ALIKE else "unaltered"
    distortion = next(distortion for distortion in DISTORTIONS if distortion.name == altered.distortion)
    return f"{distortion.title} {distortion.named(altered.level)}"


def _findings(altered: Altered) -> list[str]:
    """List what was found beyond chance under an alteration: "fragility", "bias to AI", "bias to human", "threshold"."""
    found = {
        "fragility": altered.fragile,
        "bias to AI": altered.biased == "ai",
        "bias to human": altered.biased == "human",
        "threshold": altered.shifted,
    }
    return [name for name, beyond_chance in found.items() if beyond_chance]


def list_levels(found: Robustness, first: str = NOTHING) -> list[dict[str, Any]]:
    """List the levels of all alterations, with their names and findings, as the templates show them."""
    levels = [level for level in found.levels if level.first == first]
    return [{"level": level, "name": _name(level), "findings": _findings(level)} for level in levels]


def describe_robustness(found: Robustness) -> list[str]:
    """Describe the largest loss, the most false accusations, what is bias or fragility, and what re-encoding alike changes."""
    return lines("robustness.txt", found=found, levels=list_levels(found), alike_first=list_levels(found, ALIKE))
