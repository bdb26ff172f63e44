import json

import numpy as np
import pandas as pd
import pytest

from artclf.evaluation.audit import audit
from tests.evaluation.audited import pictures

AI = np.arange(200) >= 100
FORM = {"side": 64, "quality": 75}  # no larger than three quarters of these pictures, and no finer


def severities(table: pd.DataFrame, **settings: object) -> dict[str, str]:
    return {row["fact"]: row["severity"] for row in audit(table, trees=4, **settings)["shortcuts"]}


def test_where_nothing_differs_nothing_is_found() -> None:
    found = audit(pictures(), trees=4)
    assert found["shortcuts"] == []
    assert not found["file_facts"]["notable"]
    assert not found["pixel_statistics"]["notable"]


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


def test_copies_do_not_make_random_labels_separable() -> None:
    """Ten copies each of 24 pictures, each picture with a label by lot: learnt by heart, they would be told apart."""
    rng = np.random.default_rng(3)
    base = pictures(24, label=rng.permutation(["human"] * 12 + ["ai"] * 12))
    copies = base.loc[np.repeat(np.arange(24), 10)].reset_index(drop=True)
    copies = copies.assign(path=[f"{number}.jpg" for number in range(240)])
    found = audit(copies, trees=4)
    assert found["shortcuts"] == []
    assert found["pixel_statistics"]["auroc_interval"][0] < 0.5
    assert (found["copies_left_out"], found["compared"]) == (216, {"human": 12, "ai": 12})


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
    assert (found["splits"], found["other_splits"]) == (["train"], ["unseen"])
    assert found["shortcuts"] == []
    assert found["compared"] == {"human": 100, "ai": 100}
    assert sum(row["pictures"] for row in found["makers"]) == 300


def test_canonical_pictures_are_judged_beside_the_others() -> None:
    table = pictures(saturation=np.where(AI, 0.9, 0.1))
    after = table[["brightness", "contrast", "saturation", "saturation_spread", "red", "green", "blue"]].assign(saturation=0.5)
    found = audit(table, after, trees=4)
    assert found["pixel_statistics"]["notable"]
    assert not found["canonical_pixel_statistics"]["notable"]
    assert [row["fact"] for row in found["shortcuts"]] == ["colour saturation"]
    assert audit(table, after, canonical=FORM, trees=4)["shortcuts"] == []


@pytest.mark.parametrize(
    ("planted", "fact"),
    [
        ({"width": np.where(AI, 768, 256), "height": 256}, "size"),
        ({"format": np.where(AI, "PNG", "JPEG")}, "format"),
        ({"jpeg_quality": np.where(AI, 75, 95)}, "JPEG quality"),
        ({"tables": np.where(AI, "aaaa", "bbbb")}, "JPEG tables"),
        ({"subsampling": np.where(AI, "4:2:0", "4:4:4")}, "chroma subsampling"),
    ],
)
def test_what_the_canonical_form_takes_away_is_met_by_it(planted: dict[str, object], fact: str) -> None:
    table = pictures(**planted)
    assert severities(table)[fact] == "severe"
    found = audit(table, canonical=FORM, trees=4)
    assert {row["fact"]: row["severity"] for row in found["shortcuts"]}[fact] == "met by the canonical form"
    assert {row["fact"]: row["severity"] for row in found["file_facts"]["top"]}[fact] == "met by the canonical form"
    assert found["file_facts"]["auroc"] > 0.9  # of the files it is as true as before


@pytest.mark.parametrize(
    ("planted", "fact"),
    [
        ({"width": np.where(AI, 512, 256), "height": np.where(AI, 256, 512)}, "aspect"),
        ({"mode": np.where(AI, "L", "RGB")}, "colour mode"),
        ({"width": 256, "height": 256, "bytes": np.where(AI, 20_000, 60_000)}, "bytes per pixel"),
    ],
)
def test_what_it_leaves_is_as_severe_as_ever(planted: dict[str, object], fact: str) -> None:
    assert severities(pictures(**planted), canonical=FORM)[fact] == "severe"


@pytest.mark.parametrize(
    ("planted", "fact", "form"),
    [
        ({"width": np.where(AI, 768, 256), "height": 256}, "size", {"side": 224, "quality": 75}),
        ({"jpeg_quality": np.where(AI, 75, 95)}, "JPEG quality", {"side": 64, "quality": 90}),
    ],
)
def test_a_form_that_is_too_fine_does_not_meet_it(planted: dict[str, object], fact: str, form: dict[str, int]) -> None:
    assert severities(pictures(**planted), canonical=form)[fact] == "severe"


def test_what_does_not_reach_the_network_is_last() -> None:
    table = pictures(jpeg_quality=np.where(AI, 75, 95), exif=AI, brightness=np.random.default_rng(0).normal(AI * 0.6, 1.0))
    assert list(severities(table)) == ["JPEG quality", "brightness", "EXIF"]
    met = list(severities(table, canonical=FORM))
    assert met[0] == "brightness"
    assert set(met[1:]) == {"JPEG quality", "EXIF"}


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
    assert reason in found["unjudged"]
    assert (found["folds"], found["shortcuts"]) == (0, [])
    assert found["file_facts"] == {
        **{key: None for name in ("accuracy", "balanced_accuracy", "auroc") for key in (name,)},
        **{f"{name}_interval": [None, None] for name in ("accuracy", "balanced_accuracy", "auroc")},
        "p": 1.0,
        "notable": False,
        "top": [],
    }


def test_what_is_written_for_machines_is_plain() -> None:
    found = json.loads(json.dumps(audit(pictures(jpeg_quality=np.where(AI, 75, 95)), trees=4), allow_nan=False))
    assert {"accuracy", "balanced_accuracy", "auroc", "top"} <= set(found["file_facts"])
    assert {"accuracy", "balanced_accuracy", "auroc", "top"} <= set(found["pixel_statistics"])
    assert {"exact", "near"} <= set(found["duplicates"])
    assert {"fact", "severity", "remedy"} <= set(found["shortcuts"][0])
    assert found["file_facts"]["top"][0]["fact"] == "JPEG quality"
    assert [row["label"] for row in found["makers"]] == ["human", "ai"]
    assert found["makers"][0]["JPEG quality"] == "95 (100%)"
