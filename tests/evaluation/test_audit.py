import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from artclf.data.canonical import Canonical
from artclf.data.facts import survey_files
from artclf.data.sources.folder import read_folder
from artclf.evaluation.audit import MET, STATISTICS, audit, audit_survey, describe_generators
from tests.evaluation.audited import pictures

AI = np.arange(200) >= 100
NEVER_SEEN = "none for this network"


def severities(found: dict) -> dict[str, str]:
    return {row["fact"]: row["severity"] for row in found["shortcuts"]}


@pytest.fixture(scope="module")
def planted() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pictures(
        width=np.where(AI, 512, rng.integers(300, 724, 200)),  # human widths lie around that of AI: their order tells nothing
        height=512,
        jpeg_quality=np.where(AI, 75, 95),
        tables=np.where(AI, "aaaa", "bbbb"),
        format=np.where(AI, "PNG", "JPEG"),
        mode=np.where(AI & (np.arange(200) % 2 == 0), "L", "RGB"),
        subsampling=np.where(AI, "4:2:0", "4:4:4"),
        saturation=np.random.default_rng(0).normal(AI * 0.8, 1.0),
        brightness=np.random.default_rng(0).normal(AI * 0.6, 1.0),
        exif=~AI,
        declared=np.where(AI, "declares AI", "declares nothing"),
    )


def test_planted_differences_are_named_the_most_severe_first(planted: pd.DataFrame) -> None:
    found = json.loads(json.dumps(audit(planted), allow_nan=False))
    severe = ["JPEG quality", "size", "aspect", "format", "chroma subsampling"]
    expected = {**dict.fromkeys(severe, "severe"), "colour mode": "moderate", "colour saturation": "moderate"}
    expected |= {"brightness": "slight", "EXIF": NEVER_SEEN, "declared origin": NEVER_SEEN}
    assert expected.items() <= severities(found).items()
    assert "JPEG tables" not in severities(found)  # they tell no more than the quality
    order = ["severe", "moderate", "slight", NEVER_SEEN]
    ranks = [order.index(severity) for severity in severities(found).values()]
    assert ranks == sorted(ranks)
    assert found["canonical_limits"]["quality"] == 75
    assert found["file_facts"]["notable"]
    assert [row["label"] for row in found["generators"]] == ["human", "ai"]
    assert (found["generators"][0]["JPEG quality"], found["generators"][1]["images"]) == ("95 (100%)", 100)


@pytest.mark.parametrize(("form", "severity"), [(Canonical(64, 75), MET), (Canonical(384, 90), "severe")])
def test_what_the_canonical_form_removes_unless_it_is_too_fine(planted: pd.DataFrame, form: Canonical, severity: str) -> None:
    found = audit(planted, planted[list(STATISTICS)].assign(saturation=0.5), canonical=form)
    facts = ("size", "format", "JPEG quality", "chroma subsampling")
    assert dict.fromkeys(facts, severity).items() <= severities(found).items()
    assert (severities(found)["aspect"], severities(found)["colour mode"]) == ("severe", "moderate")
    assert "colour saturation" not in severities(found)  # canonical images are alike
    assert found["file_facts"]["auroc"] > 0.9  # of the files it is as true as before
    if severity == MET:
        last = list(severities(found))[-6:]
        assert (set(last[:4]), set(last[4:])) == (set(facts), {"EXIF", "declared origin"})


def test_where_nothing_differs_nothing_is_found_but_what_is_planted() -> None:
    found = audit(pictures())
    assert found["shortcuts"] == []
    assert (found["file_facts"]["notable"], found["pixel_statistics"]["notable"]) == (False, False)
    assert list(severities(audit(pictures(tables=np.where(AI, "aaaa", "bbbb"))))) == ["JPEG tables"]


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
    assert severities(audit(table)) == {
        "near duplicates across splits": "moderate",
        "exact duplicates across splits": NEVER_SEEN,
        "the same image under both labels": "moderate",
    }


def test_splits_that_nothing_is_trained_on_are_not_compared() -> None:
    """A generator that train never shows is brighter: that is no shortcut of what is trained."""
    table = pictures(300, label=["human"] * 100 + ["ai"] * 200, split=["train"] * 200 + ["unseen"] * 100)
    table.loc[200:, "brightness"] += 5
    found = audit(table)
    assert (found["splits"], found["other_splits"]) == (["train"], ["unseen"])
    assert (found["shortcuts"], found["compared"]) == ([], {"human": 100, "ai": 100})
    assert sum(row["images"] for row in found["generators"]) == 300


@pytest.mark.parametrize("table", [pictures(label="ai"), pictures(label=["human"] * 3 + ["ai"] * 197), pictures().head(0)])
def test_too_few_images_are_not_compared(table: pd.DataFrame) -> None:
    found = audit(table)
    assert "at least 5 each are needed" in found["not_compared"]
    assert (found["folds"], found["shortcuts"], found["file_facts"]["top"]) == (0, [], [])
    json.dumps(found, allow_nan=False)


def test_how_the_files_of_a_generator_are_stored() -> None:
    stored = {"format": ["JPEG", "JPEG", "PNG", "JPEG"], "mode": ["RGB", "L", "P", "RGB"], "bytes": 5000, "width": 100}
    stored |= {"jpeg_quality": [95, 80, None, 60], "quality_exact": [True, True, None, False], "height": 50}
    table = pictures(4, generator=list("abcd"), subsampling=["4:4:4", None, None, "4:2:0"], **stored)
    rows = {row["generator"]: row for row in describe_generators(table.drop(columns=list(STATISTICS)))}
    kinds = [rows[name]["stored as"] for name in "abcd"]
    assert kinds == ["JPEG, RGB, 4:4:4 (100%)", "JPEG, L (100%)", "PNG, P (100%)", "JPEG, RGB, 4:2:0 (100%)"]
    assert [rows[name]["JPEG quality"] for name in "abcd"] == ["95 (100%)", "80 (100%)", "no JPEG (100%)", "about 60 (100%)"]
    assert (rows["a"]["bytes per pixel"], rows["a"]["size"]) == ("1.00", "100×50 (100%)")


def test_an_audit_measures_a_sample_in_both_forms(pictures: Path) -> None:
    form = Canonical(24, 75)
    survey = survey_files(read_folder(pictures), sample=20, canonical=form)
    found = audit_survey(survey, canonical=form)
    assert (found["canonical"], found["drawn_of"], found["images"], found["unreadable"]) == (True, 52, 52, 0)
    assert found["canonical_pixel_statistics"]["top"]
    assert found["pixel_statistics"]["top"]
