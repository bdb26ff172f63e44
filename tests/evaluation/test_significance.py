import json

import numpy as np
import pytest
from scipy.stats import binomtest

from artclf.evaluation.intervals import estimate_metrics
from artclf.evaluation.significance import (
    FIGURES,
    Classifier,
    compare_with_best,
    holm,
    mcnemar,
    paired_differences,
    smallest_difference,
)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        (1, 9, 2 * (1 + 10) / 2**10),  # by hand; statsmodels' mcnemar(exact=True) says 0.021484375 too
        (9, 1, 2 * (1 + 10) / 2**10),
        (6, 6, 1.0),
        (0, 0, 1.0),
        (17, 31, 0.05946337525377034),  # statsmodels
    ],
)
def test_mcnemar_has_the_known_values(only_first: int, only_second: int, p: float) -> None:
    numbers = [40, only_first, only_second, 7]
    test = mcnemar(np.repeat([True, True, False, False], numbers), np.repeat([True, False, True, False], numbers))
    assert (test.only_first, test.only_second) == (only_first, only_second)
    assert test.p == pytest.approx(p)


def test_holm_has_the_known_values() -> None:
    corrected = holm([0.01, 0.04, 0.03, 0.005])
    assert corrected == pytest.approx([0.03, 0.06, 0.06, 0.02])  # statsmodels' multipletests(method="holm")
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("tests", [1, 10])
@pytest.mark.parametrize("discordant", [6, 49, 3000])
def test_the_smallest_difference_is_where_mcnemar_turns(discordant: int, tests: int) -> None:
    level = 0.05 / tests
    needed = round(smallest_difference(discordant, 5000, tests) * 5000)
    number = max(discordant, needed)
    fewer = (number - needed) // 2
    assert binomtest(fewer, number).pvalue <= level
    assert fewer + 1 > number // 2 or binomtest(fewer + 1, number).pvalue > level
    assert smallest_difference(0, 118) == pytest.approx(6 / 118)  # 2 · 0.5^6 = 0.031, and 2 · 0.5^5 = 0.063
    assert smallest_difference(2, 5) > 1  # too few images


def test_paired_differences_are_those_of_the_figures() -> None:
    rng = np.random.default_rng(4)
    is_ai = np.arange(2000) < 1200
    clear = np.where(is_ai, 1.2, -1.2) + rng.normal(0, 1, 2000)
    scores = 1 / (1 + np.exp(-np.stack([clear, clear + rng.normal(0, 3, 2000)])))
    found = paired_differences(is_ai, scores)
    assert set(found) == {*FIGURES}
    one, other = (estimate_metrics(is_ai, p_ai) for p_ai in scores)
    for name, estimate in found.items():
        sign = -1 if name.endswith("rate") else 1
        assert estimate.value == pytest.approx(one[name].value - other[name].value)
        assert min(sign * estimate.low, sign * estimate.high) > 0
        assert estimate.low < estimate.value < estimate.high
    alone = paired_differences(is_ai[:50], scores[:, :50])
    assert [name for name in FIGURES if alone[name].value is None] == ["balanced_accuracy", "auroc", "false_positive_rate"]


# ---- several classifiers

IS_AI = np.arange(400) >= 100


def classifier(name: str, *wrong: int, setting: tuple[str, ...] | None = None) -> Classifier:
    """A classifier that is wrong on the images from the first number to the second."""
    called_ai = IS_AI.copy()
    called_ai[slice(*wrong)] ^= True
    return Classifier(name, np.where(called_ai, 0.9, 0.1), setting or (f"model={name}",))


def test_the_best_is_tested_against_each_other_with_every_pair_corrected_for() -> None:
    a, b, c, d = classifier("a", 0, 20), classifier("b", 20, 44), classifier("c", 0, 100), classifier("d", 0, 20)
    found = compare_with_best([a, b, c, d], IS_AI, intervals=3)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [(pair["first"], pair["second"]) for pair in found["pairs"]] == [("a", "b"), ("a", "c"), ("a", "d")]
    assert [(pair["only_first_right"], pair["only_second_right"]) for pair in found["pairs"]] == [(24, 20), (80, 0), (0, 0)]
    assert [pair["verdict"] for pair in found["pairs"]] == ["chance", "better", "chance"]
    assert found["method"]["tests"] == 6
    # Holm: of six p-values the three smallest (a-c, c-d, b-c) are next to nothing, then b's come
    assert found["pairs"][0]["p_corrected"] == pytest.approx(min(1.0, 3 * binomtest(24, 44).pvalue))
    assert [pair["larger_than_chance"] for pair in found["pairs"]] == [False, True, False]
    assert found["pairs"][1]["differences"]["accuracy"]["difference"] == pytest.approx(0.2)
    assert found["pairs"][1]["differences"]["false_positive_rate"]["difference"] == pytest.approx(-0.8)
    assert [bool(pair["differences"]) for pair in found["pairs"]] == [True, True, False]


def test_a_lead_that_one_pair_would_have_is_lost_among_many() -> None:
    first, last = classifier("first", 0, 8), classifier("last", 8, 30)  # p = 0.016 by itself
    assert compare_with_best([first, last], IS_AI, 20)["pairs"][0]["verdict"] == "better"
    pair = compare_with_best([first, *[last] * 7], IS_AI, 20)["pairs"][0]
    assert pair["p"] < 0.05 < pair["p_corrected"]
    assert pair["verdict"] == "chance"


def test_seeds_are_not_ranked_and_the_best_in_balanced_accuracy_may_be_worse() -> None:
    seeds = [classifier("0", 0, 10, setting=("x", "y")), classifier("1", 0, 90, setting=("y", "x"))]
    (pair,) = compare_with_best(seeds, IS_AI, 20)["pairs"]
    assert (pair["verdict"], pair["same_setting"], pair["larger_than_chance"]) == ("same setting", True, True)
    (pair,) = compare_with_best([classifier("a", 100, 200), classifier("b", 0, 50)], IS_AI, 20)["pairs"]
    assert pair["verdict"] == "worse"
    unknown = Classifier("a", seeds[0].p_ai, None)
    assert not compare_with_best([unknown, unknown], IS_AI, 20)["pairs"][0]["same_setting"]
    assert compare_with_best([unknown], IS_AI, 20)["pairs"] == []
