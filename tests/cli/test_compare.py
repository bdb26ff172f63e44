import json
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from artclf.cli import app
from artclf.cli.compare import show_comparison
from artclf.report.comparison_page import compare_runs


@pytest.fixture
def draw_run(tmp_path: Path) -> Callable[..., Path]:
    """A finished run, right on all but the first `wrong` of 60 test pictures by people and as many by AI."""

    def draw(name: str, wrong: int, overrides: str = "model=a", seed: int = 0, pictures: int = 60) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        is_ai = np.arange(2 * pictures) % 2 == 1
        right = np.arange(2 * pictures) >= wrong
        table = pd.DataFrame(
            {
                "path": [f"{i:03d}.png" for i in range(2 * pictures)],
                "label": np.where(is_ai, "ai", "human"),
                "generator": np.where(is_ai, "sd", "human"),
                "style": "baroque",
                "split": "test",
                "p_ai": np.where(is_ai == right, 0.8, 0.2),
            }
        )
        table.to_csv(folder / "predictions.csv", index=False)
        metrics = {
            "model": {"name": "a", "parameters": 1234567},
            "data": {"root": "art"},
            "seed": seed,
            "seconds": 75.0,
            "command": f"python train.py {overrides} seed={seed}",
        }
        (folder / "metrics.json").write_text(json.dumps(metrics))
        return folder

    return draw


def compare(*words: object) -> Result:
    return CliRunner().invoke(app, ["compare", *map(str, words)])


def said(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_the_table_the_verdict_and_the_page(draw_run: Callable[..., Path], tmp_path: Path) -> None:
    runs = [draw_run("x[b]", 40), draw_run("y", 2, "model=b")]
    done = compare(*runs, "--to", tmp_path / "to")
    assert done.exit_code == 0, done.output
    text = said(done.stdout)
    for cell in ("x[b]", "model=b", "98.3%", "66.7%", "33.3%", "(20)", "1.23 M", "1 min 15 s"):
        assert cell in text
    assert "Run y is right more often than run x[b], by more than chance explains" in text
    assert "these trained weights" in text
    assert f"page: {tmp_path / 'to' / 'comparison.html'}" in text
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == [
        "comparison.csv",
        "comparison.html",
        "comparison.json",
        "comparison.png",
        "comparison_confusion.png",
        "comparison_differences.png",
        "comparison_roc.png",
    ]


def test_by_default_it_goes_to_a_folder_of_its_own(
    draw_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw_run("x", 3)
    draw_run("y", 2)
    assert compare("x", "y").exit_code == 0
    (page,) = (tmp_path / "outputs" / "compare").glob("*/comparison.html")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", page.parent.name)


def test_a_multirun_stands_for_its_runs_and_failures_are_told(draw_run: Callable[..., Path], tmp_path: Path) -> None:
    for seed in (0, 1):
        draw_run(f"sweep/{seed}", 10 + seed, seed=seed)
    (tmp_path / "sweep" / "2").mkdir()
    (tmp_path / "sweep" / "2" / "error.txt").write_text("no GPU")
    done = compare(tmp_path / "sweep", draw_run("y", 2, "model=b"), "--to", tmp_path / "to")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "to" / "comparison.csv", dtype={"run": str})
    assert list(table["run"]) == ["y", "0", "1", "sweep/2"]
    assert "failed: sweep/2: no GPU" in said(done.stdout)


def test_a_run_given_twice_is_compared_once(draw_run: Callable[..., Path], tmp_path: Path) -> None:
    x, y = draw_run("sweep/0", 3), draw_run("sweep/1", 2)
    assert compare(x, tmp_path / "sweep", x.parent / ".." / "sweep" / "0", "--to", tmp_path / "to").exit_code == 0
    assert list(pd.read_csv(tmp_path / "to" / "comparison.csv")["run"]) == [1, 0]
    done = compare(y, y, "--to", tmp_path / "other")
    assert done.exit_code == 2
    assert "given more than once; a comparison needs two runs or more" in done.stderr
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("nowhere", "there is no such folder"),
        ("empty", "no metrics.json in this folder or in one below it; give the folder of a run that has finished"),
        ("failed", "below it; its 1 run failed; give"),
        ("alone", "the only finished run here; a comparison needs two runs or more"),
    ],
)
def test_what_can_not_be_compared_is_said_in_a_line(
    draw_run: Callable[..., Path], tmp_path: Path, folder: str, message: str
) -> None:
    draw_run("alone", 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "failed" / "0").mkdir(parents=True)
    (tmp_path / "failed" / "0" / "error.txt").write_text("no GPU")
    done = compare(tmp_path / folder, "--to", tmp_path / "to")
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path / folder}: ")
    assert message in line
    assert not (tmp_path / "to").exists()


def test_other_test_pictures_are_refused(draw_run: Callable[..., Path], tmp_path: Path) -> None:
    done = compare(draw_run("x", 1), draw_run("y", 1, pictures=50), "--to", tmp_path / "to")
    assert done.exit_code == 2
    assert "error: these runs were tested on different images" in done.stderr
    assert "20 images fewer (100.png, 101.png, 102.png, …)" in done.stderr
    assert not (tmp_path / "to").exists()


def test_a_place_that_can_not_be_written_to_is_said(draw_run: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    runs = [draw_run("x", 1), draw_run("y", 1)]
    for to, message in ((tmp_path / "file", "is a file; give a folder"), (tmp_path / "file" / "below", "can't be written")):
        done = compare(*runs, "--to", to)
        assert done.exit_code == 2
        assert message in done.stderr


def test_a_narrow_terminal_keeps_the_names(draw_run: Callable[..., Path], tmp_path: Path) -> None:
    runs = [draw_run("2026-01-01_00-00-01", 9), draw_run("2026-01-01_00-00-02", 2, "model=b", seed=123)]
    for width, shown in ((80, False), (120, True)):
        console = Console(width=width, file=StringIO())
        show_comparison(compare_runs(tmp_path / "to", runs), tmp_path / "to", console)
        assert isinstance(console.file, StringIO)
        printed = console.file.getvalue()
        table = printed[: printed.index("Run 2026")]
        names = "".join(line.split(" ")[0] for line in table.splitlines())
        assert "2026-01-01_00-00-01" in names
        assert table.count("(") == 4  # both kinds of errors of both runs
        assert ("1.23 M" in table) == shown
        assert max(map(len, table.splitlines())) <= width
