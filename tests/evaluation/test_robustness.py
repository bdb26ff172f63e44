"""Made-up detectors, of which it is known what they are."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from artclf.data.distortions import NOTHING
from artclf.evaluation.intervals import wilson
from artclf.evaluation.metrics import binary_metrics
from artclf.evaluation.robustness import Flips, Robustness, compare_forms, measure_robustness

HUMAN, AI = 60, 80
LABELS = np.repeat(["human", "ai"], [HUMAN, AI])


CLEAN = np.random.default_rng(0).normal(np.where(LABELS == "ai", 1.5, -1.5))  # logits of a good detector, human images first
NOISE = np.random.default_rng(1).normal(size=HUMAN + AI)


def table(**versions: np.ndarray) -> pd.DataFrame:
    """Scores in the versions NAME_LEVEL, from logits; `clean` and `alike` are without a distortion."""
    parts = []
    for key, values in versions.items():
        first = "jpeg_95" if key.startswith("alike") else NOTHING
        name, _, level = key.removeprefix("alike_").partition("_")
        name, level = (NOTHING, "nan") if name in {"clean", "alike"} else (name, level)
        part = pd.DataFrame({"path": np.arange(len(values)).astype(str), "label": LABELS, "p_ai": 1 / (1 + np.exp(-values))})
        parts.append(part.assign(first=first, distortion=name, level=float(level)))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("values", "fragile", "biased", "shifted"),
    [
        (CLEAN + 4, False, "ai", True),  # a detector that takes low quality for a sign of AI: the order stays
        (CLEAN - 4, False, "human", True),
        (0.1 * CLEAN + NOISE, True, "", False),  # its evidence is lost
        # AI's files had low quality when it learned: human images look like AI's when they get it too
        (np.where(LABELS == "ai", CLEAN, NOISE + 1.5), True, "ai", False),
        (CLEAN + 0.02 * NOISE, False, "", False),
    ],
)
def test_bias_fragility_and_a_misplaced_threshold(values: np.ndarray, fragile: bool, biased: str, shifted: bool) -> None:
    (found,) = measure_robustness(table(clean=CLEAN, jpeg_30=values)).of("jpeg")
    assert (found.fragile, found.biased, found.shifted) == (fragile, biased, shifted)
    is_ai = LABELS == "ai"
    for who, scores in (("both", values), ("ai", np.where(is_ai, values, CLEAN)), ("human", np.where(is_ai, CLEAN, values))):
        assert found.auroc[who].value == pytest.approx(roc_auc_score(is_ai, scores))


def test_rates_and_flips_counted_by_hand() -> None:
    clean = np.where(LABELS == "ai", 2.0, -2.0)
    clean[:3] = 1  # three human images called AI already
    clean[HUMAN : HUMAN + 5] = -1  # five AI images missed already
    values = clean.copy()
    values[0] = -1  # cleared
    values[10:14] = 1  # accused
    values[HUMAN] = values[HUMAN + 1] = 1  # found
    values[-9:] = -1  # missed
    found = measure_robustness(table(clean=clean, webp_50=values))
    assert (found.human, found.ai) == (HUMAN, AI)
    assert found.clean.false_positive_rate == wilson(3, HUMAN)
    assert found.clean.flips == Flips(0, 0, 0, 0)
    assert (found.clean.p, found.clean.fragile, found.clean.biased, found.clean.shifted) == (None, None, None, None)
    (webp,) = found.of("webp")
    assert webp.flips == Flips(accused=4, cleared=1, missed=9, found=2)
    assert webp.false_positive_rate == wilson(6, HUMAN)
    assert webp.recall == wilson(AI - 5 + 2 - 9, AI)
    assert webp.balanced_accuracy["both"].value == pytest.approx((68 / 80 + 54 / 60) / 2)
    assert webp.balanced_accuracy["ai"].value == pytest.approx((68 / 80 + 57 / 60) / 2)
    assert webp.balanced_accuracy["human"].value == pytest.approx((75 / 80 + 54 / 60) / 2)
    assert webp.p == pytest.approx(binomtest(3, 16).pvalue)  # 13 right no longer, 3 right now
    assert TypeAdapter(Robustness).validate_json(json.dumps(asdict(found)), strict=True) == found


def test_what_is_made_alike_first_is_compared_with_what_was_made_alike() -> None:
    alike = CLEAN + 4
    found = measure_robustness(table(clean=CLEAN, jpeg_30=CLEAN + 4, alike=alike, alike_jpeg_30=alike))
    (again,) = found.of("jpeg", "jpeg_95")
    assert (again.fragile, again.biased, again.shifted, again.flips) == (False, "", False, Flips(0, 0, 0, 0))
    (baseline,) = found.of(NOTHING, "jpeg_95")
    assert baseline.shifted is True
    assert baseline.flips.accused > 0
    assert baseline.auroc["human"].value == baseline.auroc["both"].value  # made alike, all are


def test_p_values_are_corrected_over_all_levels() -> None:
    clean = np.where(LABELS == "ai", 2.0, -2.0)
    values = clean.copy()
    values[:7] = 2
    found = measure_robustness(table(clean=clean, jpeg_90=clean, jpeg_50=clean, blur_1=values))
    assert [(level.level, level.p) for level in found.of("jpeg")] == [(90, 1), (50, 1)]
    assert found.of("blur")[0].p == pytest.approx(3 * 2 * 0.5**7)


def test_few_images_of_a_class_are_not_tested() -> None:
    scores = table(clean=CLEAN, jpeg_30=CLEAN + 4)
    (jpeg,) = measure_robustness(scores[scores["label"] == "human"]).of("jpeg")
    assert jpeg.flips.accused > 0
    assert jpeg.false_positive_rate.value is not None
    assert (jpeg.recall.value, jpeg.auroc["both"].value, jpeg.balanced_accuracy["human"].value) == (None, None, None)
    assert (jpeg.fragile, jpeg.biased, jpeg.shifted) == (None, None, None)
    turned = table(clean=np.where(LABELS == "ai", 3.0, -3.0), jpeg_30=np.where(LABELS == "ai", -3.0, 3.0))
    for number, fragile in ((4, None), (5, True)):
        few = turned.groupby(["label", "distortion"]).head(number)
        assert measure_robustness(few).of("jpeg")[0].fragile is fragile


def test_gaps_are_refused() -> None:
    scores = table(clean=CLEAN, jpeg_30=CLEAN)
    with pytest.raises(ValueError, match="a score is NaN"):
        measure_robustness(scores.iloc[:-1])
    with pytest.raises(ValueError, match="duplicate"):
        measure_robustness(pd.concat([scores, scores.iloc[:1]]))


# ---- as stored, and in canonical form

IS_AI = np.array([False] * 4 + [True] * 4)
STORED = np.array([0.1, 0.2, 0.3, 0.6, 0.9, 0.8, 0.7, 0.4])
FORMED = np.array([0.1, 0.7, 0.3, 0.4, 0.9, 0.2, 0.7, 0.6])


def test_both_forms_have_the_figures_of_their_scores() -> None:
    found = compare_forms(IS_AI, STORED, FORMED)
    assert (found["n_ai"], found["n_human"]) == (4, 4)
    for form, p_ai in (("as_stored", STORED), ("canonical", FORMED)):
        figures = binary_metrics(IS_AI, p_ai)
        for name in ("balanced_accuracy", "false_positive_rate", "auroc"):
            value, low, high = found[form][name]
            assert value == pytest.approx(figures[name])
            assert low <= value <= high
    assert found["flips"] == {label: {"to_ai": 1, "to_human": 1, "p": 1.0} for label in ("human", "ai")}
    assert found["auroc_lost"][0] == pytest.approx(found["as_stored"]["auroc"][0] - found["canonical"]["auroc"][0])
    reach = wilson(0, 4).high  # four images of each class do not show that nothing at all is lost
    assert compare_forms(IS_AI, STORED, STORED)["auroc_lost"] == pytest.approx([0.0, -reach, reach])


def test_flips_of_one_class_are_tested_for_going_one_way() -> None:
    found = compare_forms(np.zeros(10, dtype=bool), np.full(10, 0.4), np.full(10, 0.6))
    assert found["flips"]["human"] == {"to_ai": 10, "to_human": 0, "p": pytest.approx(2 / 2**10)}
    assert (found["as_stored"]["recall"], found["canonical"]["auroc"], found["auroc_lost"]) == (None, None, None)
