import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import refusal
from tests.conftest import draw

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
NASTY = "<img src=x onerror=document.title='run'>${document.title='run'}{{x}}.png"
ROWS = "#table tbody tr"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of temporary files of the server, and that of the images."""
    return tmp_path_factory.mktemp("served"), tmp_path_factory.mktemp("dropped")


@pytest.fixture(scope="module")
def page(run: Path, places: tuple[Path, Path]) -> Iterator[str]:
    """The address of the page, which `artclf serve` serves in a process of its own; nothing is left of it afterwards."""
    words = ["serve", str(run), "--port", "0", "--most-images", "4", "--most-mb", "1"]
    command = [sys.executable, "-c", "from artclf.cli import app; app()", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(places[0])}) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[1]
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) == 143
    assert not list(places[0].iterdir())


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Chrome"]:
    """Headless, and without any network but this machine."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("needs chromium and chromedriver (Debian: chromium, chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in (
        "headless=new",
        "no-sandbox",
        "disable-dev-shm-usage",
        "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options, Service(DRIVER))
    yield driver
    driver.quit()


def within(seconds: float, found: Callable[[], Any]) -> Any:
    """What is found as soon as it is something."""
    end = time.monotonic() + seconds
    while not (what := found()) and time.monotonic() < end:
        time.sleep(0.05)
    assert what
    return what


def asked(browser: "Chrome") -> set[str]:
    """The addresses that the browser has asked since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return {address for address in sent if not address.startswith("data:")}


def test_images_are_dropped_and_judged(page: str, browser: "Chrome", places: tuple[Path, Path]) -> None:
    temporary, images = places
    draw(images / "a & b.png", "ai", 1)
    (images / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    draw(images / "inside.png", "human", 2)
    with zipfile.ZipFile(images / "more.zip", "w") as archive:
        archive.write(images / "inside.png", NASTY)
    browser.get(page)
    files = [str(images / name) for name in ("a & b.png", "broken.png", "more.zip")]
    within(10, lambda: browser.find_elements("css selector", "input[type=file]"))[0].send_keys("\n".join(files))
    rows = [row.text for row in within(20, lambda: browser.find_elements("css selector", ROWS))]
    assert len(rows) == 3
    assert {row.split("\n")[0].split(".png")[0] for row in rows[:2]} == {"a & b", NASTY.removesuffix(".png")}
    assert all("declares nothing" in row and "%" in row for row in rows[:2])
    assert "broken.png" in rows[2]
    assert "Can’t be judged: " in rows[2]
    assert browser.title == "artclf"
    table = str(browser.find_element("css selector", "a.download").get_attribute("href"))
    case = browser.find_elements("css selector", "#table .case a")[0]
    name = case.find_element("xpath", "ancestor::tr/th").text
    case.click()
    within(10, lambda: len(browser.window_handles) == 2)
    browser.switch_to.window(browser.window_handles[1])
    heading = within(20, lambda: browser.find_elements("css selector", "h1"))[0].text
    assert heading.startswith("Case file: ")
    assert heading.removeprefix("Case file: ")[0] == name[0].replace("<", "_")
    browser.close()
    browser.switch_to.window(browser.window_handles[0])
    header, *lines = urllib.request.urlopen(table).read().decode().splitlines()
    assert header == "path,p_ai,calibrated,verdict,reason,provenance"
    assert [NASTY in line for line in lines].count(True) == 1
    assert len(list(temporary.glob("*/*/*/*"))) == 3
    addresses = asked(browser)
    assert page in addresses
    assert all(address.startswith(page) for address in addresses)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    browser.get("about:blank")  # the page is left
    within(10, lambda: not list(temporary.glob("*/*/*/*")))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(table)


def test_too_many_images_are_refused(page: str, browser: "Chrome", places: tuple[Path, Path]) -> None:
    for number in range(5):
        draw(places[1] / f"{number}.png", "ai", number)
    browser.get(page)
    drop = within(10, lambda: browser.find_elements("css selector", "input[type=file]"))[0]
    drop.send_keys("\n".join(str(places[1] / f"{number}.png") for number in range(5)))
    alert = within(20, lambda: browser.find_elements("css selector", "#table [role=alert]"))[0].text
    assert alert == "Nothing was judged. 5 files, 0.0 MB; allowed are 4 images and 1 MB at a time"
    assert not [file for file in places[0].rglob("*.png") if file.is_file()]


@pytest.mark.parametrize(
    ("path", "headers", "code", "line"),
    [
        ("config", {"Host": "artclf.example:80"}, 403, "asked for as 'artclf.example:80'; this page is for 127.0.0.1 alone"),
        ("config", {"Origin": "http://artclf.example"}, 403, "requests of other sites are refused"),
        ("gradio_api/upload", {"Origin": "null", "Content-Length": "0"}, 403, "requests of other sites are refused"),
        ("config", {"Host": "[x"}, 403, "asked for as '[x'"),
        ("config", {"Origin": "http://[x"}, 403, "requests of other sites are refused"),
        ("config", {"Transfer-Encoding": "chunked", "Content-Length": "5"}, 411, "the length of what is sent is missing"),
        ("gradio_api/upload", {"Content-Length": "3000000"}, 413, "3,000,000 bytes are more than the 1,000,000 that may be"),
        ("case/unknown/0", {}, 404, "this session has ended, and its images are deleted; drop them again"),
    ],
)
def test_what_is_refused(page: str, path: str, headers: dict[str, str], code: int, line: str) -> None:
    data = b"" if "Content-Length" in headers else None
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(page + path, data, headers), timeout=10)
    with refused.value as answer:
        assert (answer.code, answer.read().decode()[: len(line)]) == (code, line)
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_no_file_but_an_uploaded_one_is_taken(page: str, places: tuple[Path, Path], run: Path) -> None:
    (uploads,) = places[0].glob("*/uploads")
    for path in (str(run / "metrics.json"), f"{page}favicon.ico", str(uploads)):
        file = {"path": path, "orig_name": "x.png", "meta": {"_type": "gradio.FileData"}}
        config = json.load(urllib.request.urlopen(f"{page}config"))
        (call,) = [one for one in config["dependencies"] if one["targets"][0][1] == "upload"]
        body = {"data": [[file]], "fn_index": call["id"], "session_hash": "abc", "event_data": None, "trigger_id": None}
        request = urllib.request.Request(f"{page}gradio_api/queue/join", json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        urllib.request.urlopen(request).read()
        with urllib.request.urlopen(f"{page}gradio_api/queue/data?session_hash=abc") as answers:
            done = [json.loads(line[6:]) for line in answers if b"process_completed" in line]
        assert [one["success"] for one in done] == [False]
    assert (run / "metrics.json").exists()
    assert uploads.is_dir()


def test_equal_files_of_two_visitors_lie_apart(page: str) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="files"; filename="same.png"\r\n\r\nsame\r\n--b--\r\n'
    request = urllib.request.Request(f"{page}gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=b"})
    one, other = (json.load(urllib.request.urlopen(request)) for _ in range(2))
    assert one != other


def test_a_port_in_use_is_refused(page: str) -> None:
    port = page.rstrip("/").rpartition(":")[2]
    assert f"--port {port}: address already in use; try --port 0" in refusal("serve", "nothing", "--port", port)
