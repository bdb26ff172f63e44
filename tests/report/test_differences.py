import json

import numpy as np
import pytest
from scipy.stats import binomtest

from artclf.report.differences import against_the_best, cautions, standings, verdicts


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


@pytest.fixture
def wrong(judge):
    """A run that is wrong on the pictures `start` to `end` of 1,000, of which the first half is by people."""

    def make(name, start, end, overrides=None, **metrics):
        right = np.ones(1000, dtype=bool)
        right[start:end] = False
        return judge(name, right, 500, overrides, **metrics)

    return make


def told(*runs):
    differences = against_the_best(runs, shown=20)
    return (
        " ".join([*standings(runs, [f"model={run.name}" for run in runs], differences), *verdicts(differences)]),
        " ".join(cautions(runs, differences)),
    )


def test_a_clear_lead_is_said_with_its_test(wrong):
    text, caution = told(wrong("a", 0, 20), wrong("b", 400, 500))
    assert "The best balanced accuracy is that of run a (model=a): 98.0%; it calls 4.0% of the human works AI." in text
    assert "100 pictures are judged rightly by run a alone, 20 by run b alone: run a is right more often" in text
    assert "larger than chance explains (+8.0 points of accuracy, 95% interval" in text
    assert "McNemar's exact test, p < 0.001" in text
    assert "these 1,000 pictures and these trained weights" in caution
    assert "several seeds of each setting tell more" in caution
    assert "picked" not in caution


def test_a_lead_that_could_be_chance_says_what_could_be_told(wrong):
    text, _ = told(wrong("a", 0, 20), wrong("b", 480, 503))
    assert "the difference could be chance (+0.30 points of accuracy" in text
    assert "larger than chance" not in text
    # of 43 pictures, 15 and 28 are not told apart (p = 0.066), 14 and 29 are (p = 0.032)
    assert "On these 1,000 pictures differences under about 1.5 points of accuracy can't be told apart." in text


def test_the_same_verdicts_are_said_to_be_the_same(wrong):
    text, _ = told(wrong("a", 0, 20), wrong("b", 0, 20))
    assert "Runs a and b get the very same pictures right" in text


def test_a_handful_of_pictures_tells_nothing(judge):
    text, _ = told(judge("a", np.array([True] * 4), 2), judge("b", np.array([True, True, True, False]), 2))
    assert "4 pictures are too few to tell any two runs apart." in text


def test_the_gentlest_run_is_named_with_its_interval(wrong):
    text, _ = told(wrong("a", 0, 20), wrong("b", 500, 600))
    assert "The fewest false accusations are those of run b: 0.0% of the human works, 4.0 points fewer (95% interval" in text


def test_of_many_runs_those_ahead_of_chance_are_listed_and_the_rest_too(wrong):
    runs = [wrong("a", 0, 20), wrong("b", 480, 503), wrong("c", 300, 400), wrong("d", 600, 720)]
    text, caution = told(*runs)
    assert "Run a is right more often than runs c and d: the difference is larger than chance explains" in text
    assert "corrected for the 6 pairs of runs: each p < 0.001" in text
    assert "Between run a and run b the difference could be chance" in text
    assert "Run a was picked as the best of 4 by these very pictures" in caution


def test_long_lists_are_counted(wrong):
    text, _ = told(wrong("a", 0, 0), *[wrong(f"run {i}", i, 200 + i) for i in range(9)])
    assert "than 9 other runs" in text


def test_a_lead_in_balanced_accuracy_alone_is_no_lead(judge):
    first, second, third = (np.ones(1000, dtype=bool) for _ in range(3))
    first[100:220] = False  # 120 of 900 AI works
    second[:60] = False  # 60 of 100 human works
    third[:100] = False
    text, _ = told(judge("a", first, 100), judge("B", second, 100), judge("c", third, 100))
    assert "Run B is right more often than run a, by more than chance explains" in text
    assert "though not in balanced accuracy" in text
    assert "Between run a and run c the difference could be chance" in text


def test_seeds_are_not_ranked(wrong):
    runs = [wrong(str(seed), 0, 100 + 2 * seed, ("model=a",), seed=seed) for seed in range(3)]
    text, caution = told(*runs)
    assert "All 3 runs are one setting (seeds: 0, 1 and 2), with balanced accuracies from 89.6% to 90.0%." in text
    assert "no merit of the one or the other. It could be the chance of these 1,000 pictures alone." in text
    assert "best" not in text
    assert "more often" not in text
    assert "seeds of one setting lie up to 0.40 points of accuracy apart" in caution


def test_seeds_that_differ_widely_tell_of_training_and_of_no_winner(wrong):
    text, _ = told(wrong("0", 0, 10, ("model=a",)), wrong("1", 0, 200, ("model=a",), seed=1))
    assert "larger than the chance of these pictures explains (p < 0.001), so training anew alone" in text
    assert "more often" not in text


def test_settings_and_seeds_are_told_apart(wrong):
    runs = [wrong("0", 0, 10, ("model=a",)), wrong("1", 5, 20, ("model=a",), seed=1), wrong("2", 300, 400, ("model=b",))]
    text, caution = told(*runs)
    assert "Run 0 is right more often than run 2" in text
    assert "Run 0 and run 1 are one setting trained anew" in text
    assert "apart here, and a difference between settings that is no larger need not be the setting's doing" in caution


def test_one_run_is_only_described(wrong):
    text, caution = told(wrong("a", 0, 20))
    assert text == "Run a: a balanced accuracy of 98.0%; it calls 4.0% of the human works AI."
    assert not caution
