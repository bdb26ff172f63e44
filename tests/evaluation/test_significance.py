import numpy as np
import pytest
from scipy.stats import binomtest

from artclf.evaluation.metrics import binary_metrics
from artclf.evaluation.significance import FIGURES, holm, mcnemar, paired_differences, smallest_difference


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
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    assert len(holm([])) == 0


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
    found = paired_differences(is_ai, scores, scores >= 0.5)
    assert tuple(found) == FIGURES
    one, other = (binary_metrics(is_ai, p_ai) for p_ai in scores)
    for name, estimate in found.items():
        sign = -1 if name.endswith("rate") else 1
        assert estimate.value == pytest.approx(one[name] - other[name])
        assert min(sign * estimate.low, sign * estimate.high) > 0
        assert estimate.low < estimate.value < estimate.high
    alone = paired_differences(is_ai[:50], scores[:, :50], scores[:, :50] >= 0.5)
    assert [name for name in FIGURES if alone[name].value is None] == ["balanced_accuracy", "auroc", "false_positive_rate"]
