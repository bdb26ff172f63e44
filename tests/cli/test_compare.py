import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import artclf


@pytest.fixture
def draw_run(tmp_path: Path) -> Callable[..., Path]:
    """A finished run, right on all but the first `wrong` of 60 human and 60 AI test images."""

    def draw(name: str, wrong: int, overrides: str = "model=a", seed: int = 0, images: int = 60) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        table = pd.DataFrame({"path": [f"{number:03}.png" for number in range(2 * images)], "split": "test"})
        is_ai = table.index % 2 == 1
        right = table.index >= wrong
        table = table.assign(label=np.where(is_ai, "ai", "human"), p_ai=np.where(is_ai == right, 0.8, 0.2))
        table.to_csv(folder / "predictions.csv", index=False)
        metrics = {"seed": seed, "command": f"python train.py {overrides} seed={seed}"}
        (folder / "metrics.json").write_text(json.dumps(metrics))
        return folder

    return draw


def test_the_table_and_the_page(draw_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw_run("x[b]", 40)
    draw_run("y", 2, "model=b", seed=123)
    done = artclf("compare", "x[b]", "y")
    assert done.exit_code == 0, done.output
    for cell in ("x[b]", "model=b", "123", "98.3%", "66.7%", "33.3%"):
        assert cell in done.stdout
    (page,) = (tmp_path / "outputs" / "compare").glob("*/comparison.html")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", page.parent.name)
    assert f"page: {page.relative_to(tmp_path)}" in done.stdout
    assert {"comparison.csv", "comparison.json"} <= {path.name for path in page.parent.iterdir()}


def test_a_multirun_stands_for_its_runs_and_failures_are_named(draw_run: Callable[..., Path], tmp_path: Path) -> None:
    for seed in (0, 1):
        draw_run(f"sweep/{seed}", 10 + seed, seed=seed)
    (tmp_path / "sweep" / "2").mkdir()
    (tmp_path / "sweep" / "2" / "error.txt").write_text("no GPU")
    again = tmp_path / "sweep" / ".." / "sweep" / "0"  # a run given twice is compared once
    done = artclf("compare", tmp_path / "sweep", again, draw_run("y", 2, "model=b"), "--to", tmp_path / "to")
    assert done.exit_code == 0, done.output
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
    draw_run: Callable[..., Path], tmp_path: Path, folders: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw_run("x", 1)
    draw_run("fewer", 1, images=50)
    Path("failed/0").mkdir(parents=True)
    Path("failed/0/error.txt").write_text("no GPU")
    done = artclf("compare", *folders)
    assert done.exit_code == 2
    assert message in done.stderr.splitlines()[0]
    assert not Path("outputs").exists()
