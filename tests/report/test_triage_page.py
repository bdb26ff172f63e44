"""The page of predictions: order, groups of images that look alike, and what may not become part of it."""

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from artclf.report import triage_page
from artclf.report.triage_page import write_triage
from tests.conftest import draw


def row(path: Path, p_ai: float | None, verdict: str, provenance: str = "declares nothing", reason: str = "") -> dict[str, Any]:
    scores = {"p_ai": p_ai, "calibrated": p_ai}
    return {"path": str(path), **scores, "verdict": verdict, "provenance": provenance, "reason": reason}


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, Any]]:
    names = ("low.png", "<script>alert(1)<.png", "copy.html", "far.png", "gone.png")
    low, script, copy, far, gone = files = [tmp_path / "images" / name for name in names]
    for number, file in enumerate(files[:-1]):
        draw(file.with_suffix(".png"), "human", number, (200, 150))
    Image.effect_mandelbrot((256, 256), (-2, -1, 1, 1), 50).convert("RGB").save(script)
    with Image.open(script) as image:
        image.save(copy, "JPEG", quality=60)
    return [
        row(low, 0.1, "human"),
        row(script, 0.9, "ai", "declares AI"),
        row(far, 0.5, "unsure", reason="ai as given, but <b>human</b> as a screenshot"),
        row(copy, 0.3, "human", "declares a human or camera origin"),
        row(gone, None, "", "", "no such <file>"),
    ]


def test_the_likeliest_come_first_and_copies_beside_each_other(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    write_triage(tmp_path / "page.html", iter(rows), "a run", 10**6, {rows[0]["path"]: "cases/low.html"})
    page = (tmp_path / "page.html").read_text()
    assert re.findall(r'data-verdict="(\w+)" data-provenance="(\d)"', page) == [
        ("ai", "1"),
        ("human", "2"),
        ("unsure", "3"),
        ("human", "3"),
    ]
    assert page.count("2 images that look alike") == 1
    assert page.count("data:image/jpeg") == 4
    assert '<a href="cases/low.html">case file</a>' in page
    assert "<script" not in page
    assert "images/%3Cscript%3Ealert%281%29%3C.png" in page
    assert 'href="images/copy.html"' not in page  # which a browser would run
    assert "ai as given, but &lt;b&gt;human&lt;/b&gt; as a screenshot" in page
    assert "no such &lt;file&gt;" in page
    assert not re.search(r"https?://|url\(", page)


def test_of_very_many_images_the_likeliest_are_shown(
    rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triage_page, "MOST_SHOWN", 2)
    write_triage(tmp_path / "page.html", iter(rows), "a run", 10**6)
    page = (tmp_path / "page.html").read_text()
    assert re.findall(r'data-verdict="(\w+)" data', page) == ["ai", "unsure"]
    assert "The 2 images of the highest p_ai are shown" in page
    assert "4 images, the likeliest AI images first" in page
