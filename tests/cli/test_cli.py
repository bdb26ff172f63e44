from pathlib import Path

import artclf as package
from tests.cli.conftest import artclf
from tests.report.conftest import write_run


def test_version() -> None:
    assert artclf("version").stdout.strip() == package.__version__


def test_a_page_is_written_anew_from_the_run_folder(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    done = artclf("report", run)
    assert done.exit_code == 0, done.output
    assert "Worst mistakes" in (run / "report.html").read_text(encoding="utf-8")
    assert (run / "figures" / "confusion.png").is_file()
    done = artclf("report", tmp_path)
    assert done.exit_code == 2
    assert "no metrics.json in this folder" in done.stderr
