import base64
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artclf.data.canonical import Canonical
from artclf.data.facts import Survey, survey_files
from artclf.data.sources.folder import read_folder
from artclf.errors import ArtclfError
from artclf.evaluation.audit import audit
from artclf.report.data_page import audit_section, describe_audit, shortcut_auroc, write_dataset
from artclf.report.run_page import write_report
from tests.evaluation.audited import pictures
from tests.report.conftest import painting, write_run


def put(root: Path, folder: str, numbers: range, size: int = 64, **options: object) -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.fromarray(painting(number, size)).save(root / folder / f"{number}.jpg", **options)


def written(root: Path, to: Path, **options: object) -> tuple[str, Survey]:
    path, survey, _ = write_dataset(to, survey_files(read_folder(root), **options), name="my <art>", seed=0)
    assert path == to / "dataset.html"
    return path.read_text(encoding="utf-8"), survey


def test_one_page_with_every_figure_in_it(tmp_path: Path) -> None:
    art = tmp_path / "art"  # 20 human images at quality 95; 20 AI images at quality 75 and larger, by two generators
    for split, numbers in (("train", range(8)), ("test", range(8, 10))):
        for look, generator in (("ink", "s<d>"), ("oil", "ld")):
            put(art, f"{split}/human/{look}", numbers, quality=95)
            put(art, f"{split}/ai/{generator}/{look}", numbers, size=96, quality=75)
    page, survey = written(art, tmp_path / "page")
    embedded = re.findall(r'<img src="data:image/(png|jpeg);base64,([^"]*)"', page)
    (figure,) = (base64.b64decode(data) for kind, data in embedded if kind == "png")
    assert figure == (tmp_path / "page" / "figures" / "files.png").read_bytes()
    assert sum(kind == "jpeg" for kind, _ in embedded) == 12 + 10 + 10  # of 20 human images, and of each generator's 10
    for unescaped in ("<script", "<art>", "<d>"):
        assert unescaped not in page
    for expected in (
        "my &lt;art&gt;: 40 images, 20 human and 20 AI",
        "AI images by ld (10), s&lt;d&gt; (10); 2 styles, 2 splits.",
        "The headers of all 40 files were read; 0 of them can&#39;t be read.",
        'class="box" id="shortcuts"',
    ):
        assert expected in page
    assert re.search(r"These facts alone separate.*JPEG quality \(1.000; human images 95 \(100%\), AI images 75 \(100%\)", page)
    facts = pd.read_csv(tmp_path / "page" / "facts.csv")
    assert facts["path"].tolist() == survey.manifest.table["path"].tolist()
    assert set(facts["jpeg_quality"]) == {75, 95}
    assert not (tmp_path / "page" / "unreadable.csv").exists()


def test_files_stored_alike_get_no_warning(tmp_path: Path) -> None:
    put(tmp_path / "art", "human", range(12))
    put(tmp_path / "art", "ai", range(12))
    page, _ = written(tmp_path / "art", tmp_path)
    assert 'id="shortcuts"' not in page
    assert "separates the two classes clearly better than guessing" in page


def test_unreadable_files_are_listed_and_a_second_look_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    art = tmp_path / "art"
    put(art, "human", range(3))
    put(art, "ai", range(3))
    (art / "human" / "a<b.jpg").write_bytes(b"")
    victim = art / "ai" / "1.jpg"
    victim.write_bytes(victim.read_bytes()[:-300])  # behind the header: seen when a sample is decoded
    page, survey = written(art, tmp_path)
    assert "2 files can&#39;t be read" in page
    assert "human/a&lt;b.jpg" in page
    assert survey.opened == 7
    assert not set(survey.facts["path"]) & {"ai/1.jpg", "human/a<b.jpg"}
    reasons = pd.read_csv(tmp_path / "unreadable.csv").set_index("path")["reason"]
    assert sorted(reasons.index) == ["ai/1.jpg", "human/a<b.jpg"]
    assert "truncated" in reasons["ai/1.jpg"]
    for path in (art / "ai").iterdir():
        path.write_bytes(path.read_bytes()[:-300])
    _, survey = written(art, tmp_path, sample=2)
    assert survey.opened == 2 + 3  # damage outside of the sample of headers counts as opened too
    shutil.rmtree(art / "ai")
    (art / "human" / "a<b.jpg").unlink()
    page, _ = written(art, tmp_path)
    assert not (tmp_path / "unreadable.csv").exists()
    assert "3 images, 3 human and 0 AI" in page
    assert "Too few files of one class could be read" in page


def test_nothing_readable_still_gives_a_page(tmp_path: Path) -> None:
    for label in ("ai", "human"):
        (tmp_path / "art" / label).mkdir(parents=True)
        (tmp_path / "art" / label / "a.png").write_bytes(b"")
    page, survey = written(tmp_path / "art", tmp_path)
    assert "No image could be decoded" in page
    assert len(survey.unreadable) == 2


AI = np.arange(200) >= 100


@pytest.fixture(scope="module")
def unequal() -> dict:
    table = pictures(
        jpeg_quality=np.where(AI, 75, 95),
        saturation=np.random.default_rng(0).normal(0.8 * AI, 1.0),
        exif=AI,
        split=np.where(np.arange(200) % 2, "test", "train"),
    )
    table.loc[1, "hash"] = table.loc[0, "hash"]
    return audit(table)


def test_an_audit_describes_what_how_bad_and_what_helps(unequal: dict) -> None:
    text = "\n".join(describe_audit(unequal))
    for expected in (
        "Compare a network that learns from these images with an AUROC of 1.00, not with 0.50.",
        "JPEG quality (severe): alone AUROC 1.000 (95% interval 0.963 to 1.000); human images 95 (100%), AI images 75",
        "Colour saturation (moderate)",
        "EXIF (none for this network)",
        "Near duplicates across splits (moderate): 1 image outside of train (1.0%) have a copy in train",
        "The same in all files: format, colour mode.",
    ):
        assert expected in text
    assert text.count("What helps against") == 4
    assert "JPEG quality: data.canonical=true encodes all images at one quality (data.canonical_quality=75 at most)." in text


def test_an_audit_without_findings_says_so() -> None:
    equal = audit(pictures(60))
    lines = describe_audit(equal)
    assert "No shortcut was found: compare a network with guessing, an AUROC of 0.50." in lines
    assert lines[-1] == "No duplicates were found, exact or near."
    assert shortcut_auroc(equal) is None
    assert sum("which may be chance" in line for line in lines) == 2  # sixty images do not show that there is nothing


def test_what_the_canonical_form_removes_is_no_warning(unequal: dict, tmp_path: Path) -> None:
    table = pictures(60, jpeg_quality=np.where(np.arange(60) >= 30, 75, 95), bytes=50_000, width=400, height=400)
    put(tmp_path / "art", "human", range(1))
    for form, warned in ((None, True), (Canonical(64, 75), False)):
        found = audit(table, table if form else None, canonical=form)
        (tmp_path / "audit.json").write_text(json.dumps(found))
        assert ('<div id="audit-words" class="box">' in written(tmp_path / "art", tmp_path)[0]) is warned
    text = "\n".join(describe_audit(found))
    assert "JPEG quality (met by the canonical form): alone AUROC 1.000" in text
    assert "What removes JPEG quality: data.canonical=true" in text
    assert "What helps against" not in text
    after = {**unequal["pixel_statistics"], "auroc": 0.61, "notable": True}
    assert shortcut_auroc({**unequal, "canonical_pixel_statistics": after, "canonical": True}) == 0.61
    assert shortcut_auroc({**unequal, "canonical_pixel_statistics": after}) == unequal["file_facts"]["auroc"] > 0.99


def test_a_run_that_was_audited_has_the_section_in_its_page(unequal: dict, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert audit_section(run) is None
    (run / "audit.json").write_text(json.dumps(unequal))
    page = write_report(run).read_text(encoding="utf-8")
    for expected in ('href="#audit"', "Colour saturation (moderate)", "reaches no network", "0.jpg<br>1.jpg"):
        assert expected in page
    assert (run / "figures" / "audit.png").is_file()
    (run / "audit.json").write_text("{")
    with pytest.raises(ArtclfError, match=r"audit\.json: is no JSON"):
        audit_section(run)
