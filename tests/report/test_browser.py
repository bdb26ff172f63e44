"""Pages opened in a real browser, where there is one: no error, no missing image, nothing from the network, no overflow."""

import json
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from artclf.report.run_page import write_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--virtual-time-budget=10000"]

WATCH = """<script>
const errors = [];
addEventListener("error", event => errors.push(String(event.message || event.target.src || event.target.href)), true);
console.error = (...words) => errors.push(words.join(" "));
</script>"""
TELL = """<script>
addEventListener("load", () => {
  const root = document.documentElement, images = [...document.images];
  parent.postMessage(JSON.stringify({
    errors: errors,
    images: images.length,
    missing: images.filter(image => !image.complete || !image.naturalWidth).map(image => image.alt),
    unnamed: images.filter(image => !image.alt).length,
    fetched: performance.getEntriesByType("resource").map(entry => entry.name).filter(name => !name.startsWith("data:")),
    overflow: root.scrollWidth - root.clientWidth,
  }), "*");
});
</script>"""
FRAME = """<!doctype html><body><pre id="found"></pre>
<script>addEventListener("message", event => document.getElementById("found").textContent = event.data);</script>
<iframe src="PAGE" style="width: WIDTHpx; height: 900px; border: 0"></iframe></body>"""


def opened(page: Path, width: int, folder: Path) -> dict[str, object]:
    """What a browser finds in a page at this width, in a frame: a window can't be as narrow as a phone."""
    text = page.read_text(encoding="utf-8")
    watched = folder / "watched.html"
    watched.write_text(text.replace("<head>", f"<head>{WATCH}", 1).replace("</body>", f"{TELL}</body>"), encoding="utf-8")
    frame = folder / "frame.html"
    frame.write_text(FRAME.replace("PAGE", watched.name).replace("WIDTH", str(width)), encoding="utf-8")
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={folder / 'browser'}", "--dump-dom", frame.as_uri()]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    found = printed.split('<pre id="found">')[1].split("</pre>")[0]
    return dict(json.loads(unescape(found)))


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome on this machine")
@pytest.mark.parametrize("width", [1100, 390])
def test_a_browser_finds_nothing_wrong(full_run: Path, tmp_path: Path, width: int) -> None:
    page = write_report(full_run)
    found = opened(page, width, tmp_path)
    assert found["images"] == page.read_text(encoding="utf-8").count("<img ") > 5
    assert found == {**found, "errors": [], "missing": [], "unnamed": 0, "fetched": [], "overflow": 0}
