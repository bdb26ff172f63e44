import base64
import re
import shutil
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from artclf.data.facts import Survey, survey_files
from artclf.data.sources.folder import read_folder
from artclf.report import style
from artclf.report.data_page import write_dataset
from tests.report.conftest import painting


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


@pytest.fixture(autouse=True)
def _coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "DPI", 40)  # quick to draw


@pytest.fixture
def art(tmp_path: Path) -> Path:
    """20 human works at quality 95; 20 AI works at quality 75 and larger, by two generators. Two styles, two splits."""
    for split, numbers in (("train", range(8)), ("test", range(8, 10))):
        for look in ("ink", "oil"):
            put(tmp_path / "art", f"{split}/human/{look}", numbers, quality=95)
            put(tmp_path / "art", f"{split}/ai/{'sd' if look == 'ink' else 'ld'}/{look}", numbers, size=96, quality=75)
    return tmp_path / "art"


def written(root: Path, to: Path, **options: object) -> tuple[Page, Survey]:
    path, survey = write_dataset(to, survey_files(read_folder(root), **options), name="my <art>", seed=0)
    assert path == to / "dataset.html"
    return Page(path.read_text(encoding="utf-8")), survey


def test_one_page_with_every_figure_in_it(art: Path, tmp_path: Path) -> None:
    page, survey = written(art, tmp_path / "page")
    figures = sorted((tmp_path / "page" / "figures").glob("*.png"))
    assert [figure.stem for figure in figures] == [
        *("classes", "densities", "kinds", "qualities"),
        *("samples_0_human", "samples_1_ai", "samples_2_ai", "sizes", "styles"),
    ]
    embedded = {base64.b64decode(picture["src"].removeprefix("data:image/png;base64,")) for picture in page.pictures}
    assert embedded == {figure.read_bytes() for figure in figures}
    for data in embedded:
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
        {"path": "ai/1.jpg", "label": "ai", "reason": "truncated: the file ends before the picture does"}
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
    assert len(page.pictures) == 2
    assert len(survey.unreadable) == 2


def test_a_second_look_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    put(tmp_path / "art", "human/oil", range(1))
    put(tmp_path / "art", "ai/sd", range(1))
    (tmp_path / "art" / "ai" / "empty.jpg").write_bytes(b"")
    written(tmp_path / "art", tmp_path / "page")
    samples, listed = tmp_path / "page" / "figures" / "samples_1_ai.png", tmp_path / "page" / "unreadable.csv"
    assert samples.exists()
    assert listed.exists()
    shutil.rmtree(tmp_path / "art" / "ai")
    written(tmp_path / "art", tmp_path / "page")
    assert not samples.exists()
    assert not listed.exists()
