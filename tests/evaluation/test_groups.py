import io

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom

from artclf.evaluation.groups import COLUMNS, WIDEST, group_metrics, is_too_small, worst_group
from artclf.evaluation.intervals import auroc, wilson
from artclf.evaluation.metrics import binary_metrics


def works(*parts: tuple[str, str, str, str, list[float]]) -> pd.DataFrame:
    """Rows of predictions.csv: (split, label, generator, style, p_ai of each)."""
    rows = [(*part[:4], p_ai) for part in parts for p_ai in part[4]]
    return pd.DataFrame(rows, columns=["split", "label", "generator", "style", "p_ai"])


SMALL = works(
    ("unseen", "ai", "new", "oil", [0.2, 0.9]),
    ("test", "human", "human", "oil", [0.1, 0.2, 0.7]),
    ("test", "human", "human", "ink", [0.3, 0.1]),
    ("test", "ai", "sd", "oil", [0.9, 0.4]),
    ("test", "ai", "ld", "ink", [0.8, 0.6, 0.2]),
)


def one(table: pd.DataFrame, **which: str) -> pd.Series:
    (found,) = (row for _, row in table.iterrows() if all(row[key] == value for key, value in which.items()))
    return found


def test_cells_by_hand() -> None:
    table = group_metrics(SMALL)
    assert tuple(table.columns) == COLUMNS
    assert table.loc[table["split"] == "test", ["cell", "generator", "style"]].agg("/".join, axis=1).tolist() == [
        *("split//", "people/human/", "generator/ld/", "generator/sd/", "style//ink", "style//oil"),
        *("people_by_style/human/ink", "people_by_style/human/oil"),
        *("generator_by_style/ld/ink", "generator_by_style/sd/oil"),
    ]
    whole = one(table, split="test", cell="split")
    assert (whole["n_ai"], whole["n_human"], whole["accuracy"]) == (5, 5, 0.7)
    people = one(table, split="test", cell="people")
    assert (people["n_ai"], people["n_human"], people["n_against"]) == (0, 5, 0)
    assert people["false_positive_rate"] == 0.2
    assert people[["recall", "balanced_accuracy", "auroc"]].isna().all()
    sd = one(table, split="test", cell="generator", generator="sd")
    assert (sd["n_ai"], sd["n_human"], sd["n_against"]) == (2, 0, 5)  # against all people of the split
    assert sd["recall"] == sd["accuracy"] == 0.5
    assert sd["balanced_accuracy"] == pytest.approx((0.5 + 0.8) / 2)
    assert sd["auroc"] == pytest.approx((5 + 4) / 10)
    assert np.isnan(sd["false_positive_rate"])
    oil = one(table, split="test", cell="generator_by_style", generator="sd", style="oil")
    assert oil["n_against"] == 3  # people of that style alone
    assert oil["auroc"] == pytest.approx((3 + 2) / 6)
    accused = one(table, split="test", cell="people_by_style", style="oil")
    assert (accused["n_human"], accused["false_positive_rate"]) == (3, pytest.approx(1 / 3))


def test_a_split_of_ai_alone_and_of_one_style_has_two_cells() -> None:
    unseen = group_metrics(SMALL).query("split == 'unseen'")
    assert unseen["cell"].tolist() == ["split", "generator"]
    assert unseen["recall"].tolist() == [0.5, 0.5]
    assert unseen[["auroc", "balanced_accuracy", "false_positive_rate"]].isna().all(axis=None)


def drawn(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    generator = rng.choice(["human", "ld", "sd"], n)
    p_ai = np.round(1 / (1 + np.exp(-rng.normal(size=n) - 2.0 * (generator != "human") + 1)), 2)
    look = rng.choice(["", "ink", "oil"], n)
    label = np.where(generator == "human", "human", "ai")
    return pd.DataFrame({"split": "test", "label": label, "generator": generator, "style": look, "p_ai": p_ai})


@pytest.mark.parametrize("threshold", [0.5, 0.7])
def test_every_cell_holds_the_figures_of_its_rows(threshold: float) -> None:
    table = drawn(300)
    found = group_metrics(table, threshold)
    assert found["cell"].value_counts().to_dict() == {
        **{"split": 1, "people": 1, "generator": 2, "style": 3},
        **{"people_by_style": 3, "generator_by_style": 6},
    }
    for _, cell in found.iterrows():
        rows = table
        if cell["cell"] not in ("split", "style"):
            rows = rows[rows["generator"] == cell["generator"]]
        looking = table if cell["cell"] in ("split", "people", "generator") else table[table["style"] == cell["style"]]
        rows = rows[rows.index.isin(looking.index)]
        own = binary_metrics((rows["label"] == "ai").to_numpy(), rows["p_ai"].to_numpy(), threshold)
        missed = own["false_negative_rate"]
        expected = {"accuracy": own["accuracy"], "false_positive_rate": own["false_positive_rate"]}
        expected["recall"] = None if missed is None else 1 - missed
        compared = looking[(looking["label"] == "human") | looking.index.isin(rows.index)]
        is_ai = (compared["label"] == "ai").to_numpy()
        both = binary_metrics(is_ai, compared["p_ai"].to_numpy(), threshold)
        people = cell["cell"].startswith("people")
        expected |= {name: None if people else both[name] for name in ("auroc", "balanced_accuracy")}
        for name, value in expected.items():
            assert cell[name] == pytest.approx(np.nan if value is None else value, nan_ok=True), (dict(cell), name)
        right = round(own["accuracy"] * len(rows))
        assert [cell["accuracy_low"], cell["accuracy_high"]] == pytest.approx(wilson(right, len(rows)).bounds)
        if not people:
            bounds = auroc(is_ai, compared["p_ai"].to_numpy()).bounds
            assert [cell["auroc_low"], cell["auroc_high"]] == pytest.approx(bounds)
            assert cell["balanced_accuracy_low"] < cell["balanced_accuracy"] < cell["balanced_accuracy_high"]


@pytest.mark.parametrize("right", [0, 7, 20])
def test_too_small_is_told_by_wilsons_width(right: int) -> None:
    assert is_too_small(20, right / 20) == (wilson(right, 20).width > WIDEST)


def test_a_cell_is_too_small_however_it_came_out() -> None:
    table = works(
        ("test", "human", "human", "a", [0.1] * 200),
        ("test", "human", "human", "b", [0.1] * 6),
        ("test", "ai", "sd", "a", [0.9] * 180),
        ("test", "ai", "sd", "b", [0.9] * 16),
        ("test", "ai", "ld", "b", [0.1] * 8 + [0.9] * 8),
        ("test", "ai", "ld", "a", [0.9] * 4),
    )
    small = group_metrics(table).query("cell in ('people_by_style', 'generator_by_style')")
    flags = dict(zip(small["generator"] + small["style"], small["too_small"], strict=True))
    # half of 16 works are missed: an interval of 44 points, yet it is judged, as the other 16 are
    assert flags == {"humana": False, "humanb": True, "lda": True, "ldb": False, "sda": False, "sdb": False}


def many(wrong: dict[str, int], n: int = 50) -> pd.DataFrame:
    """Two generators and people, n works in each of four styles; `wrong`: "generator/style" → mistakes, else one."""
    parts = []
    for generator in ("human", "ld", "sd"):
        for look in "abcd":
            mistakes = wrong.get(f"{generator}/{look}", 1)
            right, not_right = (0.1, 0.9) if generator == "human" else (0.9, 0.1)
            label = "human" if generator == "human" else "ai"
            parts.append(("test", label, generator, look, [not_right] * mistakes + [right] * (n - mistakes)))
    return works(*parts)


def test_the_worst_cells_are_named() -> None:
    table = group_metrics(many({"human/c": 12, "sd/b": 20}))
    accused, missed = worst_group(table, "human"), worst_group(table, "ai")
    assert accused is not None
    assert (accused.generator, accused.style, accused.mistakes, accused.n, accused.looked_at) == (None, "c", 12, 50, 4)
    assert accused.rate == wilson(12, 50)
    assert accused.overall == pytest.approx(15 / 200)
    assert accused.p < 0.001
    assert missed is not None
    assert (missed.generator, missed.style, missed.mistakes, missed.n, missed.looked_at) == ("sd", "b", 20, 50, 2 + 4 + 8)
    again = pd.read_csv(io.StringIO(table.to_csv(index=False)), keep_default_na=False, na_values={"recall": ""})
    again["false_positive_rate"] = pd.to_numeric(again["false_positive_rate"])
    assert worst_group(again, "ai") == missed
    assert worst_group(again, "human") == accused


def test_the_worst_of_many_is_corrected_for_their_number() -> None:
    """5 of 50 against 3 of 150: Fisher's p by its definition is 0.025 for one look, and four times that for four."""
    worst = worst_group(group_metrics(many({"human/a": 5})), "human")
    assert worst is not None
    chances = hypergeom(200, 8, 50).pmf(np.arange(9))
    alone = chances[chances <= chances[5] * (1 + 1e-9)].sum()
    assert 0.02 < alone < 0.03
    assert worst.p == pytest.approx(4 * alone)


def test_one_surely_bad_comes_before_one_that_may_be() -> None:
    parts = [("test", "human", "human", "few", [0.9] * 4 + [0.1] * 16), ("test", "human", "human", "lots", [0.9] * 80)]
    table = works(*parts, ("test", "human", "human", "lots", [0.1] * 520), ("test", "human", "human", "rest", [0.1] * 900))
    worst = worst_group(group_metrics(table), "human")
    assert worst is not None
    assert worst.style == "lots"  # 13% of 600; 20% of 20 may be 8%
    assert worst.looked_at == 3


def test_the_same_works_are_looked_at_once() -> None:
    """A style that one generator alone has is that generator's cell, and is called so."""
    table = many({"sd/a": 20})
    table = table[(table["generator"] != "ld") | (table["style"] == "b")]
    worst = worst_group(group_metrics(table), "ai")
    assert worst is not None
    assert (worst.generator, worst.style) == ("sd", "a")
    assert worst.looked_at == 7  # sd; b; sd in each of four styles, ld in b


def test_nothing_is_named_where_nothing_can_be_compared() -> None:
    table = group_metrics(SMALL)
    assert worst_group(table, "human") is None
    assert worst_group(table, "ai") is None
    assert worst_group(table, "human", "unseen") is None
    assert worst_group(table, "ai", "no such split") is None
