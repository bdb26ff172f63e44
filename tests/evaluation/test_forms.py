import numpy as np
import pytest

from artclf.evaluation.forms import compare_forms
from artclf.evaluation.intervals import wilson
from artclf.evaluation.metrics import binary_metrics

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
    assert told["auroc_lost"] == [0.0, -reach, reach]
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
