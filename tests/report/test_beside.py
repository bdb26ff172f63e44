import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from artclf.errors import ArtclfError
from artclf.report.beside import coming_pages, join_pages, write_beside
from artclf.report.render import report_link
from artclf.runtime import beside, end_helper


def page(run: Path) -> Path:
    (run / "report.html").write_text(Path.cwd().name)
    return run / "report.html"


def no_page(run: Path) -> Path:
    raise ArtclfError(f"{run}: metrics.json is damaged")


def broken_page(run: Path) -> Path:
    raise KeyError("no such figure")


def slow_page(run: Path) -> Path:
    time.sleep(0.5)
    return page(run)


def dies_once(run: Path) -> Path:
    if os.getpid() != int((run / "parent").read_text()):
        os._exit(1)
    return page(run)


@pytest.fixture(autouse=True)
def _none_left() -> Iterator[None]:
    yield
    join_pages()


def test_a_single_run_waits_for_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written in another process, which works in the folder of this one; what is raised there is raised here."""
    monkeypatch.chdir(tmp_path)
    write_beside(page, tmp_path)
    assert (tmp_path / "report.html").read_text() == tmp_path.name
    for wrong, error in ((no_page, ArtclfError), (broken_page, RuntimeError)):
        with pytest.raises(error, match=r"is damaged|no such figure"):
            write_beside(wrong, tmp_path)
    assert coming_pages() == {}


@pytest.mark.parametrize(("launcher", "waits"), [("basic", False), ("joblib", True)])
def test_a_multirun_goes_on_and_its_end_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launcher: str, waits: bool
) -> None:
    job = SimpleNamespace(mode=RunMode.MULTIRUN, runtime=SimpleNamespace(choices={"hydra/launcher": launcher}))
    monkeypatch.setattr(HydraConfig, "initialized", lambda: True)
    monkeypatch.setattr(HydraConfig, "get", lambda: job)
    write_beside(slow_page, tmp_path)
    assert set(coming_pages()) == (set() if waits else {tmp_path})
    assert report_link(tmp_path, tmp_path) == "report.html"
    if not waits:
        other = tmp_path / "other"
        write_beside(no_page, other)
        interrupted = beside(time.sleep, 60)
        end_helper(keep=coming_pages().values())  # as where the next run is interrupted
        assert interrupted.cancelled()
        assert [(run, str(error)) for run, error in join_pages().items()] == [(other, f"{other}: metrics.json is damaged")]
    assert (tmp_path / "report.html").is_file()


def test_without_the_helper_the_page_is_written_here(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "parent").write_text(str(os.getpid()))
    write_beside(dies_once, tmp_path)
    assert (tmp_path / "report.html").is_file()
    assert "has ended (too little memory?)" in caplog.text
    end_helper()
    assert beside(os.getpid).result() != os.getpid()
