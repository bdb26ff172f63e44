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


def test_a_generator_leaves_train_and_val_and_its_test_images_are_a_split() -> None:
    table, left_out = hold_out(TWO, "generator", "alpha")
    assert left_out == LeftOut("generator", "alpha", "unseen", untrained=14, tested=6)
    assert counts(table, "generator") == {
        "train": {"beta": 10, "human": 10},
        "val": {"beta": 4, "human": 4},
        "test": {"beta": 6, "human": 6},
        "unseen": {"alpha": 6},
        "mine": {"gamma": 4},
    }
    assert table.index.tolist() == list(range(len(table)))
    tested = TWO[(TWO["generator"] == "alpha") & (TWO["split"] == "test")]["path"]
    assert set(table[table["split"] == "unseen"]["path"]) == set(tested)


def test_a_style_leaves_with_both_classes() -> None:
    table, left_out = hold_out(TWO, "style", "plain")
    assert (left_out.untrained, left_out.tested) == (42 // 2, 9)
    style = {"train": {"rough": 15}, "val": {"rough": 6}, "test": {"rough": 9}, "unseen": {"plain": 9}, "mine": {"plain": 4}}
    assert counts(table, "style") == style
    assert counts(table, "label")["unseen"] == {"ai": 6, "human": 3}


def test_a_split_called_unseen_and_human_images_of_the_generators_name_stay() -> None:
    odd = pd.concat([TWO, table_of(("human", "alpha", "plain", "train", 7))], ignore_index=True)
    table, left_out = hold_out(odd.replace({"split": {"mine": "unseen"}}), "generator", "alpha")
    assert (left_out.split, left_out.untrained) == ("held_out", 14)
    assert counts(table, "generator")["unseen"] == {"gamma": 4}
    assert counts(table, "generator")["held_out"] == {"alpha": 6}
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
        (TWO.query("split != 'test' or generator != 'alpha'"), "generator", "alpha", "this generator has no test images"),
        (TWO.query("split != 'train' or generator != 'alpha'"), "generator", "alpha", "alpha: is in no training split"),
        (TWO.query("generator != 'beta'"), "generator", "alpha", "no ai images are left in train"),
        (TWO.query("split != 'val' or generator != 'beta'"), "generator", "alpha", "left in val; a larger data.val_fraction"),
        (ONE, "style", "plain", "no ai and no human images are left in train"),
    ],
)
def test_a_holdout_that_leaves_too_little_is_refused(table: pd.DataFrame, by: Any, leave: str, message: str) -> None:
    with pytest.raises(ArtclfError) as error:
        hold_out(table, by, leave)
    assert message in str(error.value)


def test_each_generator_or_style_of_the_training_split_is_left_out_in_turn() -> None:
    as_typed = TWO.replace({"split": {"train": "Training", "test": "testing"}})
    uncut = TWO[TWO["split"] == "train"].assign(split="")
    for table in (TWO, as_typed, uncut):
        assert holdout_names(table, "generator") == (["alpha", "beta"], {})  # gamma is in no training split
    assert holdout_names(TWO, "style") == (["plain", "rough"], {})
    more = table_of(("ai", "unknown", "plain", "train", 2), ("ai", "new", "plain", "train", 2))
    assert holdout_names(pd.concat([TWO, more], ignore_index=True), "generator") == (
        ["alpha", "beta"],
        {"unknown": "the data does not name the generator of these images", "new": "it has no test images"},
    )
