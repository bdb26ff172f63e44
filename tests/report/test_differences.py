import json

import numpy as np
import pytest
from scipy.stats import binomtest

from artclf.report.differences import against_the_best


@pytest.fixture
def runs(judge):
    """400 pictures, 100 of them by people: a is right on 380, b on 376 others, c on 300 of a's, d is a again."""
    a, b, c = np.ones(400, dtype=bool), np.ones(400, dtype=bool), np.ones(400, dtype=bool)
    a[:20] = False
    b[20:44] = False
    c[:100] = False
    return [judge(name, right, 100) for name, right in (("a", a), ("b", b), ("c", c), ("d", a))]


def test_the_best_is_held_against_each_other(runs):
    result = against_the_best(runs, shown=20)
    assert [(pair.best, pair.other) for pair in result.pairs] == [("a", "b"), ("a", "c"), ("a", "d")]
    assert [(pair.mcnemar.only_first, pair.mcnemar.only_second) for pair in result.pairs] == [(24, 20), (80, 0), (0, 0)]
    assert [pair.accuracy for pair in result.pairs] == [4 / 400, 80 / 400, 0]
    assert result.pairs[1].figures["accuracy"].value == pytest.approx(0.2)
    assert result.pairs[1].figures["false_positive_rate"].value == pytest.approx(-0.8)


def test_p_values_are_corrected_for_every_pair_that_could_have_been_told_of(runs):
    result = against_the_best(runs, shown=20)
    assert result.tests == 6
    pairs = {pair.other: pair for pair in result.pairs}
    # Holm: of six p-values the three smallest (a-c, c-d, b-c) are next to nothing, then b's come
    p = binomtest(24, 44).pvalue
    assert pairs["b"].p_corrected == pytest.approx(min(1.0, 3 * p))
    assert pairs["c"].p_corrected < 1e-15
    assert [pair.larger_than_chance for pair in result.pairs] == [False, True, False]
    assert [pair.told for pair in result.pairs] == ["could be chance", "larger than chance", "could be chance"]


def test_a_lead_that_one_pair_would_have_is_lost_among_many(judge):
    first, last = np.ones(1000, dtype=bool), np.ones(1000, dtype=bool)
    first[:8], last[8:30] = False, False  # p = 0.016 by itself
    two = [judge("first", first, 500), judge("last", last, 500)]
    assert against_the_best(two, shown=20).pairs[0].larger_than_chance
    many = [*two, *[judge(str(i), last, 500) for i in range(6)]]
    pair = against_the_best(many, shown=20).pairs[0]
    assert pair.mcnemar.p < 0.05 < pair.p_corrected
    assert not pair.larger_than_chance


def test_seeds_of_one_setting_have_no_winner(judge):
    right = np.ones(100, dtype=bool)
    worse = right.copy()
    worse[:40] = False
    one, other = judge("0", right, 50, ("model=a",)), judge("1", worse, 50, ("model=a",), seed=1)
    (pair,) = against_the_best([one, other], shown=20).pairs
    assert pair.alike
    assert pair.larger_than_chance
    assert pair.told == "one setting, trained anew"


def test_one_run_has_no_pairs_and_all_of_it_is_json(runs):
    assert against_the_best(runs[:1], shown=20).pairs == ()
    content = against_the_best(runs, shown=2).to_json()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert [bool(pair["differences"]) for pair in content["pairs"]] == [True, False, False]
