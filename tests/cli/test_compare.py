import re
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import artclf
from tests.report.conftest import bare_run

small = partial(bare_run, humans=60, images=120)


def test_the_table_and_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small(Path("x[b]"), (40, 80))
    small(Path("y"), (0, 2), seed=123)
    done = artclf("compare", "x[b]", "y")
    for cell in ("x[b]", "model=y", "123", "98.3%", "66.7%", "33.3%"):
        assert cell in done.stdout
    (page,) = (tmp_path / "outputs" / "compare").glob("*/comparison.html")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", page.parent.name)
    assert f"page: {page.relative_to(tmp_path)}" in done.stdout
    assert {"comparison.csv", "comparison.json"} <= {path.name for path in page.parent.iterdir()}


def test_a_multirun_stands_for_its_runs_and_failures_are_named(tmp_path: Path) -> None:
    for seed in (0, 1):
        small(tmp_path / "sweep" / str(seed), (0, 10 + seed), seed=seed)
    (tmp_path / "sweep" / "2").mkdir()
    (tmp_path / "sweep" / "2" / "error.txt").write_text("no GPU")
    again = tmp_path / "sweep" / ".." / "sweep" / "0"  # a run given twice is compared once
    done = artclf("compare", tmp_path / "sweep", again, small(tmp_path / "y", (0, 2)), "--to", tmp_path / "to")
    table = pd.read_csv(tmp_path / "to" / "comparison.csv", dtype={"run": str})
    assert list(table["run"]) == ["y", "sweep/0", "sweep/1", "sweep/2"]
    assert "failed: sweep/2: no GPU" in done.stdout


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["nowhere"], "nowhere: holds no finished run; give the folder of a run that has finished, or of a multirun"),
        (["failed"], "failed: holds no finished run"),
        (["x"], "the only finished run here; a comparison needs two runs or more"),
        (["x", "x"], "the only finished run here; a comparison needs two runs or more"),
        (["x", "fewer"], "these runs were tested on different images"),
    ],
)
def test_what_can_not_be_compared_is_one_line(
    tmp_path: Path, folders: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small(Path("x"), (0, 1))
    small(Path("fewer"), (0, 1), images=100)
    Path("failed/0").mkdir(parents=True)
    Path("failed/0/error.txt").write_text("no GPU")
    done = artclf("compare", *folders, code=2)
    assert message in done.stderr.splitlines()[0]
    assert not Path("outputs").exists()
