import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from artclf.evaluation.giveaways import deal_folds, weigh


@pytest.mark.parametrize(("human", "ai", "expected"), [(40, 60, 5), (3, 60, 3), (60, 4, 4)])
def test_folds_have_their_share_of_both_classes(human: int, ai: int, expected: int) -> None:
    is_ai = np.arange(human + ai) >= human
    folds = deal_folds(is_ai, np.arange(human + ai), 0)
    assert folds.max() + 1 == expected
    for label, number in ((False, human), (True, ai)):
        assert np.ptp(np.bincount(folds[is_ai == label], minlength=expected)) <= 1, number


def test_copies_are_in_one_fold_whatever_their_label() -> None:
    groups = np.repeat(np.arange(30), 4)
    folds = deal_folds(np.random.default_rng(0).random(120) < 0.5, groups, 1)
    assert (pd.Series(folds).groupby(groups).nunique() == 1).all()
    assert set(folds) == set(range(5))


def weighed(values: np.ndarray, is_ai: np.ndarray, named: bool = False, others: int = 0):
    rng = np.random.default_rng(9)
    facts = {"x": (pd.Series(values), named)} | {
        f"noise {n}": (pd.Series(rng.random(len(is_ai))), False) for n in range(others)
    }
    return weigh({"set": facts}, is_ai, deal_folds(is_ai, np.arange(len(is_ai)), 0), 0, 10)["set"]


IS_AI = np.arange(120) >= 60


def test_a_fact_alone_has_the_auroc_of_its_order_up_or_down() -> None:
    values = np.random.default_rng(0).normal(-0.7 * IS_AI, 1.0)
    fact = weighed(values, IS_AI).facts[0]
    assert fact.auroc.value == pytest.approx(roc_auc_score(~IS_AI, values), abs=1e-6)
    assert fact.notable


def test_more_facts_need_more_evidence() -> None:
    values = np.random.default_rng(5).normal(0.5 * IS_AI, 1.0)
    alone = weighed(values, IS_AI).facts[0]
    among = next(fact for fact in weighed(values, IS_AI, others=12).facts if fact.name == "x")
    assert alone.p < among.p
    assert alone.auroc == among.auroc


def test_what_is_the_same_everywhere_tells_nothing() -> None:
    result = weighed(np.full(120, 7.0), IS_AI)
    assert (result.auroc.value, result.facts[0].auroc.value, result.facts[0].constant) == (0.5, 0.5, True)
    assert (result.p, result.facts[0].severity) == (1.0, "none")


def test_names_that_all_have_to_themselves_tell_nothing() -> None:
    fact = weighed(np.array([f"name {n}" for n in range(120)]), IS_AI, named=True).facts[0]
    assert not fact.notable


def test_names_are_told_apart_whatever_their_order() -> None:
    values = np.where(IS_AI, np.array(["b", "d"])[np.arange(120) % 2], np.array(["a", "c"])[np.arange(120) % 2])
    assert weighed(values, IS_AI, named=True).facts[0].severity == "severe"


def test_the_order_in_which_pictures_are_listed_tells_nothing() -> None:
    """Two files to each name, drawn without a look at the class: equally common names are all there is."""
    for seed in range(5):
        names = np.char.mod("table %d", np.random.default_rng(seed).permutation(np.arange(200) // 2))
        result = weighed(names, np.arange(200) >= 100, named=True)  # human works first, as a manifest lists them
        assert not result.notable
        assert not result.facts[0].notable


def test_random_labels_are_chance() -> None:
    """The intervals are somewhat narrow, nine of ten hold the truth: of twelve, eight nearly always do."""
    held, notable = 0, 0
    for seed in range(12):
        is_ai = np.random.default_rng(seed).permutation(120) < 60
        facts = {f"noise {n}": (pd.Series(np.random.default_rng([seed, n]).random(120)), False) for n in range(3)}
        result = weigh({"set": facts}, is_ai, deal_folds(is_ai, np.arange(120), 0), 0, 5)["set"]
        held += result.auroc.low <= 0.5 <= result.auroc.high
        notable += any(fact.notable for fact in result.facts)
    assert held >= 8
    assert notable <= 1
