import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from artclf.evaluation.shortcuts import assign_folds, find_shortcuts, measure_facts
from tests.evaluation.audited import pictures

IS_AI = np.arange(120) >= 60


def measured(values: np.ndarray, is_ai: np.ndarray = IS_AI, others: int = 0) -> dict:
    rng = np.random.default_rng(9)
    facts = pd.DataFrame({"x": values, **{f"noise {n}": rng.random(len(is_ai)) for n in range(others)}})
    return measure_facts({"set": facts}, is_ai, assign_folds(is_ai))["set"]


def fact_of(values: np.ndarray, is_ai: np.ndarray = IS_AI, others: int = 0) -> dict:
    return next(fact for fact in measured(values, is_ai, others)["top"] if fact["fact"] == "x")


def test_folds_have_their_share_of_both_classes_and_no_copies_in_two() -> None:
    groups = np.repeat(np.arange(60), 3)
    is_ai = groups < 20
    folds = assign_folds(is_ai, groups, 1)
    assert (pd.Series(folds).groupby(groups).nunique() == 1).all()
    for label in (True, False):
        assert np.ptp(np.bincount(folds[is_ai == label], minlength=5)) <= 3
    assert np.bincount(assign_folds(IS_AI)).tolist() == [24] * 5


def test_a_fact_alone_has_the_auroc_of_its_order_and_more_facts_need_more_evidence() -> None:
    values = np.random.default_rng(0).normal(-0.7 * IS_AI, 1.0)
    alone, among = fact_of(values), fact_of(values, others=12)
    assert alone["auroc"] == among["auroc"] == pytest.approx(roc_auc_score(~IS_AI, values))
    assert alone["severity"] != "none"
    assert alone["p"] < among["p"]


def test_a_constant_fact_separates_nothing() -> None:
    result = measured(np.full(120, 7.0))
    assert (result["auroc"], result["p"], result["notable"]) == (0.5, 1.0, False)
    (fact,) = result["top"]
    assert (fact["auroc"], fact["constant"], fact["severity"]) == (0.5, True, "none")


def test_categories_separate_the_classes_whatever_their_order() -> None:
    values = np.where(IS_AI, np.array(["b", "d"])[np.arange(120) % 2], np.array(["a", "c"])[np.arange(120) % 2])
    assert fact_of(values)["severity"] == "severe"
    own = fact_of(np.array([f"name {n}" for n in range(120)]))  # each file has its own
    assert (own["severity"], own["ai"]) == ("none", "60 different")


def test_the_order_in_which_images_are_listed_does_not_matter() -> None:
    """Two files to each name, drawn without a look at the class: equally common names are all there is."""
    for seed in range(2):
        names = np.char.mod("table %d", np.random.default_rng(seed).permutation(np.arange(200) // 2))
        assert fact_of(names, np.arange(200) >= 100)["severity"] == "none"  # human images first, as a manifest lists them


def test_random_labels_are_chance() -> None:
    """The intervals are somewhat narrow, nine of ten hold the truth: of six, four nearly always do."""
    held, notable = 0, 0
    for seed in range(6):
        is_ai = np.random.default_rng(seed).permutation(120) < 60
        result = measured(np.random.default_rng([seed, 7]).random(120), is_ai, others=2)
        held += result["auroc_interval"][0] <= 0.5 <= result["auroc_interval"][1]
        notable += any(fact["severity"] != "none" for fact in result["top"])
    assert held >= 4
    assert notable <= 1


def test_the_fact_with_the_highest_auroc_comes_first() -> None:
    stored = {"jpeg_quality": [95] * 100 + [75] * 100, "tables": "aaaa", "width": [100] * 150 + [200] * 50}
    first, second, *_ = find_shortcuts(pictures(**stored, height=100, bytes=5000))
    assert [first[key] for key in ("fact", "severity", "human", "ai")] == ["JPEG quality", "severe", "95 (100%)", "75 (100%)"]
    assert [second[key] for key in ("fact", "severity", "ai")] == ["size", "moderate", "121 (100 to 141)"]
    assert {fact["severity"] for fact in find_shortcuts(pictures())} == {"none"}


@pytest.mark.parametrize(("n", "notable"), [(20, False), (2000, True)])
def test_few_files_need_a_larger_difference(n: int, notable: bool) -> None:
    """60% of 20 files is chance; of 2,000 it is not."""
    quality = np.repeat([95, 75, 95, 75], [3 * n // 10, n // 5, n // 5, 3 * n // 10])
    found = {fact["fact"]: fact["severity"] for fact in find_shortcuts(pictures(n, jpeg_quality=quality))}
    assert (found["JPEG quality"] != "none") is notable


def test_too_few_files_of_a_class_are_not_compared() -> None:
    assert find_shortcuts(pictures(20, label=["human"] * 4 + ["ai"] * 16)) == []
