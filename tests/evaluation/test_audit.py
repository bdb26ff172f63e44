import json

import numpy as np
import pandas as pd
import pytest

from artclf.evaluation import shortcuts
from artclf.evaluation.audit import STATISTICS, audit
from tests.evaluation.audited import pictures

AI = np.arange(200) >= 100
FORM = {"side": 64, "quality": 75}  # no larger than three quarters of these images, and no finer
QUALITY = {"jpeg_quality": np.where(AI, 75, 95)}
SIZE = {"width": np.where(AI, 768, 256), "height": 256}


@pytest.fixture(autouse=True)
def small_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "TREES", 4)


def severities(table: pd.DataFrame, **settings: object) -> dict[str, str]:
    return {row["fact"]: row["severity"] for row in audit(table, **settings)["shortcuts"]}


def test_where_nothing_differs_nothing_is_found() -> None:
    found = audit(pictures())
    assert found["shortcuts"] == []
    assert not found["file_facts"]["notable"]
    assert not found["pixel_statistics"]["notable"]


@pytest.mark.parametrize(
    ("planted", "fact", "severity"),
    [
        (QUALITY, "JPEG quality", "severe"),
        ({"tables": np.where(AI, "aaaa", "bbbb")}, "JPEG tables", "severe"),
        # all AI images have one width, human ones any: the order of widths alone would tell nothing
        ({"width": np.where(AI, 512, np.random.default_rng(0).integers(300, 724, 200)), "height": 512}, "size", "severe"),
        ({"format": np.where(AI, "PNG", "JPEG")}, "format", "severe"),
        ({"mode": np.where(AI & (np.arange(200) % 2 == 0), "L", "RGB")}, "colour mode", "moderate"),
        ({"saturation": np.random.default_rng(0).normal(AI * 0.8, 1.0)}, "colour saturation", "moderate"),
        ({"brightness": np.random.default_rng(0).normal(AI * 0.6, 1.0)}, "brightness", "slight"),
        ({"exif": ~AI}, "EXIF", "none for this network"),
    ],
)
def test_a_planted_difference_is_named(planted: dict[str, object], fact: str, severity: str) -> None:
    assert severities(pictures(**planted))[fact] == severity


def test_quality_and_its_tables_are_reported_once() -> None:
    found = severities(pictures(**QUALITY, tables=np.where(AI, "aaaa", "bbbb")))
    assert "JPEG quality" in found
    assert "JPEG tables" not in found


def test_copies_do_not_make_random_labels_separable() -> None:
    """Ten copies each of 24 images with random labels: a model that learnt them by heart would tell them apart."""
    rng = np.random.default_rng(3)
    base = pictures(24, label=rng.permutation(["human"] * 12 + ["ai"] * 12))
    copies = base.loc[np.repeat(np.arange(24), 10)].reset_index(drop=True)
    found = audit(copies.assign(path=[f"{number}.jpg" for number in range(240)]))
    assert found["shortcuts"] == []
    assert found["pixel_statistics"]["auroc_interval"][0] < 0.5
    assert (found["copies_left_out"], found["compared"]) == (216, {"human": 12, "ai": 12})


def test_copies_across_splits_and_labels_are_shortcuts() -> None:
    table = pictures(split=np.where(np.arange(200) % 2, "test", "train"))
    table.loc[1, "hash"] = table.loc[0, "hash"]  # both human
    table.loc[199, "sha256"] = table.loc[2, "sha256"]
    assert severities(table) == {
        "near duplicates across splits": "moderate",
        "exact duplicates across splits": "none for this network",
        "the same image under both labels": "moderate",
    }


def test_splits_that_nothing_is_trained_on_are_not_compared() -> None:
    """A generator that train never shows is brighter: that is no shortcut of what is trained."""
    table = pictures(300, label=["human"] * 100 + ["ai"] * 200, split=["train"] * 200 + ["unseen"] * 100)
    table.loc[200:, "brightness"] += 5
    found = audit(table)
    assert (found["splits"], found["other_splits"]) == (["train"], ["unseen"])
    assert found["shortcuts"] == []
    assert found["compared"] == {"human": 100, "ai": 100}
    assert sum(row["pictures"] for row in found["makers"]) == 300


def test_canonical_images_are_measured_beside_the_others() -> None:
    table = pictures(saturation=np.where(AI, 0.9, 0.1))
    after = table[list(STATISTICS)].assign(saturation=0.5)
    found = audit(table, after)
    assert found["pixel_statistics"]["notable"]
    assert not found["canonical_pixel_statistics"]["notable"]
    assert [row["fact"] for row in found["shortcuts"]] == ["colour saturation"]
    assert audit(table, after, canonical=FORM)["shortcuts"] == []


MET = "met by the canonical form"


@pytest.mark.parametrize(
    ("planted", "fact", "form", "severity"),
    [
        (SIZE, "size", FORM, MET),
        ({"format": np.where(AI, "PNG", "JPEG")}, "format", FORM, MET),
        (QUALITY, "JPEG quality", FORM, MET),
        ({"subsampling": np.where(AI, "4:2:0", "4:4:4")}, "chroma subsampling", FORM, MET),
        ({"width": np.where(AI, 512, 256), "height": np.where(AI, 256, 512)}, "aspect", FORM, "severe"),
        ({"mode": np.where(AI, "L", "RGB")}, "colour mode", FORM, "severe"),
        ({"width": 256, "height": 256, "bytes": np.where(AI, 20_000, 60_000)}, "bytes per pixel", FORM, "severe"),
        (SIZE, "size", {"side": 224, "quality": 75}, "severe"),  # a form that is too fine
        (QUALITY, "JPEG quality", {"side": 64, "quality": 90}, "severe"),
    ],
)
def test_what_the_canonical_form_removes(planted: dict, fact: str, form: dict[str, int], severity: str) -> None:
    found = audit(pictures(**planted), canonical=form)
    for rows in (found["shortcuts"], found["file_facts"]["top"]):
        assert {row["fact"]: row["severity"] for row in rows}[fact] == severity
    assert found["file_facts"]["auroc"] > 0.9  # of the files it is as true as before


def test_what_does_not_reach_the_network_is_last() -> None:
    table = pictures(**QUALITY, exif=AI, brightness=np.random.default_rng(0).normal(AI * 0.6, 1.0))
    assert list(severities(table)) == ["JPEG quality", "brightness", "EXIF"]
    met = list(severities(table, canonical=FORM))
    assert met[0] == "brightness"
    assert set(met[1:]) == {"JPEG quality", "EXIF"}


@pytest.mark.parametrize("table", [pictures(label="ai"), pictures(label=["human"] * 3 + ["ai"] * 197), pictures().head(0)])
def test_too_few_images_are_not_compared(table: pd.DataFrame) -> None:
    found = audit(table)
    assert "at least 5 each are needed" in found["unjudged"]
    assert (found["folds"], found["shortcuts"], found["file_facts"]["top"]) == (0, [], [])
    json.dumps(found, allow_nan=False)


def test_audit_json_is_plain() -> None:
    found = json.loads(json.dumps(audit(pictures(**QUALITY)), allow_nan=False))
    for part in ("file_facts", "pixel_statistics"):
        assert {"accuracy", "balanced_accuracy", "auroc", "auroc_interval", "p", "notable", "top"} <= set(found[part])
    assert {"exact", "near"} <= set(found["duplicates"])
    assert {"fact", "severity", "remedy"} <= set(found["shortcuts"][0])
    assert found["shortcuts"][0]["remedy"].endswith("(data.canonical_quality=75 at most)")
    assert [row["label"] for row in found["makers"]] == ["human", "ai"]
    assert found["makers"][0]["JPEG quality"] == "95 (100%)"
