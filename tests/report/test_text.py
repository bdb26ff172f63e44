from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from artclf.data.distortions import list_versions
from artclf.errors import ArtclfError
from artclf.evaluation.robustness import Robustness, measure_robustness
from artclf.report.text import describe_robustness, guessing, read_robustness

LABELS = np.repeat(["human", "ai"], [50, 70])


def measured(*, all_alike: bool = False, labels: tuple[str, ...] = ("human", "ai"), still: bool = False) -> Robustness:
    """A detector that takes low JPEG quality for AI, and does not see through blur; `still`: one that nothing changes."""
    rng = np.random.default_rng(0)
    clean = rng.normal(0, 1, len(LABELS)) + np.where(LABELS == "ai", 1.5, -1.5)
    parts = []
    for version in list_versions(all_alike=all_alike):
        logit = clean.copy()
        if version.distortion == "jpeg" and not still:
            logit += {90: 0, 75: 0.1, 50: 1.8, 30: 2.5}[version.level]
        if version.distortion == "blur" and not still:
            logit = logit * (1 - version.level / 2) - 0.1 * np.arange(len(logit)) % 1
        table = pd.DataFrame({"path": [str(i) for i in range(len(LABELS))], "label": LABELS, "p_ai": 1 / (1 + np.exp(-logit))})
        parts.append(table.assign(first=version.first, distortion=version.distortion, level=version.level))
    scores = pd.concat(parts, ignore_index=True).astype({"level": float})
    return measure_robustness(scores[scores["label"].isin(labels)], 0.5)


@pytest.mark.parametrize(("low", "is_guessing"), [(0.5, True), (0.51, False)])
def test_guessing_is_named(low: float, is_guessing: bool) -> None:
    test = {"n": 1200, "balanced_accuracy": 0.55, "intervals": {"balanced_accuracy": [low, 0.6]}}
    line = guessing({"splits": {"test": test}})
    assert (line is not None) == is_guessing
    assert guessing({}) is None
    if line:
        assert "on the 1,200 test images is 55.0% (95% interval 50.0–60.0%)" in line


def test_robustness_is_described_by_the_worst_and_by_what_is_beyond_chance() -> None:
    found = measured()
    worst, accused, *kinds, alike = describe_robustness(found)
    lowest, clean = (level.balanced_accuracy["both"].value or 0 for level in (found.of("blur")[-1], found.clean))
    assert worst.startswith(
        f"Lowest balanced accuracy: {lowest:.1%} with all images altered by blur 2 (unaltered: {clean:.1%})"
    )
    number = found.of("jpeg")[-1].flips.accused
    assert accused == f"Most new false accusations: {number} of 50 human images ({number / 50:.1%}), by JPEG 30."
    bias, *_, fragility, threshold = kinds
    assert bias.startswith("Beyond chance, bias to AI")
    assert bias.endswith(": JPEG 50, JPEG 30.")
    assert fragility.startswith("Beyond chance, fragility")
    assert "blur 2" in fragility
    assert threshold.endswith(": JPEG 50, JPEG 30.")
    assert alike.startswith("With every image re-encoded first (JPEG 95): 0 of 120 verdicts changed, balanced accuracy ")


def test_what_holds_and_one_class_alone_are_described() -> None:
    assert describe_robustness(measured(still=True))[1:3] == [
        "Most new false accusations: 0 of 50 human images (0.0%), by JPEG 90.",
        "Neither bias nor fragility was found beyond chance.",
    ]
    assert describe_robustness(measured(labels=("human",)))[0].startswith("Most new false accusations: ")
    assert len(describe_robustness(measured(labels=("ai",)))) == 1  # no accusations, no balanced accuracy


@pytest.mark.parametrize(("content", "reason"), [("{", "is no JSON"), ('{"levels": [{}]}', "is not what an evaluation writes")])
def test_a_foreign_file_is_refused(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "robustness.json").write_text(content)
    with pytest.raises(ArtclfError, match=reason):
        read_robustness(tmp_path)
