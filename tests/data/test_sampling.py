from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from artclf.data.manifest import Manifest
from artclf.data.sampling import draw_pictures, draw_sample, draw_test_pictures
from artclf.data.sources.folder import read_folder
from tests.conftest import draw


def big_table() -> pd.DataFrame:
    """20,230 rows: three large makers of two styles each, and a generator of 30 files."""
    parts = [
        ("train", "human", "human", "oil", 6000),
        ("train", "human", "human", "ink", 2000),
        ("train", "ai", "sd", "oil", 6000),
        ("train", "ai", "sd", "ink", 6000),
        ("train", "ai", "rare", "oil", 30),
        ("test", "human", "human", "oil", 200),
    ]
    table = pd.DataFrame(
        [part[:4] for part in parts for _ in range(part[4])], columns=["split", "label", "generator", "style"], dtype=str
    )
    return table.assign(path=[f"{number}.png" for number in range(len(table))])


def test_a_sample_holds_of_every_part_its_share() -> None:
    table = big_table()
    chosen = table.iloc[draw_sample(table, 1000, seed=0)]
    assert len(chosen) == chosen["path"].nunique() == 1000
    keys = ["split", "label", "generator", "style"]
    expected = table.groupby(keys).size() * 1000 / len(table)
    found = chosen.groupby(keys).size()
    assert (found.reindex(expected.index, fill_value=0) - expected).abs().max() <= 2


def test_the_smallest_part_is_in_every_sample() -> None:
    table = big_table()
    for seed in range(5):
        assert table.iloc[draw_sample(table, 4, seed)].groupby(["split", "label", "generator"]).ngroups == 4


def test_the_seed_and_nothing_else_decides() -> None:
    table = big_table()
    first = draw_sample(table, 500, seed=3)
    np.testing.assert_array_equal(first, draw_sample(table.set_index("path", drop=False), 500, seed=3))
    assert set(first) != set(draw_sample(table, 500, seed=4))
    assert (np.diff(first) > 0).all()


def test_every_file_is_as_likely_as_the_next() -> None:
    table = big_table()[:4000].iloc[::20].reset_index(drop=True)
    hits = np.zeros(len(table))
    for seed in range(300):
        hits[draw_sample(table, 50, seed)] += 1
    assert abs(hits[:100].sum() - hits[100:].sum()) < 0.1 * hits.sum()
    assert hits.min() > 30  # 75 expected


def test_pictures_are_drawn_from_the_styles_in_turn(damaged: Manifest) -> None:
    for number in range(5):
        draw(damaged.root / "ai" / "sd" / "ink" / f"{number}.png", "ai", number, size=(400, 100))
    rows = read_folder(damaged.root).table.query("label == 'ai' and style != 'unknown'")
    drawn, refused = draw_pictures(damaged.root, rows, number=4, side=100)
    assert [style for _, style in drawn] == ["ink", "ink", "oil", "oil"]
    assert [pixels.shape for pixels, _ in drawn] == [(25, 100, 3)] * 2 + [(36, 40, 3)] * 2  # never enlarged
    assert not refused


def test_damaged_pictures_are_passed_over_and_named(damaged: Manifest) -> None:
    drawn, refused = draw_pictures(damaged.root, damaged.table.query("label == 'human'"), number=3, side=100)
    assert len(drawn) == 3
    assert refused == [("human/empty.png", "empty file")]


def test_the_search_for_readable_pictures_ends(tmp_path: Path) -> None:
    (tmp_path / "ai").mkdir()
    for number in range(20):
        (tmp_path / "ai" / f"{number}.png").write_bytes(b"")
    assert [len(found) for found in draw_pictures(tmp_path, read_folder(tmp_path).table, number=3, side=50)] == [0, 3]


@pytest.mark.parametrize(("sample", "people", "ai"), [(20, 10, 10), (300, 30, 90), (100, 30, 70), (2, 1, 1)])
def test_pictures_of_both_classes_are_as_many_as_can_be(sample: int, people: int, ai: int) -> None:
    labels = np.repeat(["human", "ai"], [30, 90])
    table = pd.DataFrame({"path": [f"{i:03d}" for i in range(120)], "label": labels, "style": "x"})
    table["generator"] = np.where(labels == "human", "human", np.where(np.arange(120) % 2 == 0, "a", "b"))
    other = table.assign(split="val", path="val/" + table["path"])
    everything = pd.concat([table.assign(split="test"), other], ignore_index=True)
    drawn = draw_test_pictures(everything, sample, seed=0)
    assert dict(drawn["label"].value_counts()) == {"human": people, "ai": ai}
    assert set(drawn["split"]) == {"test"}
    assert not drawn["path"].duplicated().any()
    if ai > 1:
        assert abs((drawn["generator"] == "a").sum() - ai / 2) <= 1
    assert drawn.equals(draw_test_pictures(everything, sample, seed=0))
    if sample < 120:
        assert not drawn.equals(draw_test_pictures(everything, sample, seed=1))


def test_pictures_of_one_class_alone_are_as_many_as_asked_for() -> None:
    table = pd.DataFrame({"path": list("abcdef"), "label": "ai", "style": "x", "generator": "g", "split": "test"})
    assert len(draw_test_pictures(table, 4, seed=0)) == 4
