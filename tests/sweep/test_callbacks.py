from pathlib import Path

import pytest
from omegaconf import OmegaConf

from artclf.errors import USAGE_ERROR
from artclf.sweep.callbacks import Comparison

BEFORE = "hydra: {overrides: {task: [data.root=nowhere, 'seed=0,1']}}"


def start(sweep: Path, *words: str) -> None:
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(sweep)}, "overrides": {"task": list(words)}}})
    Comparison().on_multirun_start(config)


def write(folder: Path, *files: str) -> None:
    folder.mkdir()
    for file in files:
        (folder / file).write_text("x")


def test_runs_that_ended_before_training_do_not_block_the_corrected_command(tmp_path: Path) -> None:
    (tmp_path / "multirun.yaml").write_text(BEFORE)
    write(tmp_path / "0", "config.yaml", "progress.json", "error.txt")
    start(tmp_path, "data.root=here", "seed=0,1")
    assert [file.name for file in (tmp_path / "0").iterdir()] == ["progress.json"]


@pytest.mark.parametrize(
    ("multirun", "files"),
    [
        (BEFORE, ("config.yaml", "progress.json", "metrics.csv")),  # it has trained
        (BEFORE, ("config.yaml", "progress.json", ".lock")),  # it runs
        (None, ("config.yaml", "error.txt")),  # of another program
        (BEFORE, ("config.yaml", "error.txt")),
        ("hydra: [", ("config.yaml", "progress.json")),
    ],
)
def test_files_of_other_runs_and_programs_stay(multirun: str | None, files: tuple[str, ...], tmp_path: Path) -> None:
    if multirun:
        (tmp_path / "multirun.yaml").write_text(multirun)
    write(tmp_path / "0", *files)
    with pytest.raises(SystemExit) as end:
        start(tmp_path, "data.root=here")
    assert end.value.code == USAGE_ERROR
    assert sorted(file.name for file in (tmp_path / "0").iterdir()) == sorted(files)
