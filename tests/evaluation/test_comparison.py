import json

import numpy as np
import pytest
from scipy.stats import binomtest

from artclf.evaluation.comparison import Classifier, compare_with_best

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
    assert [pair["verdict"] for pair in found["pairs"]] == ["chance", "ahead", "chance"]
    assert found["method"]["tests"] == 6
    # Holm: of six p-values the three smallest (a-c, c-d, b-c) are next to nothing, then b's come
    assert found["pairs"][0]["p_corrected"] == pytest.approx(min(1.0, 3 * binomtest(24, 44).pvalue))
    assert [pair["larger_than_chance"] for pair in found["pairs"]] == [False, True, False]
    assert found["pairs"][1]["differences"]["accuracy"]["difference"] == pytest.approx(0.2)
    assert found["pairs"][1]["differences"]["false_positive_rate"]["difference"] == pytest.approx(-0.8)
    assert [bool(pair["differences"]) for pair in found["pairs"]] == [True, True, False]


def test_a_lead_that_one_pair_would_have_is_lost_among_many() -> None:
    first, last = classifier("first", 0, 8), classifier("last", 8, 30)  # p = 0.016 by itself
    assert compare_with_best([first, last], IS_AI, 20)["pairs"][0]["verdict"] == "ahead"
    pair = compare_with_best([first, *[last] * 7], IS_AI, 20)["pairs"][0]
    assert pair["p"] < 0.05 < pair["p_corrected"]
    assert pair["verdict"] == "chance"


def test_seeds_are_not_ranked_and_the_best_in_balanced_accuracy_may_be_behind() -> None:
    seeds = [classifier("0", 0, 10, setting=("x", "y")), classifier("1", 0, 90, setting=("y", "x"))]
    (pair,) = compare_with_best(seeds, IS_AI, 20)["pairs"]
    assert (pair["verdict"], pair["same_setting"], pair["larger_than_chance"]) == ("same setting", True, True)
    (pair,) = compare_with_best([classifier("a", 100, 200), classifier("b", 0, 50)], IS_AI, 20)["pairs"]
    assert pair["verdict"] == "behind"
    unknown = Classifier("a", seeds[0].p_ai, None)
    assert not compare_with_best([unknown, unknown], IS_AI, 20)["pairs"][0]["same_setting"]
    assert compare_with_best([unknown], IS_AI, 20)["pairs"] == []
