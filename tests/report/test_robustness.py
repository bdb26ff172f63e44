import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from artclf.data.distortions import DISTORTIONS, list_versions
from artclf.errors import ArtclfError
from artclf.evaluation.robustness import Robustness, measure_robustness
from artclf.report import plots
from artclf.report.robustness import describe_robustness, plot_rates, read_robustness

LABELS = np.repeat(["human", "ai"], [50, 70])


def measured(*, reencoded: bool = False, labels: tuple[str, ...] = ("human", "ai"), still: bool = False) -> Robustness:
    """A detector that takes low JPEG quality for AI, and does not see through blur; `still`: one that nothing changes."""
    rng = np.random.default_rng(0)
    clean = rng.normal(0, 1, len(LABELS)) + np.where(LABELS == "ai", 1.5, -1.5)
    parts = []
    for version in list_versions(reencoded=reencoded):
        logit = clean.copy()
        if version.distortion == "jpeg" and not still:
            logit += {90: 0, 75: 0.1, 50: 1.8, 30: 2.5}[version.level]
        if version.distortion == "blur" and not still:
            logit = logit * (1 - version.level / 2) - 0.1 * np.arange(len(logit)) % 1
        table = pd.DataFrame({"path": [str(i) for i in range(len(LABELS))], "label": LABELS, "p_ai": 1 / (1 + np.exp(-logit))})
        parts.append(table.assign(first=version.first, distortion=version.distortion, level=version.level))
    scores = pd.concat(parts, ignore_index=True).astype({"level": float})
    return measure_robustness(scores[scores["label"].isin(labels)])


def test_the_worst_and_what_is_beyond_chance_are_described() -> None:
    found = measured()
    worst, accused, bias, *_, fragility, threshold, alike = describe_robustness(found)
    lowest, clean = (level.balanced_accuracy["both"].value or 0 for level in (found.of("blur")[-1], found.clean))
    assert f"{lowest:.1%} with all images altered by blur 2 (unaltered: {clean:.1%})" in worst
    number = found.of("jpeg")[-1].flips.accused
    assert f"{number} of 50 human images ({number / 50:.1%}), by JPEG 30." in accused
    assert bias.startswith("Beyond chance, bias to AI")
    assert bias.endswith(": JPEG 50, JPEG 30.")
    assert fragility.startswith("Beyond chance, fragility")
    assert "blur 2" in fragility
    assert threshold.endswith(": JPEG 50, JPEG 30.")
    assert "re-encoded first (JPEG 95): 0 of 120 verdicts changed" in alike
    assert "Neither bias nor fragility was found beyond chance." in describe_robustness(measured(still=True))
    assert len(describe_robustness(measured(labels=("ai",)))) == 1  # no accusations, no balanced accuracy


def test_what_was_written_is_read_and_a_foreign_file_is_refused(tmp_path: Path) -> None:
    file, found = tmp_path / "robustness.json", measured()
    assert read_robustness(tmp_path) is None
    file.write_text(json.dumps(asdict(found)))
    assert read_robustness(tmp_path) == found
    for content, reason in (("{", "is no JSON"), ('{"levels": [{}]}', "is not what artclf writes")):
        file.write_text(content)
        with pytest.raises(ArtclfError, match=reason):
            read_robustness(tmp_path)


def test_each_distortion_has_a_panel() -> None:
    found = measured(reencoded=True)
    axes = plot_rates(found).axes
    assert len(axes) == len(DISTORTIONS)
    recall, accused, *dotted = axes[0].get_lines()
    levels = [found.clean, *found.of("jpeg")]
    assert list(recall.get_ydata()) == [level.recall.value for level in levels]
    assert list(accused.get_ydata()) == [level.false_positive_rate.value for level in levels]
    assert [line.get_linestyle() for line in dotted] == [":", ":"]
    (line,) = plot_rates(measured(labels=("human",))).axes[0].get_lines()
    assert line.get_color() == plots.HUMAN
