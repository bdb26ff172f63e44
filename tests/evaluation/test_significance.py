import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from artclf.evaluation.significance import FIGURES, bootstrap, holm, mcnemar, smallest_difference


def rights(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    first = np.repeat([True, True, False, False], [both, only_first, only_second, neither])
    second = np.repeat([True, False, True, False], [both, only_first, only_second, neither])
    return first, second


def drawn(pictures: int, classifiers: int, seed: int, ai: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    """Truth and scores that share the difficulty of each picture; rounded, so that there are ties."""
    rng = np.random.default_rng(seed)
    is_ai = np.arange(pictures) < ai * pictures
    logit = np.where(is_ai, 1.2, -1.2) + rng.normal(0, 1, pictures) + rng.normal(0, 0.8, (classifiers, pictures))
    return is_ai, np.round(1 / (1 + np.exp(-logit)), 2)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        (1, 9, 2 * (1 + 10) / 2**10),  # by hand; statsmodels' mcnemar(exact=True) says 0.021484375 too
        (9, 1, 2 * (1 + 10) / 2**10),
        (0, 5, 2 / 2**5),
        (6, 6, 1.0),
        (17, 31, 0.05946337525377034),  # statsmodels
    ],
)
def test_mcnemar_has_the_known_values(only_first: int, only_second: int, p: float) -> None:
    test = mcnemar(*rights(40, only_first, only_second, 7))
    assert (test.only_first, test.only_second) == (only_first, only_second)
    assert test.p == pytest.approx(p)


def test_mcnemar_of_the_same_verdicts_is_one() -> None:
    right, _ = rights(3, 2, 2, 3)
    assert mcnemar(right, right).p == 1.0
    with pytest.raises(ValueError, match="two verdicts on each picture"):
        mcnemar(right, right[:-1])


def test_holm_has_the_known_values() -> None:
    corrected = holm([0.01, 0.04, 0.03, 0.005])
    assert corrected == pytest.approx([0.03, 0.06, 0.06, 0.02])  # statsmodels' multipletests(method="holm")
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    assert holm([0.03]).tolist() == [0.03]
    assert len(holm([])) == 0


@pytest.mark.parametrize("tests", [1, 10])
@pytest.mark.parametrize("discordant", [6, 14, 49, 3000])
def test_the_smallest_difference_is_where_mcnemar_turns(discordant: int, tests: int) -> None:
    level = 0.05 / tests
    needed = round(smallest_difference(discordant, 5000, tests) * 5000)
    number = max(discordant, needed)
    assert (number - needed) % 2 == 0
    fewer = (number - needed) // 2
    assert binomtest(fewer, number).pvalue <= level
    assert fewer + 1 > number // 2 or binomtest(fewer + 1, number).pvalue > level


def test_too_few_pictures_can_tell_nothing() -> None:
    assert smallest_difference(0, 118) == pytest.approx(6 / 118)  # 2 · 0.5^6 = 0.031, and 2 · 0.5^5 = 0.063
    assert smallest_difference(2, 5) > 1


def test_the_figures_are_those_of_scikit_learn_on_the_very_resamples() -> None:
    is_ai, p_ai = drawn(120, 2, seed=1)
    result = bootstrap(is_ai, p_ai, p_ai >= 0.5, resamples=30, seed=7)
    rng = np.random.default_rng(7)
    humans, ais = np.flatnonzero(~is_ai), np.flatnonzero(is_ai)
    human_draws = rng.integers(0, len(humans), (30, len(humans)))
    ai_draws = rng.integers(0, len(ais), (30, len(ais)))
    chosen = [slice(None), *(np.concatenate([humans[h], ais[a]]) for h, a in zip(human_draws, ai_draws, strict=True))]
    for k in range(2):
        for b, rows in enumerate(chosen):
            truth, scores = is_ai[rows], p_ai[k, rows]
            called = scores >= 0.5
            false_positive_rate, false_negative_rate = called[~truth].mean(), (~called[truth]).mean()
            expected = {
                "accuracy": (called == truth).mean(),
                "balanced_accuracy": 1 - (false_positive_rate + false_negative_rate) / 2,
                "auroc": roc_auc_score(truth, scores),
                "false_positive_rate": false_positive_rate,
                "false_negative_rate": false_negative_rate,
            }
            found = {name: result.resampled[name][k, b - 1] if b else result.observed[name][k] for name in FIGURES}
            assert found == pytest.approx(expected)


def test_resamples_do_not_depend_on_the_chunks_and_follow_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    is_ai, p_ai = drawn(80, 2, seed=2, ai=1.0)  # one class: one stream of draws
    whole = bootstrap(is_ai, p_ai, p_ai >= 0.5, resamples=50, seed=3)
    monkeypatch.setattr("artclf.evaluation.significance._CHUNK", 80 * 7)
    chunked = bootstrap(is_ai, p_ai, p_ai >= 0.5, resamples=50, seed=3)
    assert chunked.resampled["accuracy"].shape == (2, 50)
    assert (chunked.resampled["accuracy"] == whole.resampled["accuracy"]).all()
    other = bootstrap(is_ai, p_ai, p_ai >= 0.5, resamples=50, seed=4)
    assert (other.resampled["accuracy"] != whole.resampled["accuracy"]).any()


def test_identical_classifiers_differ_by_nothing() -> None:
    is_ai, p_ai = drawn(300, 1, seed=3)
    result = bootstrap(is_ai, np.vstack([p_ai, p_ai]), np.vstack([p_ai, p_ai]) >= 0.5, resamples=200)
    for name in FIGURES:
        interval = result.difference(name, 0, 1)
        assert (interval.difference, interval.low, interval.high) == (0, 0, 0)


def test_a_clear_winner_is_clear_in_every_figure() -> None:
    is_ai, p_ai = drawn(2000, 1, seed=4)
    blurred = np.clip(p_ai + np.random.default_rng(0).normal(0, 0.4, p_ai.shape), 0, 1)
    scores = np.vstack([p_ai, blurred])
    result = bootstrap(is_ai, scores, scores >= 0.5, resamples=500)
    for name in FIGURES:
        sign = -1 if name.endswith("rate") else 1
        interval = result.difference(name, 0, 1)
        assert min(sign * interval.low, sign * interval.high) > 0
        assert interval.low < interval.difference < interval.high
    right = (scores >= 0.5) == is_ai
    assert mcnemar(*right).p < 1e-6


def test_the_interval_covers_the_true_difference_as_often_as_it_says() -> None:
    is_ai, p_ai = drawn(200_000, 2, seed=5)
    scores = np.stack([p_ai[0], 0.7 * p_ai[1] + 0.3 * np.random.default_rng(6).random(200_000)])
    whole = bootstrap(is_ai, scores, scores >= 0.5, resamples=1).observed
    rng = np.random.default_rng(8)
    humans, ais = np.flatnonzero(~is_ai), np.flatnonzero(is_ai)
    covered = dict.fromkeys(FIGURES, 0)
    for repeat in range(200):
        rows = np.concatenate([rng.choice(humans, 120), rng.choice(ais, 180)])
        result = bootstrap(is_ai[rows], scores[:, rows], scores[:, rows] >= 0.5, resamples=300, seed=repeat)
        for name in FIGURES:
            interval = result.difference(name, 0, 1)
            covered[name] += interval.low <= whole[name][0] - whole[name][1] <= interval.high
    for name, number in covered.items():
        assert 0.89 <= number / 200 <= 0.99, name  # 95%, give or take four standard errors


def test_one_class_has_only_the_figures_that_it_can_have() -> None:
    is_ai, p_ai = drawn(50, 2, seed=9, ai=1.0)
    result = bootstrap(is_ai, p_ai, p_ai >= 0.5, resamples=20)
    assert result.observed["accuracy"] == pytest.approx((p_ai >= 0.5).mean(axis=1))
    for name in ("balanced_accuracy", "auroc", "false_positive_rate"):
        assert np.isnan(result.observed[name]).all()
        assert np.isnan(result.difference(name, 0, 1).low)
    assert not np.isnan(result.difference("false_negative_rate", 0, 1).low)


def test_what_does_not_fit_is_refused() -> None:
    is_ai, p_ai = drawn(20, 2, seed=0)
    with pytest.raises(ValueError, match="shapes"):
        bootstrap(is_ai[:-1], p_ai, p_ai >= 0.5)
    p_ai[1, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        bootstrap(is_ai, p_ai, p_ai >= 0.5)
