import numpy as np
import pandas as pd
import pytest

from artclf.evaluation.shortcuts import DENSITY, bytes_per_pixel, find_shortcuts, kinds, qualities, told_apart


def facts(n: int = 40, **columns: object) -> pd.DataFrame:
    """Half human, then half AI works, which do not differ; columns replace."""
    rng = np.random.default_rng(0)
    table = {
        "label": ["human"] * (n // 2) + ["ai"] * (n // 2),
        "width": 100,
        "height": 50,
        "format": "JPEG",
        "mode": "RGB",
        "bytes": rng.integers(1000, 9000, n),
        "jpeg_quality": 95,
        "quality_exact": True,
        "subsampling": "4:2:0",
    }
    types = {"jpeg_quality": "Int64", "quality_exact": "boolean"}
    return pd.DataFrame({**table, **columns}, index=range(n)).astype(types)


def apart(human: list[object], ai: list[object]) -> float:
    return told_apart(pd.Series([*human, *ai]), np.array([False] * len(human) + [True] * len(ai)))


@pytest.mark.parametrize(
    ("human", "ai", "expected"),
    [
        ([95, 95, 95], [75, 75], 1.0),
        ([95, 95, 95], [95, 95], 0.5),  # the same everywhere
        ([1, 2, 3], [4, 5, 6], 0.5),  # all have one of their own
        ([1, 2, 3], [4, 4, 4, 4], 1.0),  # one class alone has
        ([1] * 10, [1] * 5 + [2] * 5, 0.75),  # half of the AI works are found
        ([1] * 90 + [2] * 10, [1] * 1 + [2] * 9, 0.9),  # classes of unlike size count alike
        ([1, 2], [2, 1], 0.5),  # worse than guessing is no better than guessing
    ],
)
def test_told_apart(human: list[object], ai: list[object], expected: float) -> None:
    assert apart(human, ai) == pytest.approx(expected)
    assert apart(ai, human) == pytest.approx(expected)


def test_chance_looks_like_chance() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 200, 400)  # two files a value: by counting itself each would look like 70%
    assert apart(list(values[:200]), list(values[200:])) < 0.56


def test_the_most_telling_fact_comes_first() -> None:
    found = find_shortcuts(facts(jpeg_quality=[95] * 20 + [75] * 20, width=[100] * 30 + [200] * 10))
    assert [(shortcut.fact, shortcut.notable) for shortcut in found[:2]] == [("JPEG quality", True), ("width × height", True)]
    assert found[0].balanced_accuracy == 1.0
    assert found[0].typical == {"human": "95 (100%)", "ai": "75 (100%)"}
    assert found[1].typical == {"human": "100×50 (100%)", "ai": "100×50 (50%)"}
    assert {shortcut.fact for shortcut in found} == {"JPEG quality", "width × height", "format", DENSITY}


def test_what_does_not_differ_is_not_notable() -> None:
    assert not [shortcut for shortcut in find_shortcuts(facts()) if shortcut.notable]


def test_few_files_need_a_larger_difference() -> None:
    """60% of 20 files is chance; of 2,000 it is not."""
    for n, notable in ((20, False), (2000, True)):
        half = n // 2
        quality = [95] * (half * 6 // 10) + [75] * (half * 4 // 10) + [95] * (half * 4 // 10) + [75] * (half * 6 // 10)
        (found,) = [shortcut for shortcut in find_shortcuts(facts(n, jpeg_quality=quality)) if shortcut.fact == "JPEG quality"]
        assert found.notable is notable


def test_values_of_which_none_is_common_are_counted() -> None:
    found = {shortcut.fact: shortcut for shortcut in find_shortcuts(facts(width=[*range(300, 320), *[512] * 20]))}
    assert found["width × height"].typical == {"human": "20 different", "ai": "512×50 (100%)"}
    assert found["width × height"].balanced_accuracy == 1.0


def test_bytes_per_pixel_tell_apart_though_no_two_are_alike() -> None:
    (first, *_) = find_shortcuts(facts(bytes=np.arange(40) * 100 + 1000))
    assert first.fact == DENSITY
    assert first.balanced_accuracy == 1.0
    assert first.typical == {"human": "median 0.39", "ai": "median 0.79"}


def test_files_all_of_one_size_tell_nothing() -> None:
    assert all(shortcut.balanced_accuracy == 0.5 for shortcut in find_shortcuts(facts(bytes=5000)))


def test_one_class_alone_has_nothing_to_be_told_from() -> None:
    assert find_shortcuts(facts(label="ai")) == []
    assert find_shortcuts(facts()[:0]) == []


def test_words_for_how_a_file_is_stored() -> None:
    table = facts(
        4,
        format=["JPEG", "JPEG", "PNG", "JPEG"],
        mode=["RGB", "L", "P", "RGB"],
        jpeg_quality=[95, 80, None, 60],
        quality_exact=[True, True, None, False],
        subsampling=["4:4:4", None, None, "4:2:0"],
        bytes=5000,
    )
    assert kinds(table).tolist() == ["JPEG, RGB, 4:4:4", "JPEG, L", "PNG, P", "JPEG, RGB, 4:2:0"]
    assert qualities(table).tolist() == ["95", "80", "no JPEG", "about 60"]
    assert bytes_per_pixel(table).tolist() == [1.0] * 4
