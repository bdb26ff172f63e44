import numpy as np
import pandas as pd
import pytest

from artclf.evaluation.intervals import auroc, mean_of, wilson
from artclf.evaluation.metrics import binary_metrics, split_metrics

IS_AI = np.array([True, True, True, True, False, False, False, False, False, False])
P_AI = np.array([0.9, 0.8, 0.5, 0.2, 0.6, 0.4, 0.3, 0.2, 0.1, 0.1])


def test_figures_by_hand() -> None:
    figures = binary_metrics(IS_AI, P_AI)
    assert figures["confusion"] == {"ai": {"ai": 3, "human": 1}, "human": {"ai": 1, "human": 5}}
    assert figures["n"] == 10
    assert figures["accuracy"] == pytest.approx(0.8)
    assert figures["false_positive_rate"] == pytest.approx(1 / 6)
    assert figures["false_negative_rate"] == pytest.approx(1 / 4)
    assert figures["balanced_accuracy"] == pytest.approx((3 / 4 + 5 / 6) / 2)
    assert figures["f1"] == pytest.approx(2 * 3 / (2 * 3 + 1 + 1))
    wins = sum((a > h) + 0.5 * (a == h) for a in P_AI[IS_AI] for h in P_AI[~IS_AI])
    assert figures["auroc"] == pytest.approx(wins / 24)
    assert figures["loss"] == pytest.approx(-np.mean(np.log(np.where(IS_AI, P_AI, 1 - P_AI))))


def test_one_class_alone_has_no_figures_that_need_both() -> None:
    figures = binary_metrics(np.ones(3, dtype=bool), np.array([0.9, 0.1, 0.7]))
    assert figures["auroc"] is None
    assert figures["balanced_accuracy"] is None
    assert figures["false_positive_rate"] is None
    assert figures["false_negative_rate"] == pytest.approx(1 / 3)
    assert binary_metrics(np.zeros(2, dtype=bool), np.array([0.9, 0.1]))["f1"] is None


@pytest.mark.parametrize("shape", [0, 3])
def test_nothing_or_two_lengths_are_refused(shape: int) -> None:
    with pytest.raises(ValueError, match="of one length, and not empty"):
        binary_metrics(np.zeros(shape, dtype=bool), np.zeros(0))


def test_accuracy_by_generator_and_style() -> None:
    table = pd.DataFrame(
        {
            "label": ["ai", "ai", "human", "human"],
            "generator": ["a", "b", "human", "human"],
            "style": ["x", "y", "x", "y"],
            "p_ai": [0.9, 0.1, 0.2, 0.8],
        },
        index=[7, 3, 9, 1],
    )
    figures = split_metrics(table)
    one, half = wilson(1, 1).bounds, wilson(1, 2).bounds
    assert figures["by_generator"] == {
        "a": {"n": 1, "label": "ai", "accuracy": 1.0, "interval": one},
        "b": {"n": 1, "label": "ai", "accuracy": 0.0, "interval": wilson(0, 1).bounds},
        "human": {"n": 2, "label": "human", "accuracy": 0.5, "interval": half},
    }
    assert figures["by_style"] == {
        "x": {"n": 2, "accuracy": 1.0, "interval": wilson(2, 2).bounds},
        "y": {"n": 2, "accuracy": 0.0, "interval": wilson(0, 2).bounds},
    }


def test_a_split_has_an_interval_for_each_figure() -> None:
    table = pd.DataFrame({"label": np.where(IS_AI, "ai", "human"), "generator": "g", "style": "", "p_ai": P_AI})
    figures = split_metrics(table)
    intervals = figures["intervals"]
    assert intervals["accuracy"] == wilson(8, 10).bounds
    assert intervals["false_positive_rate"] == wilson(1, 6).bounds
    assert intervals["false_negative_rate"] == wilson(1, 4).bounds
    assert intervals["balanced_accuracy"] == mean_of(wilson(3, 4), wilson(5, 6)).bounds
    assert intervals["auroc"] == auroc(IS_AI, P_AI).bounds
    for name, (low, high) in intervals.items():
        assert low <= figures[name] <= high, name
    alone = split_metrics(table[table["label"] == "ai"])["intervals"]
    assert [name for name, bounds in alone.items() if bounds is None] == ["balanced_accuracy", "auroc", "false_positive_rate"]
