import base64
import json
import re
import shutil
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artclf.data.facts import Survey, survey_files
from artclf.data.sources.folder import read_folder
from artclf.errors import ArtclfError
from artclf.evaluation.audit import audit
from artclf.report.data_page import audit_in_words, audit_section, free_auroc, write_dataset
from artclf.report.render import _environment
from artclf.report.run_page import write_report
from tests.evaluation.audited import pictures
from tests.report.conftest import painting, write_run


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.pictures, self.tags, self.ids = "", [], [], set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        self.ids.add(found.get("id"))
        if tag == "img":
            self.pictures.append(found)

    def handle_data(self, data):
        self.text += re.sub(r"\s+", " ", data)


def put(root: Path, folder: str, numbers: range, size: int = 64, **options: object) -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.fromarray(painting(number, size)).save(root / folder / f"{number}.jpg", **options)


@pytest.fixture
def art(tmp_path: Path) -> Path:
    """20 human works at quality 95; 20 AI works at quality 75 and larger, by two generators. Two styles, two splits."""
    for split, numbers in (("train", range(8)), ("test", range(8, 10))):
        for look in ("ink", "oil"):
            put(tmp_path / "art", f"{split}/human/{look}", numbers, quality=95)
            put(tmp_path / "art", f"{split}/ai/{'sd' if look == 'ink' else 'ld'}/{look}", numbers, size=96, quality=75)
    return tmp_path / "art"


def written(root: Path, to: Path, **options: object) -> tuple[Page, Survey]:
    path, survey, _ = write_dataset(to, survey_files(read_folder(root), **options), name="my <art>", seed=0)
    assert path == to / "dataset.html"
    return Page(path.read_text(encoding="utf-8")), survey


def test_one_page_with_every_figure_in_it(art: Path, tmp_path: Path) -> None:
    page, survey = written(art, tmp_path / "page")
    figures = sorted((tmp_path / "page" / "figures").glob("*.png"))
    assert [figure.stem for figure in figures] == ["classes", "files"]
    embedded = [picture["src"].split(",", 1) for picture in page.pictures]
    assert [base64.b64decode(data) for head, data in embedded if "png" in head] == [file.read_bytes() for file in figures]
    thumbnails = [base64.b64decode(data) for head, data in embedded if "jpeg" in head]
    assert len(thumbnails) == 12 + 10 + 10  # of people's 20, and of each generator's 10
    for data in thumbnails:
        Image.open(BytesIO(data)).load()
    assert all(picture["alt"] for picture in page.pictures)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "my <art>" in page.text
    assert not survey.unreadable.size

    # what gives the classes away
    assert "40 pictures, 20 by people and 20 by AI" in page.text
    assert "Read were the headers of all 40 files" in page.text
    assert "shortcuts" in page.ids
    assert re.search(r"Without a look at the pictures, these facts alone tell .*JPEG quality \(1", page.text)
    assert "JPEG quality 95 (100%) among human works and 75 (100%) among AI works" in page.text
    assert "size 64 among human works" in page.text
    assert re.search(r"human\s*20\s*JPEG[^%]*: 100.0%\s*64×64: 100.0%\s*95: 100.0%", page.text)

    # and the table beside it
    facts = pd.read_csv(tmp_path / "page" / "facts.csv")
    assert facts["path"].tolist() == survey.manifest.table["path"].tolist()
    assert set(facts["jpeg_quality"]) == {75, 95}
    assert not (tmp_path / "page" / "unreadable.csv").exists()


def test_files_stored_alike_get_no_warning(tmp_path: Path) -> None:
    put(tmp_path / "art", "human", range(12))
    put(tmp_path / "art", "ai", range(12))
    page, _ = written(tmp_path / "art", tmp_path)
    assert "shortcuts" not in page.ids
    assert "tells the two classes apart clearly better than guessing" in page.text
    assert "Other shortcuts (colour, motif, traces of scaling) were not looked for" in page.text


def test_unreadable_files_are_listed_and_the_page_is_written(tmp_path: Path) -> None:
    put(tmp_path / "art", "human", range(2))
    (tmp_path / "art" / "human" / "a<b.jpg").write_bytes(b"")
    page, survey = written(tmp_path / "art", tmp_path)
    assert "1 file can't be read" in page.text
    assert "empty file" in page.text
    assert "human/a<b.jpg" in page.text
    assert len(survey.unreadable) == 1
    listed = pd.read_csv(tmp_path / "unreadable.csv")
    assert listed.to_dict("records") == [{"path": "human/a<b.jpg", "label": "human", "reason": "empty file"}]


def test_damage_behind_the_header_shows_when_a_sample_is_decoded(tmp_path: Path) -> None:
    put(tmp_path / "art", "human", range(2))
    put(tmp_path / "art", "ai", range(2))
    victim = tmp_path / "art" / "ai" / "1.jpg"
    victim.write_bytes(victim.read_bytes()[:-300])
    _, survey = written(tmp_path / "art", tmp_path)
    assert survey.unreadable.to_dict("records") == [
        {"path": "ai/1.jpg", "label": "ai", "reason": "truncated: the file ends before the image does"}
    ]
    assert survey.looked_at == 4
    assert "ai/1.jpg" not in set(survey.facts["path"])


def test_damage_outside_the_sample_of_headers_counts_as_opened_too(tmp_path: Path) -> None:
    put(tmp_path / "art", "human", range(3))
    put(tmp_path / "art", "ai", range(3))
    for path in (tmp_path / "art" / "ai").iterdir():
        path.write_bytes(path.read_bytes()[:-300])
    page, survey = written(tmp_path / "art", tmp_path, sample=2)
    assert len(survey.unreadable) == 3
    assert survey.looked_at == 4  # the two of the sample, and two more
    assert "4 of 6 files were opened" in page.text


def test_one_class_alone_can_be_looked_at(tmp_path: Path) -> None:
    put(tmp_path / "art", "human/oil", range(4))
    page, _ = written(tmp_path / "art", tmp_path)
    assert "4 pictures, 4 by people" in page.text
    assert "All files read are by people, so there is nothing to compare" in page.text


def test_nothing_readable_still_gives_a_page(tmp_path: Path) -> None:
    for label in ("ai", "human"):
        (tmp_path / "art" / label).mkdir(parents=True)
        (tmp_path / "art" / label / "a.png").write_bytes(b"")
    page, survey = written(tmp_path / "art", tmp_path)
    assert "Not one file could be read" in page.text
    assert "No picture could be decoded" in page.text
    assert len(page.pictures) == 1
    assert len(survey.unreadable) == 2


def test_a_second_look_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    put(tmp_path / "art", "human/oil", range(1))
    put(tmp_path / "art", "ai/sd", range(1))
    (tmp_path / "art" / "ai" / "empty.jpg").write_bytes(b"")
    written(tmp_path / "art", tmp_path / "page")
    listed = tmp_path / "page" / "unreadable.csv"
    assert listed.exists()
    shutil.rmtree(tmp_path / "art" / "ai")
    written(tmp_path / "art", tmp_path / "page")
    assert not listed.exists()


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


@pytest.fixture(scope="module")
def equal() -> dict:
    return audit(pictures(60))


def section_page(section: dict | None) -> str:
    page = '{% extends "layout.html" %}{% block content %}{% include "section_audit.html" %}{% endblock %}'
    return _environment().from_string(page).render(audit=section)


def test_words_tell_what_how_bad_and_what_helps(unequal: dict) -> None:
    text = "\n".join(audit_in_words(unequal))
    assert "A network that learns from these pictures is to be judged against 1.00, not against 0.50." in text
    assert "JPEG quality (severe): alone AUROC 1.000 (95% interval 0.963 to 1.000); human works 95 (100%), AI works 75" in text
    assert "Colour saturation (moderate)" in text
    assert "EXIF (none for this network)" in text
    assert "metadata never reaches the network" in text
    assert "Near duplicates across splits (moderate): 1 picture outside of train (1.0%) have one in train" in text
    assert "The same in all files: format and colour mode." in text
    assert text.count("What helps against") == 4


def test_what_the_canonical_form_meets_is_no_warning(tmp_path: Path) -> None:
    table = pictures(jpeg_quality=np.where(AI, 75, 95), bytes=50_000, width=400, height=400)
    for form, warned in ((None, True), ({"side": 64, "quality": 75}, False)):
        found = audit(table, table if form else None, canonical=form)
        (tmp_path / "audit.json").write_text(json.dumps(found))
        section = audit_section(tmp_path)
        assert section is not None
        assert section["severe"] is warned
        assert ('<div class="box" id="audit-words">' in section_page(section)) is warned
    text = "\n".join(audit_in_words(found))
    assert "JPEG quality (met by the canonical form): alone AUROC 1.000" in text
    assert "What keeps JPEG quality from this network: data.canonical=true encodes all images at one quality" in text
    assert "What helps against" not in text
    assert "In canonical form, looks alone give nothing away: a network is to be judged against guessing" in text
    assert "No shortcut was found" not in text
    assert "is said to be met by it" in section["how"]


def test_where_there_is_nothing_it_is_said(equal: dict) -> None:
    lines = audit_in_words(equal)
    assert "No shortcut was found: a network is to be judged against guessing, an AUROC of 0.50." in lines
    assert lines[-1] == "No duplicates were found, exact or near."
    assert free_auroc(equal) is None
    assert sum("which may be chance" in line for line in lines) == 2  # sixty pictures do not show that there is nothing


def test_what_is_sure_and_small_is_not_called_chance(equal: dict) -> None:
    size = {**equal["file_facts"]["top"][0], "fact": "size", "p": 0.001, "severity": "none", "constant": False}
    lines = audit_in_words({**equal, "file_facts": {**equal["file_facts"], "p": 0.001, "top": [size]}})
    assert "hardly more than guessing" in lines[0]
    assert "A difference, too small to matter: size." in lines
    assert not any(line.startswith("No difference that could not be chance") for line in lines)


def test_a_sample_says_how_many_copies_it_misses(equal: dict) -> None:
    assert audit_in_words({**equal, "drawn_of": 600})[-1].startswith(
        "Copies are found only where both were drawn, which of 100 pairs"
    )


def test_what_is_read_canonically_is_judged_against_canonical_looks(unequal: dict) -> None:
    after = {**unequal["pixel_statistics"], "auroc": 0.61, "notable": True}
    assert free_auroc({**unequal, "canonical_pixel_statistics": after, "canonical": True}) == 0.61
    assert free_auroc({**unequal, "canonical_pixel_statistics": after}) == 1.0


def test_the_section_is_made_of_what_was_written(unequal: dict, tmp_path: Path) -> None:
    assert audit_section(tmp_path) is None
    (tmp_path / "audit.json").write_text(json.dumps(unequal))
    section = audit_section(tmp_path, (0.97, 0.95, 0.99))
    page = section_page(section)
    assert "JPEG quality (severe)" in page
    assert "data:image/png;base64," in page
    assert "reaches no network" in page
    assert "0.jpg<br>1.jpg" in page
    (tmp_path / "audit.json").write_text("{")
    with pytest.raises(ArtclfError, match=r"audit\.json: is no JSON"):
        audit_section(tmp_path)


def test_a_run_that_was_audited_has_the_section_in_its_page(unequal: dict, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert 'id="audit"' not in write_report(run).read_text(encoding="utf-8")
    (run / "audit.json").write_text(json.dumps(unequal))
    page = write_report(run).read_text(encoding="utf-8")
    assert 'href="#audit"' in page
    assert 'id="audit"' in page
    assert "Colour saturation (moderate)" in page
