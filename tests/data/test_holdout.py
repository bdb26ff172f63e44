import pandas as pd
import pytest

from artclf.data.holdout import LeftOut, check_leave, hold_out, to_leave_out
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
    found: dict[str, dict[str, int]] = {}
    for (split, value), rows in table.groupby(["split", column]):
        found.setdefault(str(split), {})[str(value)] = len(rows)
    return found


def test_a_generator_leaves_train_and_val_and_its_test_images_are_tested_apart() -> None:
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


def test_a_style_leaves_with_both_classes_and_a_split_of_the_users_own_stays() -> None:
    table, left_out = hold_out(TWO, "style", "plain")
    assert (left_out.untrained, left_out.tested) == (42 // 2, 9)
    assert counts(table, "style") == {
        "train": {"rough": 15},
        "val": {"rough": 6},
        "test": {"rough": 9},
        "unseen": {"plain": 9},
        "mine": {"plain": 4},
    }
    assert counts(table, "label")["unseen"] == {"ai": 6, "human": 3}


def test_a_split_that_is_called_unseen_already_is_not_mixed_up_with_it() -> None:
    table, left_out = hold_out(TWO.replace({"split": {"mine": "unseen"}}), "generator", "alpha")
    assert left_out.split == "held_out"
    assert counts(table, "generator")["unseen"] == {"gamma": 4}
    assert counts(table, "generator")["held_out"] == {"alpha": 6}


def test_human_images_stay_even_under_a_generators_name() -> None:
    odd = pd.concat([TWO, table_of(("human", "alpha", "plain", "train", 7))], ignore_index=True)
    table, left_out = hold_out(odd, "generator", "alpha")
    assert left_out.untrained == 14
    assert counts(table, "generator")["train"]["alpha"] == 7


@pytest.mark.parametrize(
    ("by", "leave", "said"),
    [
        (
            "generator",
            "alhpa",
            "holdout.leave=alhpa: the data has no such generator; allowed: alpha, beta, gamma; did you mean alpha?",
        ),
        ("generator", "human", "the data has no such generator"),
        ("style", "cubist", "allowed: plain, rough"),
        ("generator", None, "holdout.leave: has no value"),
    ],
)
def test_a_name_that_the_data_has_not_is_refused_with_the_nearest(by: str, leave: str | None, said: str) -> None:
    for refusing in (check_leave, hold_out):
        with pytest.raises(ArtclfError) as error:
            refusing(TWO, by, leave)  # type: ignore[arg-type]
        assert said in str(error.value)


def test_what_cannot_be_tested_or_was_never_trained_on_is_refused() -> None:
    with pytest.raises(ArtclfError, match="alpha: this generator has no test images"):
        hold_out(TWO[(TWO["split"] != "test") | (TWO["generator"] != "alpha")], "generator", "alpha")
    with pytest.raises(ArtclfError, match="alpha: is in no training split"):
        hold_out(TWO[(TWO["split"] != "train") | (TWO["generator"] != "alpha")], "generator", "alpha")


def test_no_split_may_lose_a_class() -> None:
    with pytest.raises(ArtclfError, match="no ai images are left in train"):
        hold_out(TWO[TWO["generator"] != "beta"], "generator", "alpha")
    few = TWO[(TWO["split"] != "val") | (TWO["generator"] != "beta")]
    with pytest.raises(ArtclfError, match=r"no ai images are left in val; a larger data\.val_fraction"):
        hold_out(few, "generator", "alpha")
    of_one = table_of(*((label, label, "plain", split, 2) for label in ("ai", "human") for split in ("train", "test")))
    with pytest.raises(ArtclfError, match="no ai and no human images are left in train"):
        hold_out(of_one, "style", "plain")


def test_what_is_left_out_in_turn_is_what_is_trained_on() -> None:
    assert to_leave_out(TWO, "generator") == (["alpha", "beta"], {})  # gamma is in no training split
    assert to_leave_out(TWO, "style") == (["plain", "rough"], {})
    as_typed = TWO.replace({"split": {"train": "Training", "test": "testing"}})
    assert to_leave_out(as_typed, "generator") == (["alpha", "beta"], {})
    uncut = TWO[TWO["split"] == "train"].assign(split="")
    assert to_leave_out(uncut, "generator") == (["alpha", "beta"], {})


def test_what_is_not_named_or_can_not_be_tested_is_left_aside_with_the_reason() -> None:
    more = table_of(("ai", "unknown", "plain", "train", 2), ("ai", "new", "plain", "train", 2))
    names, aside = to_leave_out(pd.concat([TWO, more]), "generator")
    assert names == ["alpha", "beta"]
    assert aside == {"unknown": "the data does not name the generator of these images", "new": "it has no test images"}


def test_one_generator_alone_is_one_clear_error() -> None:
    one = TWO[TWO["generator"] != "beta"]
    with pytest.raises(ArtclfError, match=r"one generator only \(alpha\), and without it no AI images would be left"):
        to_leave_out(one, "generator")
    with pytest.raises(ArtclfError, match=r"one generator only \(unknown\).*the data names none: a folder in data=folder"):
        to_leave_out(one.replace({"generator": {"alpha": "unknown"}}), "generator")
