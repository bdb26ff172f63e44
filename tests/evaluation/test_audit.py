import json

import numpy as np
import pandas as pd
import pytest

from artclf.evaluation.audit import audit
from tests.evaluation.audited import pictures

AI = np.arange(200) >= 100


def severities(table: pd.DataFrame, **settings: object) -> dict[str, str]:
    return {row["fact"]: row["severity"] for row in audit(table, trees=4, **settings).shortcuts}


def test_where_nothing_differs_nothing_is_found() -> None:
    found = audit(pictures(), trees=4)
    assert found.shortcuts == []
    assert not found.file_facts.notable
    assert not found.pixel_statistics.notable


@pytest.mark.parametrize(
    ("planted", "fact", "severity"),
    [
        ({"jpeg_quality": np.where(AI, 75, 95)}, "JPEG quality", "severe"),
        ({"tables": np.where(AI, "aaaa", "bbbb")}, "JPEG tables", "severe"),
        ({"width": np.where(AI, 768, 256)}, "size", "severe"),
        ({"format": np.where(AI, "PNG", "JPEG")}, "format", "severe"),
        ({"mode": np.where(AI & (np.arange(200) % 2 == 0), "L", "RGB")}, "colour mode", "moderate"),
        ({"subsampling": np.where(AI, "4:2:0", "4:4:4")}, "chroma subsampling", "severe"),
        ({"saturation": np.random.default_rng(0).normal(AI * 0.8, 1.0)}, "colour saturation", "moderate"),
        ({"brightness": np.random.default_rng(0).normal(AI * 0.6, 1.0)}, "brightness", "slight"),
        ({"exif": ~AI}, "EXIF", "none for this network"),
    ],
)
def test_a_planted_difference_is_named(planted: dict[str, object], fact: str, severity: str) -> None:
    assert severities(pictures(**planted))[fact] == severity


def test_one_class_between_the_values_of_the_other_is_seen() -> None:
    """All AI works are of one width, people's of any: the order of widths alone would tell nothing."""
    widths = np.where(AI, 512, np.random.default_rng(0).integers(300, 724, 200))
    found = severities(pictures(width=widths, height=512))
    assert found["size"] == "severe"


def test_an_unequal_quality_is_said_once() -> None:
    found = severities(pictures(jpeg_quality=np.where(AI, 75, 95), tables=np.where(AI, "aaaa", "bbbb")))
    assert "JPEG quality" in found
    assert "JPEG tables" not in found


def test_exif_is_no_help_to_what_is_judged_together() -> None:
    assert not audit(pictures(exif=AI), trees=4).file_facts.notable


def test_copies_do_not_make_random_labels_separable() -> None:
    """Ten copies each of 24 pictures, each picture with a label by lot: learnt by heart, they would be told apart."""
    rng = np.random.default_rng(3)
    base = pictures(24, label=rng.permutation(["human"] * 12 + ["ai"] * 12))
    copies = base.loc[np.repeat(np.arange(24), 10)].reset_index(drop=True)
    copies = copies.assign(path=[f"{number}.jpg" for number in range(240)])
    found = audit(copies, trees=4)
    assert found.shortcuts == []
    assert found.pixel_statistics.auroc.low < 0.5
    assert (found.left_out, found.compared) == (216, {"human": 12, "ai": 12})


def test_copies_across_splits_and_labels_are_shortcuts() -> None:
    table = pictures(split=np.where(np.arange(200) % 2, "test", "train"))
    table.loc[1, "hash"] = table.loc[0, "hash"]  # both human
    table.loc[199, "sha256"] = table.loc[2, "sha256"]
    found = severities(table)
    assert found == {
        "near duplicates across splits": "moderate",
        "exact duplicates across splits": "none for this network",
        "the same picture under both labels": "moderate",
    }


def test_splits_that_nothing_is_trained_on_are_not_compared() -> None:
    """A generator that train never shows is brighter: that is no shortcut of what is trained."""
    table = pictures(300, label=["human"] * 100 + ["ai"] * 200, split=["train"] * 200 + ["unseen"] * 100)
    table.loc[200:, "brightness"] += 5
    found = audit(table, trees=4)
    assert (found.splits, found.other_splits) == (["train"], ["unseen"])
    assert found.shortcuts == []
    assert found.compared == {"human": 100, "ai": 100}
    assert sum(row["pictures"] for row in found.makers) == 300


def test_canonical_pictures_are_judged_beside_the_others() -> None:
    table = pictures(saturation=np.where(AI, 0.9, 0.1))
    after = table[["brightness", "contrast", "saturation", "saturation_spread", "red", "green", "blue"]].assign(saturation=0.5)
    found = audit(table, after, trees=4)
    assert found.pixel_statistics.notable
    assert found.canonical is not None
    assert not found.canonical.notable
    assert [row["fact"] for row in found.shortcuts] == ["colour saturation"]
    assert audit(table, after, canonical=True, trees=4).shortcuts == []


def test_the_remedy_names_a_setting() -> None:
    (row,) = audit(pictures(width=np.where(AI, 768, 256), height=400, bytes=50_000), trees=4).shortcuts[:1]
    assert row["fact"] in {"size", "aspect", "bytes per pixel"}
    assert "data.canonical=true" in row["remedy"]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (pictures(label="ai"), "there are AI works alone: nothing to compare them with"),
        (pictures(label="human"), "there are human works alone"),
        (pictures(label=["human"] * 3 + ["ai"] * 197), "there are only 3 human works"),
        (pictures().head(0), "no picture could be read"),
    ],
)
def test_too_little_to_judge_is_said(table: pd.DataFrame, reason: str) -> None:
    found = audit(table)
    assert reason in found.unjudged
    assert (found.folds, found.shortcuts) == (0, [])
    assert found.to_json()["file_facts"] == {
        **{key: None for name in ("accuracy", "balanced_accuracy", "auroc") for key in (name,)},
        **{f"{name}_interval": [None, None] for name in ("accuracy", "balanced_accuracy", "auroc")},
        "p": 1.0,
        "notable": False,
        "top": [],
    }


def test_duplicates_are_told_of_one_class_too() -> None:
    table = pictures(label="ai")
    table.loc[1, "sha256"] = table.loc[0, "sha256"]
    assert audit(table).duplicates.exact.groups == 1


def test_what_is_written_for_machines_is_plain() -> None:
    found = json.loads(json.dumps(audit(pictures(jpeg_quality=np.where(AI, 75, 95)), trees=4).to_json(), allow_nan=False))
    assert {"accuracy", "balanced_accuracy", "auroc", "top"} <= set(found["file_facts"])
    assert {"accuracy", "balanced_accuracy", "auroc", "top"} <= set(found["pixel_statistics"])
    assert {"exact", "near"} <= set(found["duplicates"])
    assert {"fact", "severity", "remedy"} <= set(found["shortcuts"][0])
    assert found["file_facts"]["top"][0]["fact"] == "JPEG quality"
    assert [row["label"] for row in found["makers"]] == ["human", "ai"]
    assert found["makers"][0]["JPEG quality"] == "95 (100%)"
