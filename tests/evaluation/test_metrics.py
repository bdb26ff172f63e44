import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom

from artclf.evaluation.decision import truth
from artclf.evaluation.intervals import auroc, estimate_metrics, mean_of, wilson
from artclf.evaluation.metrics import COLUMNS, binary_metrics, group_metrics, is_too_small, split_metrics, worst_group

IS_AI = np.array([True, True, True, True, False, False, False, False, False, False])
P_AI = np.array([0.9, 0.8, 0.5, 0.2, 0.6, 0.4, 0.3, 0.2, 0.1, 0.1])


def test_figures_by_hand() -> None:
    figures = binary_metrics(IS_AI, P_AI)
    assert figures["confusion"] == {"ai": {"ai": 3, "human": 1}, "human": {"ai": 1, "human": 5}}
    assert (figures["n"], figures["accuracy"]) == (10, 0.8)
    assert figures["false_positive_rate"] == pytest.approx(1 / 6)
    assert figures["false_negative_rate"] == pytest.approx(1 / 4)
    assert figures["balanced_accuracy"] == pytest.approx((3 / 4 + 5 / 6) / 2)
    assert figures["f1"] == pytest.approx(2 * 3 / (2 * 3 + 1 + 1))
    assert figures["loss"] == pytest.approx(-np.mean(np.log(np.where(IS_AI, P_AI, 1 - P_AI))))
    assert figures["intervals"] == {
        "accuracy": wilson(8, 10).bounds,
        "balanced_accuracy": mean_of(wilson(3, 4), wilson(5, 6)).bounds,
        "auroc": auroc(IS_AI, P_AI).bounds,
        "false_positive_rate": wilson(1, 6).bounds,
        "false_negative_rate": wilson(1, 4).bounds,
    }
    assert estimate_metrics(IS_AI, P_AI)["recall"] == wilson(3, 4)


def test_one_class_alone_has_no_figures_that_need_both() -> None:
    figures = binary_metrics(np.ones(3, dtype=bool), np.array([0.9, 0.1, 0.7]))
    absent = {"accuracy", "balanced_accuracy", "auroc", "false_positive_rate"}
    assert {name for name, bounds in figures["intervals"].items() if bounds is None} == absent
    assert {name for name, value in figures.items() if value is None} == absent | {"average_precision"}
    assert figures["false_negative_rate"] == pytest.approx(1 / 3)
    assert binary_metrics(np.zeros(2, dtype=bool), np.array([0.9, 0.1]))["f1"] is None


def test_accuracy_by_generator_and_style() -> None:
    columns = {"label": ["ai", "ai", "human", "human"], "generator": ["a", "b", "human", "human"], "style": list("xyxy")}
    figures = split_metrics(pd.DataFrame({**columns, "p_ai": [0.9, 0.1, 0.2, 0.8]}, index=[7, 3, 9, 1]))
    assert figures["by_generator"] == {
        "a": {"n": 1, "label": "ai", "accuracy": 1.0, "interval": wilson(1, 1).bounds},
        "b": {"n": 1, "label": "ai", "accuracy": 0.0, "interval": wilson(0, 1).bounds},
        "human": {"n": 2, "label": "human", "accuracy": 0.5, "interval": wilson(1, 2).bounds},
    }
    assert figures["by_style"] == {
        "x": {"n": 2, "accuracy": 1.0, "interval": wilson(2, 2).bounds},
        "y": {"n": 2, "accuracy": 0.0, "interval": wilson(0, 2).bounds},
    }


# ---- groups


def images(*parts: tuple[str, str, str, str, list[float]]) -> pd.DataFrame:
    """Rows of predictions.csv: (split, label, generator, style, p_ai of each)."""
    rows = [(*part[:4], p_ai) for part in parts for p_ai in part[4]]
    return pd.DataFrame(rows, columns=["split", "label", "generator", "style", "p_ai"])


SMALL = images(
    ("unseen", "ai", "new", "oil", [0.2, 0.9]),
    ("test", "human", "human", "oil", [0.1, 0.2, 0.7]),
    ("test", "human", "human", "ink", [0.3, 0.1]),
    ("test", "ai", "sd", "oil", [0.9, 0.4]),
    ("test", "ai", "ld", "ink", [0.8, 0.6, 0.2]),
)


def one(table: pd.DataFrame, *which: str) -> pd.Series:
    """The row of a group: split, kind, generator, style."""
    return table.set_index(["split", "group", "generator", "style"]).loc[which]


def test_groups_by_hand() -> None:
    table = group_metrics(SMALL)
    assert tuple(table.columns) == COLUMNS
    assert list(table["split"].unique()) == ["test", "unseen"]
    assert table.loc[table["split"] == "test", ["group", "generator", "style"]].agg("/".join, axis=1).tolist() == [
        *("split//", "human/human/", "generator/ld/", "generator/sd/", "style//ink", "style//oil"),
        *("human_by_style/human/ink", "human_by_style/human/oil"),
        *("generator_by_style/ld/ink", "generator_by_style/sd/oil"),
    ]
    whole = one(table, "test", "split", "", "")
    assert (whole["n_ai"], whole["n_human"], whole["accuracy"]) == (5, 5, 0.7)
    sd = one(table, "test", "generator", "sd", "")
    assert (sd["n_ai"], sd["n_human"], sd["n_against"]) == (2, 0, 5)  # against all human images of the split
    assert sd["recall"] == sd["accuracy"] == 0.5
    assert sd["balanced_accuracy"] == pytest.approx((0.5 + 0.8) / 2)
    assert sd["auroc"] == pytest.approx((5 + 4) / 10)
    assert np.isnan(sd["false_positive_rate"])
    assert [sd["accuracy_low"], sd["accuracy_high"]] == wilson(1, 2).bounds
    bounds = auroc(*truth(SMALL[SMALL["generator"].isin(["sd", "human"])])).bounds
    assert [sd["auroc_low"], sd["auroc_high"]] == bounds
    assert (table["source"] == "").all()  # SMALL has no such column
    ink = one(table, "test", "style", "", "ink")
    assert (ink["n_ai"], ink["n_human"], ink["recall"], ink["false_positive_rate"]) == (3, 2, pytest.approx(2 / 3), 0)
    oil = one(table, "test", "generator_by_style", "sd", "oil")
    assert (oil["n_against"], oil["auroc"]) == (3, pytest.approx((3 + 2) / 6))  # human images of that style alone
    unseen = table[table["split"] == "unseen"]  # AI alone, and one style
    assert unseen["group"].tolist() == ["split", "generator"]
    assert unseen["recall"].tolist() == [0.5, 0.5]
    assert unseen[["auroc", "balanced_accuracy", "false_positive_rate"]].isna().all(axis=None)


def test_sources_and_families_are_groups_where_there_are_any() -> None:
    table = SMALL.replace({"generator": {"sd": "sd/1", "ld": "sd/2"}}).assign(
        source=SMALL["style"].map({"oil": "a", "ink": ""})
    )
    groups = group_metrics(table)
    family = one(groups, "test", "family", "sd", "")
    assert (family["n_ai"], family["n_against"], family["recall"]) == (5, 5, pytest.approx(3 / 5))
    assert (groups["group"] == "family").sum() == 1  # not of unseen, whose generator has no variants
    unnamed, named = (row for _, row in groups[groups["group"] == "source"].iterrows())
    assert (named["source"], named["n_ai"], named["n_against"], named["auroc"]) == ("a", 2, 3, pytest.approx(5 / 6))
    assert (unnamed["source"], unnamed["n_ai"], unnamed["n_human"]) == ("", 3, 2)
    metrics = split_metrics(table[table["split"] == "test"])
    assert {name: (group["n"], group["accuracy"]) for name, group in metrics["by_source"].items()} == {
        "": (5, 0.8),
        "a": (5, 0.6),
    }
    assert metrics["by_family"]["sd"]["n"] == 5
    assert not {"by_source", "by_family"} & split_metrics(SMALL).keys()


def test_a_group_is_too_small_whatever_its_figures() -> None:
    table = images(
        ("test", "human", "human", "a", [0.1] * 200),
        ("test", "human", "human", "b", [0.1] * 6),
        ("test", "ai", "sd", "a", [0.9] * 180),
        ("test", "ai", "sd", "b", [0.9] * 16),
        ("test", "ai", "ld", "b", [0.1] * 8 + [0.9] * 8),
        ("test", "ai", "ld", "a", [0.9] * 4),
    )
    small = group_metrics(table).query("group in ('human_by_style', 'generator_by_style')")
    flags = dict(zip(small["generator"] + small["style"], small["too_small"], strict=True))
    # half of 16 images are missed: an interval of 44 points, yet it is not too small, as the other 16 are not
    assert flags == {"humana": False, "humanb": True, "lda": True, "ldb": False, "sda": False, "sdb": False}
    assert [is_too_small(20, rate) for rate in (0.0, 0.35, 1.0)] == [False, True, False]  # widths of 16, 39, 16 points


def many(wrong: dict[str, int], n: int = 50) -> pd.DataFrame:
    """Two generators and human images, n in each of four styles; `wrong`: "generator/style" → mistakes, else one."""
    parts = []
    for generator in ("human", "ld", "sd"):
        for style in "abcd":
            mistakes = wrong.get(f"{generator}/{style}", 1)
            right, not_right = (0.1, 0.9) if generator == "human" else (0.9, 0.1)
            label = "human" if generator == "human" else "ai"
            parts.append(("test", label, generator, style, [not_right] * mistakes + [right] * (n - mistakes)))
    return images(*parts)


def test_the_worst_groups_are_named() -> None:
    table = group_metrics(many({"human/c": 12, "sd/b": 20}))
    accused, missed = worst_group(table, "human"), worst_group(table, "ai")
    assert accused.pop("p") < 0.001
    expected = {"generator": None, "style": "c", "source": None, "n": 50, "mistakes": 12, "rate": wilson(12, 50), "compared": 4}
    assert accused == {**expected, "overall": pytest.approx(15 / 200)}
    expected = {"generator": "sd", "style": "b", "n": 50, "mistakes": 20, "compared": 2 + 4 + 8}
    assert expected.items() <= missed.items()


def test_the_worst_of_many_is_corrected_for_their_number() -> None:
    """5 of 50 against 3 of 150: Fisher's p by its definition is 0.025 for one group, and four times that for four."""
    chances = hypergeom(200, 8, 50).pmf(np.arange(9))
    alone = chances[chances <= chances[5] * (1 + 1e-9)].sum()
    assert 0.02 < alone < 0.03
    assert worst_group(group_metrics(many({"human/a": 5})), "human")["p"] == pytest.approx(4 * alone)


def test_a_source_may_be_the_worst_group() -> None:
    table = many({"human/a": 8, "human/b": 8}).assign(
        source=lambda rows: rows["style"].isin(["a", "b"]).map({True: "x", False: "y"})
    )
    accused = worst_group(group_metrics(table), "human")
    assert (accused["source"], accused["style"], accused["mistakes"], accused["compared"]) == ("x", None, 16, 6)


def test_one_surely_bad_comes_before_one_that_may_be() -> None:
    parts = [("test", "human", "human", "few", [0.9] * 4 + [0.1] * 16), ("test", "human", "human", "lots", [0.9] * 80)]
    table = images(*parts, ("test", "human", "human", "lots", [0.1] * 520), ("test", "human", "human", "rest", [0.1] * 900))
    worst = worst_group(group_metrics(table), "human")
    assert (worst["style"], worst["compared"]) == ("lots", 3)  # 13% of 600; 20% of 20 may be 8%


def test_nothing_is_named_where_nothing_can_be_compared() -> None:
    table = group_metrics(SMALL)
    for label, split in (("human", "test"), ("ai", "test"), ("human", "unseen"), ("ai", "no such split")):
        assert worst_group(table, label, split) is None
    one_generator = many({}).query("generator != 'ld' and style == 'a'")
    assert worst_group(group_metrics(one_generator), "ai") is None
