import numpy as np
import pandas as pd
import pytest

from artclf.data.manifest import Manifest
from artclf.data.sampling import draw_sample, sample_images, sample_test_images
from artclf.data.sources.folder import read_folder
from tests.conftest import draw


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """2,030 rows: three large generators of up to two styles, and a generator of 3 files."""
    columns = ["split", "label", "generator", "style", "n"]
    parts = [
        ("train", "human", "human", "oil", 600),
        ("train", "human", "human", "ink", 200),
        ("train", "ai", "sd", "oil", 600),
        ("train", "ai", "sd", "ink", 600),
        ("train", "ai", "rare", "oil", 3),
        ("test", "human", "human", "oil", 27),
    ]
    table = pd.DataFrame(parts, columns=columns)
    table = table.loc[table.index.repeat(table.pop("n"))].reset_index(drop=True)
    return table.assign(path=[f"{number}.png" for number in table.index])


def test_a_sample_is_proportional_to_its_groups(table: pd.DataFrame) -> None:
    chosen = table.iloc[draw_sample(table, 200, seed=0)]
    assert len(chosen) == chosen["path"].nunique() == 200
    keys = ["split", "label", "generator", "style"]
    expected = table.groupby(keys).size() * 200 / len(table)
    found = chosen.groupby(keys).size()
    assert (found.reindex(expected.index, fill_value=0) - expected).abs().max() <= 2
    for seed in range(5):  # the smallest group is in every sample
        assert table.iloc[draw_sample(table, 4, seed)].groupby(["split", "label", "generator"]).ngroups == 4


def test_a_sample_depends_on_the_seed_alone(table: pd.DataFrame) -> None:
    first = draw_sample(table, 200, seed=3)
    np.testing.assert_array_equal(first, draw_sample(table.set_index("path", drop=False), 200, seed=3))
    assert set(first) != set(draw_sample(table, 200, seed=4))
    assert (np.diff(first) > 0).all()


def test_images_are_drawn_from_the_styles_in_turn(damaged: Manifest) -> None:
    for number in range(5):
        draw(damaged.root / "ai" / "sd" / "ink" / f"{number}.png", "ai", number, size=(400, 100))
    rows = read_folder(damaged.root).table.query("label == 'ai' and style != 'unknown'")
    drawn, refused = sample_images(damaged.root, rows, number=4, side=100)
    assert [style for style, _ in drawn] == ["ink", "ink", "oil", "oil"]
    assert [image.size for _, image in drawn] == [(100, 25)] * 2 + [(40, 36)] * 2  # never enlarged
    assert not refused


def test_unreadable_images_are_passed_over_and_the_search_ends(damaged: Manifest) -> None:
    drawn, refused = sample_images(damaged.root, damaged.table.query("label == 'human'"), number=3, side=100)
    assert (len(drawn), refused) == (3, [("human/empty.png", "empty file")])
    for path in damaged.table["path"]:
        (damaged.root / path).write_bytes(b"")
    assert [len(found) for found in sample_images(damaged.root, damaged.table, number=3, side=50)] == [0, 3]


@pytest.mark.parametrize(("sample", "human", "ai"), [(20, 10, 10), (300, 30, 90), (100, 30, 70), (2, 1, 1)])
def test_test_images_of_both_classes_are_as_equal_as_possible(sample: int, human: int, ai: int) -> None:
    tested = pd.DataFrame({"label": np.repeat(["human", "ai"], [30, 90]), "style": "x", "split": "test"})
    tested["generator"] = tested["label"].where(tested.index % 2 == 0, "b")
    everything = pd.concat([tested, tested.assign(split="val")], ignore_index=True)
    drawn = sample_test_images(everything, sample, seed=0)
    assert dict(drawn["label"].value_counts()) == {"human": human, "ai": ai}
    assert set(drawn["split"]) == {"test"}
    assert not drawn.index.has_duplicates
    assert len(sample_test_images(tested[tested["label"] == "ai"], 4, seed=0)) == 4  # of one class alone, as many as asked for
