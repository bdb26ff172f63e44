import json
from pathlib import Path

import numpy as np
import pytest

from artclf.errors import ArtclfError
from artclf.evaluation.audit import audit
from artclf.report import style
from artclf.report.audit import audit_section, free_auroc, in_words, plot_audit
from artclf.report.render import render
from artclf.report.run_page import write_page
from tests.evaluation.audited import pictures
from tests.report.conftest import write_run

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
    return audit(table, trees=5)


@pytest.fixture(scope="module")
def equal() -> dict:
    return audit(pictures(60), trees=5)


def test_words_tell_what_how_bad_and_what_helps(unequal: dict) -> None:
    text = "\n".join(in_words(unequal))
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
        found = audit(table, table if form else None, canonical=form, trees=5)
        (tmp_path / "audit.json").write_text(json.dumps(found))
        section = audit_section(tmp_path)
        assert section is not None
        assert section["severe"] is warned
        assert ('<div class="box" id="audit-words">' in render("audit.html", name="x", title="y", audit=section)) is warned
    text = "\n".join(in_words(found))
    assert "JPEG quality (met by the canonical form): alone AUROC 1.000" in text
    assert (
        "What keeps JPEG quality from this network: data.canonical=true, as this run has it: every picture is encoded" in text
    )
    assert "What helps against" not in text
    assert "In canonical form, looks alone give nothing away: a network is to be judged against guessing" in text
    assert "No shortcut was found" not in text
    assert "is said to be met by it" in section["how"]
    figure = plot_audit(found)
    assert figure is not None
    assert "JPEG quality (met by the form)" in [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_where_there_is_nothing_it_is_said(equal: dict) -> None:
    lines = in_words(equal)
    assert "No shortcut was found: a network is to be judged against guessing, an AUROC of 0.50." in lines
    assert lines[-1] == "No duplicates were found, exact or near."
    assert free_auroc(equal) is None
    assert sum("which may be chance" in line for line in lines) == 2  # sixty pictures do not show that there is nothing


def test_what_is_sure_and_small_is_not_called_chance(equal: dict) -> None:
    size = {**equal["file_facts"]["top"][0], "fact": "size", "p": 0.001, "severity": "none", "constant": False}
    lines = in_words({**equal, "file_facts": {**equal["file_facts"], "p": 0.001, "top": [size]}})
    assert "hardly more than guessing" in lines[0]
    assert "A difference, too small to matter: size." in lines
    assert not any(line.startswith("No difference that could not be chance") for line in lines)


def test_a_sample_says_how_many_copies_it_misses(equal: dict) -> None:
    assert in_words({**equal, "drawn_of": 600})[-1].startswith(
        "Copies are found only where both were drawn, which of 100 pairs"
    )


def test_what_is_read_canonically_is_judged_against_canonical_looks(unequal: dict) -> None:
    after = {**unequal["pixel_statistics"], "auroc": 0.61, "notable": True}
    assert free_auroc({**unequal, "canonical_pixel_statistics": after, "canonical": True}) == 0.61
    assert free_auroc({**unequal, "canonical_pixel_statistics": after}) == 1.0


def test_the_figure_has_the_network_beside_the_facts(unequal: dict) -> None:
    figure = plot_audit(unequal, (0.97, 0.95, 0.99))
    assert figure is not None
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[:3] == ["this network, test pictures", "file facts together", "picture statistics together"]
    assert "JPEG quality alone" in names
    assert "0.970" in {text.get_text() for text in figure.axes[0].texts}
    assert plot_audit(audit(pictures(20, label="ai"))) is None


def test_the_section_is_made_of_what_was_written(unequal: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "DPI", 40)
    assert audit_section(tmp_path) is None
    (tmp_path / "audit.json").write_text(json.dumps(unequal))
    figure = plot_audit(unequal)
    assert figure is not None
    style.save(figure, tmp_path / "figures" / "audit.png")
    section = audit_section(tmp_path)
    page = render("audit.html", name="x", title="y", audit=section)
    assert "JPEG quality (severe)" in page
    assert "data:image/png;base64," in page
    assert "reaches no network" in page
    assert "0.jpg<br>1.jpg" in page
    (tmp_path / "audit.json").write_text("{")
    with pytest.raises(ArtclfError, match=r"audit\.json: is no JSON"):
        audit_section(tmp_path)


def test_a_run_that_was_audited_has_the_section_in_its_page(unequal: dict, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert 'id="audit"' not in write_page(run).read_text(encoding="utf-8")
    (run / "audit.json").write_text(json.dumps(unequal))
    page = write_page(run).read_text(encoding="utf-8")
    assert 'href="#audit"' in page
    assert 'id="audit"' in page
    assert "Colour saturation (moderate)" in page
