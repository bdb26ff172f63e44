from pathlib import Path

from typer.testing import CliRunner

from artclf.cli import app
from tests.report.conftest import write_run


def test_a_page_is_written_anew_from_the_run_folder(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    done = CliRunner().invoke(app, ["report", str(run)])
    assert done.exit_code == 0, done.output
    assert "Worst mistakes" in (run / "report.html").read_text(encoding="utf-8")
    assert (run / "figures" / "confusion.png").is_file()


def test_what_is_no_finished_run_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert done.exit_code == 2
    assert "no metrics.json in this folder" in done.stderr
