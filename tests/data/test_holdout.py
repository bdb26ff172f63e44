from typing import Any

import pandas as pd
import pytest

from artclf.data.holdout import LeftOut, check_leave, hold_out, holdout_names
from artclf.data.manifest import COLUMNS
from artclf.errors import ArtclfError


def table_of(*rows: tuple[str, str, str, str, int]) -> pd.DataFrame:
    """(label, generator, style, split, how many) → a manifest's table."""
    lines = [row[:4] for row in rows for _ in range(row[4])]
    return pd.DataFrame([(f"{i}.png", *line) for i, line in enumerate(lines)], columns=list(COLUMNS))


TWO = table_of(
    *(
        (label, generator, style, split, count)
        for split, count in (("train", 5), ("val", 2), ("test", 3))
        for label, generator in (("ai", "alpha"), ("ai", "beta"), ("human", "human"))
        for style in ("plain", "rough")
    ),
    ("ai", "gamma", "plain", "mine", 4),
)


def counts(table: pd.DataFrame, column: str) -> dict[str, dict[str, int]]:
    """Split → value → how many."""
    return {str(split): rows[column].value_counts().to_dict() for split, rows in table.groupby("split")}


def leave_out(table: pd.DataFrame, by: Any, leave: str) -> tuple[pd.DataFrame, LeftOut]:
    return hold_out(table.assign(sha256=table["path"]), by, leave, val_fraction=0.2, seed=0)


def test_all_images_of_a_generator_are_a_split_of_their_own() -> None:
    table, left_out = leave_out(TWO, "generator", "alpha")
    assert left_out == LeftOut("generator", "alpha", "unseen", untrained=14, tested=20, human=0, val_is_cut=False)
    assert counts(table, "generator") == {
        "train": {"beta": 10, "human": 10},
        "val": {"beta": 4, "human": 4},
        "test": {"beta": 6, "human": 6},
        "unseen": {"alpha": 20},
        "mine": {"gamma": 4},
    }
    assert table.index.tolist() == list(range(len(table)))


def test_a_style_leaves_with_both_classes() -> None:
    table, left_out = leave_out(TWO, "style", "plain")
    assert (left_out.untrained, left_out.tested, left_out.human) == (42 // 2, 34, 10)
    style = {"train": {"rough": 15}, "val": {"rough": 6}, "test": {"rough": 9}, "unseen": {"plain": 34}}  # with those of mine
    assert counts(table, "style") == style
    assert counts(table, "label")["unseen"] == {"ai": 24, "human": 10}


def test_variants_of_a_generator_leave_together() -> None:
    table = TWO.replace({"generator": {"alpha": "sd/cfg1", "beta": "sd/cfg8", "gamma": "ld"}}).replace({"mine": "train"})
    assert holdout_names(table, "generator") == (["ld", "sd"], {})
    left, left_out = leave_out(table.assign(split="train").replace({"path": {"0.png": "0"}}), "generator", "sd")
    assert left_out.tested == 40
    assert counts(left, "generator")["unseen"] == {"sd/cfg1": 20, "sd/cfg8": 20}


def test_a_source_leaves_with_both_classes_and_val_is_cut_anew_where_it_had_no_other() -> None:
    sources = TWO["style"].map({"plain": "museum", "rough": "site"})
    table = TWO.assign(source=sources.mask(TWO["split"] == "val", "museum"))
    left, left_out = leave_out(table, "source", "museum")
    assert left_out == LeftOut("source", "museum", "unseen", untrained=27, tested=40, human=12, val_is_cut=True)
    assert counts(left, "source")["val"] == {"site": 3}
    assert counts(left, "label")["val"] == {"ai": 2, "human": 1}
    one_class = table.assign(source=table["source"].where(table["label"] == "ai", "museum"))
    assert holdout_names(one_class, "source") == (["site"], {"museum": "without it, no human images would be left to train on"})
    with pytest.raises(ArtclfError, match="the data does not say the source of its images; it is told by the column source"):
        holdout_names(TWO, "source")


def test_a_period_leaves_with_all_later_ones_and_human_images_need_no_year() -> None:
    table = TWO.assign(year=TWO["generator"].map({"alpha": "2021", "beta": "2022", "gamma": "2023", "human": ""}))
    everywhere = table.assign(split=TWO["split"].replace("mine", "train"))
    everywhere.loc[everywhere["label"] == "human", "year"] = ["1880", "2024", ""] * 6 + ["", ""]
    assert holdout_names(everywhere, "period") == (["2022", "2023"], {})
    left, left_out = leave_out(everywhere, "period", "2022")
    assert set(left.loc[left["split"] != "unseen", "year"]) == {"2021", "1880", ""}
    assert (left_out.tested, left_out.human) == (30, 6)
    for year in ("", "about 1880"):
        with pytest.raises(ArtclfError, match=rf"1 images have no year that can be read \(first: 0.png: {year or 'none'}\)"):
            check_leave(table.assign(year=table["year"].mask(table.index == 0, year)), "period", "2022")


def test_a_split_called_unseen_and_human_images_of_the_generators_name_stay() -> None:
    odd = pd.concat([TWO, table_of(("human", "alpha", "plain", "train", 7))], ignore_index=True)
    table, left_out = leave_out(odd.replace({"split": {"mine": "unseen"}}), "generator", "alpha")
    assert (left_out.split, left_out.untrained) == ("held_out", 14)
    assert counts(table, "generator")["unseen"] == {"gamma": 4}
    assert counts(table, "generator")["held_out"] == {"alpha": 20}
    assert counts(table, "generator")["train"]["alpha"] == 7


ONE = table_of(*((label, label, "plain", split, 2) for label in ("ai", "human") for split in ("train", "test")))


@pytest.mark.parametrize(
    ("by", "leave", "message"),
    [
        ("generator", "alhpa", "the data has no such generator; allowed: alpha, beta, gamma; did you mean alpha?"),
        ("generator", None, "holdout.leave: has no value"),
    ],
)
def test_an_unknown_name_is_refused(by: Any, leave: str | None, message: str) -> None:
    with pytest.raises(ArtclfError) as error:
        check_leave(TWO, by, leave)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("table", "by", "leave", "message"),
    [
        (TWO.query("split != 'train' or generator != 'alpha'"), "generator", "alpha", "alpha: is in no training split"),
        (TWO.query("generator != 'beta'"), "generator", "alpha", "no ai images are left in train"),
        (ONE, "style", "plain", "no ai and no human images are left in train"),
    ],
)
def test_a_holdout_that_leaves_too_little_is_refused(table: pd.DataFrame, by: Any, leave: str, message: str) -> None:
    with pytest.raises(ArtclfError) as error:
        leave_out(table, by, leave)
    assert message in str(error.value)


def test_each_generator_or_style_of_the_training_split_is_left_out_in_turn() -> None:
    as_typed = TWO.replace({"split": {"train": "Training", "test": "testing"}})
    uncut = TWO[TWO["split"] == "train"].assign(split="")
    for table in (TWO, as_typed, uncut):
        assert holdout_names(table, "generator") == (["alpha", "beta"], {})  # gamma is in no training split
    assert holdout_names(TWO, "style") == (["plain", "rough"], {})
    more = table_of(("ai", "unknown", "plain", "train", 2), ("ai", "new", "plain", "train", 2))
    assert holdout_names(pd.concat([TWO, more], ignore_index=True), "generator") == (
        ["alpha", "beta", "new"],
        {"unknown": "the data does not name the generator of these images"},
    )
