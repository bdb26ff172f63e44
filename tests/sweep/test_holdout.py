"""The real train.py, with each generator or one style left out of training."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

import artclf.training.experiment
from artclf.config.command import command_of
from artclf.sweep.holdout import folder_names, job_overrides
from tests.conftest import FAST, draw

SMALL = [*FAST, "data=folder", "stages.head.max_epochs=1", "callbacks=none"]
pytestmark = pytest.mark.filterwarnings("default")  # libraries warn each other; what artclf says is checked below


def table_of(run: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(run / f"{name}.csv")


def test_a_run_for_each_generator_and_one_page_and_a_run_that_failed_is_tried_again(
    train, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "runs"
    real = artclf.training.experiment.run

    def run_that_fails(composed: Any, run: Path, *rest: Any) -> Any:
        if run.name == "beta":
            raise RuntimeError("the disk is full")
        return real(composed, run, *rest)

    words = ["+holdout=generator", f"data.root={pictures}", *SMALL, "report=true"]
    with monkeypatch.context() as patched:
        patched.setattr(artclf.training.experiment, "run", run_that_fails)
        done = train(*words, f"hydra.run.dir={folder}", code=2)
    assert done.lines("1 of 2 runs failed: beta; to try them again: python train.py +holdout=generator")
    assert (folder / "beta" / "error.txt").read_text() == "RuntimeError: the disk is full"
    assert "the disk is full" in (folder / "holdout.html").read_text()
    first = (folder / "alpha" / "metrics.json").read_bytes()

    again = train("-m", *words, f"hydra.sweep.dir={folder}")  # the same, with -m
    assert (folder / "alpha" / "metrics.json").read_bytes() == first  # what has finished is not trained again
    assert not (folder / "beta" / "error.txt").exists()
    for leave, other in (("alpha", "beta"), ("beta", "alpha")):
        check_run(folder / leave, leave, other, pictures)
    check_page(folder)
    assert again.lines(f"page:        {folder / 'holdout.html'}")
    (row,) = again.lines("│ alpha ")
    assert row.split()[3:6:2] == ["16", "4"]  # AI and human images

    over = train(f"resume={folder}", code=2)
    assert over.lines("a multirun continues where its command is typed again")


def check_run(run: Path, leave: str, other: str, pictures: Path) -> None:
    """The run was not trained on what it left out, and is tested on it apart."""
    manifest, predictions = table_of(run, "manifest"), table_of(run, "predictions")
    assert set(manifest[manifest["split"].isin(["train", "val"])]["generator"]) == {other, "human"}
    its = manifest[manifest["generator"] == leave]
    assert set(its["split"]) == {"held_out"}  # since the data has a split called unseen already
    assert predictions["split"].value_counts().to_dict() == {"test": 8, "held_out": 16, "unseen": 4, "val": 2}
    metrics = json.loads((run / "metrics.json").read_text())
    left_out = {
        "by": "generator",
        "leave": leave,
        "split": "held_out",
        "untrained": 12,
        "tested": 16,
        "human": 0,
        "val_is_cut": False,
    }
    assert metrics["data"]["left_out"] == left_out
    words = ["+holdout=generator", f"data.root={pictures}", *SMALL, "report=true", f"holdout.leave={leave}"]
    assert metrics["command"] == command_of(words)
    assert yaml.safe_load((run / "config.yaml").read_text())["holdout"] == {"by": "generator", "leave": leave}
    assert (
        f"The split held_out is all 16 images (0 of them human) of the generator {leave}" in (run / "report.html").read_text()
    )


def check_page(folder: Path) -> None:
    table = table_of(folder, "holdout")
    assert len(table) == 8
    for _, row in table[table["images"] == "unseen"].iterrows():
        predictions = table_of(folder / row["name"], "predictions")
        of_it = predictions[predictions["split"] == "held_out"]
        assert row["recall"] == (of_it["verdict"] == "ai").mean()
    page = (folder / "holdout.html").read_text()
    for leave in ("alpha", "beta"):
        assert f'href="{leave}/report.html"' in page
        assert f"holdout.leave={leave}" in page
    assert "the disk is full" not in page


def test_one_style_alone_leaves_with_both_classes(train, pictures: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["+holdout=style", "holdout.leave=plain", f"data.root={pictures}", *SMALL, "data.val_fraction=0.3"]
    train(*words, f"hydra.run.dir={run}")
    manifest = table_of(run, "manifest")
    assert set(manifest[manifest["split"].isin(["train", "val", "test"])]["style"]) == {"rough"}
    assert manifest[manifest["split"] == "held_out"]["label"].value_counts().to_dict() == {"ai": 16, "human": 8}
    assert not (run / "holdout.html").exists()


def test_a_mistyped_name_is_refused_before_any_file_is_opened(train, pictures: Path, tmp_path: Path) -> None:
    words = ["+holdout=generator", "holdout.leave=alhpa", f"data.root={pictures}", *SMALL]
    done = train(*words, f"hydra.run.dir={tmp_path / 'run'}", code=2)
    assert done.lines("holdout.leave=alhpa: the data has no such generator; allowed: alpha, beta, gamma; did you mean alpha?")
    assert not done.lines("decoding")


def test_one_generator_alone_can_not_be_left_out(train, tmp_path: Path) -> None:
    for label, inside in (("ai", "alpha"), ("human", "")):
        draw(tmp_path / "pictures" / "train" / label / inside / "0.png", label, 0)
    done = train(
        "+holdout=generator", f"data.root={tmp_path / 'pictures'}", *SMALL, f"hydra.run.dir={tmp_path / 'run'}", code=2
    )
    assert done.lines("has no generator that can be left out (alpha: without it, no ai images would be left to train on)")


def test_names_of_folders_are_plain_and_no_two_are_one() -> None:
    names = ["SD 1.5", "sd_1.5", "../up", "…", "a" * 200]  # some disks take the first two for the same
    assert list(folder_names(names).values()) == ["SD_1.5", "sd_1.5_", "up", "unnamed", "a" * 80]


@pytest.mark.parametrize("name", ["SD 1.5", "true", "it's", "plain_one", "a,b"])
def test_hydra_reads_the_name_that_a_job_leaves_out(name: str) -> None:
    words = job_overrides(["+holdout=generator"], name, Path("/out/it's here/x"))
    read = {o.key_or_group: o.value() for o in OverridesParser.create().parse_overrides(words)}
    assert read["holdout.leave"] == name
    assert (read["hydra.sweep.dir"], read["hydra.sweep.subdir"]) == ("/out/it's here", "x")
