from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from artclf.errors import ArtclfError
from artclf.report.beside import coming_pages, join_pages, write_beside
from artclf.report.render import report_link


def page(run: Path) -> Path:
    (run / "report.html").write_text(Path.cwd().name)
    return run / "report.html"


def no_page(run: Path) -> Path:
    raise ArtclfError(f"{run}: metrics.json is damaged")


@pytest.fixture(autouse=True)
def _none_left() -> Iterator[None]:
    yield
    join_pages()


def test_a_single_run_waits_for_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written in another process, which works in the folder of this one; what is raised there is raised here."""
    monkeypatch.chdir(tmp_path)
    write_beside(page, tmp_path)
    assert (tmp_path / "report.html").read_text() == tmp_path.name
    with pytest.raises(ArtclfError, match="is damaged"):
        write_beside(no_page, tmp_path)
    assert coming_pages() == set()


@pytest.mark.parametrize(("launcher", "waits"), [("basic", False), ("joblib", True)])
def test_a_multirun_goes_on_and_its_end_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launcher: str, waits: bool
) -> None:
    job = SimpleNamespace(mode=RunMode.MULTIRUN, runtime=SimpleNamespace(choices={"hydra/launcher": launcher}))
    monkeypatch.setattr(HydraConfig, "initialized", lambda: True)
    monkeypatch.setattr(HydraConfig, "get", lambda: job)
    write_beside(page, tmp_path)
    assert coming_pages() == (set() if waits else {tmp_path})
    assert report_link(tmp_path, tmp_path) == "report.html"
    join_pages()
    assert (tmp_path / "report.html").is_file()
    if not waits:
        write_beside(no_page, tmp_path)
        with pytest.raises(ArtclfError, match="is damaged"):
            join_pages()
