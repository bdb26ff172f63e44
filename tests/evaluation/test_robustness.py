"""Made-up detectors, of which it is known what they are."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from artclf.data.distortions import NOTHING
from artclf.evaluation.intervals import wilson
from artclf.evaluation.metrics import binary_metrics
from artclf.evaluation.robustness import Flips, Robustness, compare_forms, measure_robustness

PEOPLE, AI = 60, 80
LABELS = np.repeat(["human", "ai"], [PEOPLE, AI])


def logits(seed: int = 0, apart: float = 1.5) -> np.ndarray:
    """Scores of a good detector on pictures as they are: [people, then AI]."""
    return np.random.default_rng(seed).normal(0, 1, PEOPLE + AI) + np.where(LABELS == "ai", apart, -apart)


def table(**versions: np.ndarray) -> pd.DataFrame:
    """Scores in the versions NAME_LEVEL, from logits; those of the pictures as they are are called `clean`."""
    parts = []
    for key, values in versions.items():
        first, name, level = NOTHING, NOTHING, np.nan
        if key.startswith("alike"):
            first = "jpeg_95"
        if key not in {"clean", "alike"}:
            name, level = key.removeprefix("alike_").rsplit("_", 1)
        paths = [f"{number}.png" for number in range(len(values))]
        part = pd.DataFrame({"path": paths, "label": LABELS[: len(values)], "p_ai": 1 / (1 + np.exp(-values))})
        parts.append(part.assign(first=first, distortion=name, level=float(level)))
    return pd.concat(parts, ignore_index=True)


def level(found: Robustness, distortion: str, number: int = 0, first: str = NOTHING):
    return found.of(distortion, first)[number]


def test_a_detector_of_an_alteration_is_biased_and_not_fragile() -> None:
    """It takes low quality for a sign of AI: all scores rise by as much, and their order is what it was."""
    clean = logits()
    found = level(measure_robustness(table(clean=clean, jpeg_30=clean + 4), 0.5), "jpeg")
    assert (found.fragile, found.biased, found.shifted) == (False, "ai", True)
    assert found.auroc["both"].value == pytest.approx(roc_auc_score(LABELS == "ai", clean))
    human_alone = np.where(LABELS == "ai", clean, clean + 4)
    assert found.auroc["human"].value == pytest.approx(roc_auc_score(LABELS == "ai", human_alone))
    assert found.auroc["ai"].value > found.auroc["both"].value
    away = level(measure_robustness(table(clean=clean, jpeg_30=clean - 4), 0.5), "jpeg")
    assert (away.fragile, away.biased, away.shifted) == (False, "human", True)


def test_a_detector_whose_evidence_is_lost_is_fragile_and_not_biased() -> None:
    clean = logits()
    found = level(measure_robustness(table(clean=clean, blur_2=0.1 * clean + logits(1, apart=0)), 0.5), "blur")
    assert (found.fragile, found.biased, found.shifted) == (True, "", False)
    assert found.auroc["both"].value < min(found.auroc["ai"].value, found.auroc["human"].value)


def test_a_sign_that_one_class_has_already_is_both() -> None:
    """AI's files had low quality when it learned: people's look like AI's when they get it too, and AI's lose nothing by it."""
    clean = logits()
    lowered = np.where(LABELS == "ai", clean, logits(3, apart=0) + 1.5)
    found = level(measure_robustness(table(clean=clean, jpeg_30=lowered), 0.5), "jpeg")
    assert (found.fragile, found.biased) == (True, "ai")
    assert found.auroc["human"].value == found.auroc["both"].value


def test_what_does_not_change_is_none_of_these() -> None:
    clean = logits()
    found = measure_robustness(table(clean=clean, crop_1=clean + np.random.default_rng(5).normal(0, 0.02, len(clean))), 0.5)
    crop = level(found, "crop")
    assert (crop.fragile, crop.biased, crop.shifted) == (False, "", False)
    assert (found.clean.fragile, found.clean.biased, found.clean.shifted, found.clean.p) == (None, None, None, None)
    assert found.clean.flips == Flips(0, 0, 0, 0)


def test_rates_and_flips_counted_by_hand() -> None:
    clean = np.where(LABELS == "ai", 2.0, -2.0)
    clean[:3] = 1  # three people accused already
    clean[PEOPLE : PEOPLE + 5] = -1  # five AI works missed already
    altered = clean.copy()
    altered[0] = -1  # cleared
    altered[10:14] = 1  # accused
    altered[PEOPLE] = altered[PEOPLE + 1] = 1  # found
    altered[-9:] = -1  # missed
    found = measure_robustness(table(clean=clean, webp_50=altered), 0.5)
    webp = level(found, "webp")
    assert webp.flips == Flips(accused=4, cleared=1, missed=9, found=2)
    assert (found.human, found.ai) == (PEOPLE, AI)
    assert found.clean.false_positive_rate == wilson(3, PEOPLE)
    assert webp.false_positive_rate == wilson(6, PEOPLE)
    assert webp.recall == wilson(AI - 5 + 2 - 9, AI)
    assert webp.balanced_accuracy["both"].value == pytest.approx((68 / 80 + 54 / 60) / 2)
    assert webp.balanced_accuracy["ai"].value == pytest.approx((68 / 80 + 57 / 60) / 2)
    assert webp.balanced_accuracy["human"].value == pytest.approx((75 / 80 + 54 / 60) / 2)
    assert webp.p == pytest.approx(binomtest(3, 16).pvalue)  # 13 right no longer, 3 right now


def test_what_is_made_alike_first_is_compared_with_what_was_made_alike() -> None:
    clean = logits()
    alike = clean + 4
    found = measure_robustness(table(clean=clean, jpeg_30=clean + 4, alike=alike, alike_jpeg_30=alike), 0.5)
    assert found.firsts == [NOTHING, "jpeg_95"]
    assert level(found, "jpeg").biased == "ai"
    again = level(found, "jpeg", first="jpeg_95")
    assert (again.fragile, again.biased, again.shifted, again.flips) == (False, "", False, Flips(0, 0, 0, 0))
    (baseline,) = found.of(NOTHING, "jpeg_95")
    assert baseline.shifted is True
    assert baseline.flips.accused > 0
    assert baseline.auroc["human"].value == baseline.auroc["both"].value  # made alike, all are


def test_p_values_are_corrected_over_all_levels() -> None:
    clean = np.where(LABELS == "ai", 2.0, -2.0)
    altered = clean.copy()
    altered[:7] = 2
    found = measure_robustness(table(clean=clean, jpeg_90=clean, jpeg_50=clean, blur_1=altered), 0.5)
    assert level(found, "blur").p == pytest.approx(3 * 2 * 0.5**7)
    assert level(found, "jpeg", 1).p == 1


def test_levels_keep_their_order() -> None:
    clean = logits()
    scores = table(jpeg_90=clean, jpeg_30=clean - 1, clean=clean, blur_1=clean + 1).sample(frac=1, random_state=0)
    scores = scores.sort_values("level", ascending=False, kind="stable")
    found = measure_robustness(scores, 0.5)
    assert found.distortions() == ["jpeg", "blur"]
    assert [altered.level for altered in found.of("jpeg")] == [90, 30]
    assert found.levels[0].distortion == NOTHING


def test_one_class_alone_has_rates_and_flips_and_no_more() -> None:
    scores = table(clean=logits(), jpeg_30=logits() + 4)
    found = measure_robustness(scores[scores["label"] == "human"], 0.5)
    jpeg = level(found, "jpeg")
    assert jpeg.flips.accused > 0
    assert jpeg.false_positive_rate.value is not None
    assert (jpeg.recall.value, jpeg.auroc["both"].value, jpeg.balanced_accuracy["human"].value) == (None, None, None)
    assert (jpeg.fragile, jpeg.biased, jpeg.shifted) == (None, None, None)


def test_of_a_handful_nothing_is_beyond_chance() -> None:
    """One work of each class, whose order is turned round."""
    clean = np.where(LABELS == "ai", 3.0, -3.0)
    scores = table(clean=clean, jpeg_30=-clean)
    of_each = scores.groupby(["label", "distortion"])
    assert level(measure_robustness(of_each.head(4), 0.5), "jpeg").fragile is None
    assert level(measure_robustness(of_each.head(5), 0.5), "jpeg").fragile


def test_gaps_are_refused() -> None:
    scores = table(clean=logits(), jpeg_30=logits())
    with pytest.raises(ValueError, match="140 pictures in 2 versions are 280 scores; got 279"):
        measure_robustness(scores.iloc[:-1], 0.5)
    with pytest.raises(ValueError, match="got 281"):
        measure_robustness(pd.concat([scores, scores.iloc[:1]]), 0.5)
    with pytest.raises(ValueError, match="without a distortion"):
        measure_robustness(scores[scores["distortion"] == "jpeg"], 0.5)


IS_AI = np.array([False] * 4 + [True] * 4)
STORED = np.array([0.1, 0.2, 0.3, 0.6, 0.9, 0.8, 0.7, 0.4])
FORMED = np.array([0.1, 0.7, 0.3, 0.4, 0.9, 0.2, 0.7, 0.6])


def test_both_forms_are_what_their_scores_say() -> None:
    told = compare_forms(IS_AI, STORED, FORMED)
    assert (told["n_ai"], told["n_human"]) == (4, 4)
    for form, p_ai in (("as_stored", STORED), ("canonical", FORMED)):
        figures = binary_metrics(IS_AI, p_ai)
        for name in ("balanced_accuracy", "false_positive_rate", "auroc"):
            value, low, high = told[form][name]
            assert value == pytest.approx(figures[name])
            assert low <= value <= high
    assert told["flips"] == {label: {"to_ai": 1, "to_human": 1, "p": 1.0} for label in ("human", "ai")}
    assert told["auroc_lost"][0] == pytest.approx(told["as_stored"]["auroc"][0] - told["canonical"]["auroc"][0])


def test_the_same_scores_lose_nothing() -> None:
    told = compare_forms(IS_AI, STORED, STORED)
    reach = wilson(0, 4).high  # four works of each class do not show that nothing at all is lost
    assert told["auroc_lost"] == pytest.approx([0.0, -reach, reach])
    assert told["flips"] == {label: {"to_ai": 0, "to_human": 0, "p": 1.0} for label in ("human", "ai")}


def test_flips_are_tested_for_going_one_way() -> None:
    people = np.zeros(10, dtype=bool)
    flips = compare_forms(people, np.full(10, 0.4), np.full(10, 0.6))["flips"]["human"]
    assert flips == {"to_ai": 10, "to_human": 0, "p": pytest.approx(2 / 2**10)}


def test_a_class_that_is_absent_has_no_figures() -> None:
    told = compare_forms(IS_AI[4:], STORED[4:], FORMED[4:])
    assert told["as_stored"]["recall"][0] == 0.75
    assert told["as_stored"]["false_positive_rate"] is None
    assert told["canonical"]["auroc"] is None
    assert told["auroc_lost"] is None


def test_each_picture_needs_two_scores() -> None:
    with pytest.raises(ValueError, match="two scores"):
        compare_forms(IS_AI, STORED, FORMED[1:])
