"""The real train.py, with each generator or one style left out of training."""

import json
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

import artclf.training.holdout
from artclf.training.holdout import children_of, folder_names, leaves_each_out
from tests.conftest import TINY, composed, config_of, draw

SMALL = [
    *TINY,
    "report=true",
    "data=folder",
    "model=efficientnet_lite0",
    "stages.head.max_epochs=1",
    "trainer=cpu",
    "callbacks=none",
]
pytestmark = pytest.mark.filterwarnings("default")  # libraries warn each other; what artclf says is checked below


def table_of(run: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(run / f"{name}.csv")


def test_a_run_for_each_generator_and_one_page_and_a_run_that_failed_is_tried_again(
    train, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "runs"
    real = artclf.training.holdout.run

    def run_without_luck(composed: Any, run: Path, *rest: Any) -> Any:
        if run.name == "beta":
            raise RuntimeError("the disk is full")
        return real(composed, run, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(artclf.training.holdout, "run", run_without_luck)
        done = train("+holdout=generator", f"data.root={pictures}", *SMALL, f"hydra.run.dir={folder}")
    assert done.code == 2
    assert done.lines(f"1 of 2 runs failed: beta; to try them again: python train.py resume={folder}")
    assert (folder / "beta" / "error.txt").read_text() == "RuntimeError: the disk is full"
    assert "the disk is full" in (folder / "holdout.html").read_text()
    assert len(json.loads((folder / "holdout.json").read_text())["left_out"]) == 1
    first = (folder / "alpha" / "metrics.json").read_bytes()

    again = train(f"resume={folder}")
    assert again.code == 0, again.printed
    assert (folder / "alpha" / "metrics.json").read_bytes() == first  # what has finished is not trained again
    assert not (folder / "beta" / "error.txt").exists()
    for leave, other in (("alpha", "beta"), ("beta", "alpha")):
        check_run(folder / leave, leave, other, pictures)
    check_page(folder)
    assert again.lines(f"page:        {folder / 'holdout.html'}")
    (row,) = again.lines("alpha  ")
    assert row.split()[1] == "4"

    over = train(f"resume={folder}")
    assert over.code == 2
    assert over.lines(f"all runs in this folder have finished; their page is {folder / 'holdout.html'}")
    taken = train("+holdout=generator", f"data.root={pictures}", *SMALL, f"hydra.run.dir={folder}")
    assert taken.lines("holds another run already; choose another folder")


def check_run(run: Path, leave: str, other: str, pictures: Path) -> None:
    """A whole run, that has not seen what it left out, and is tested on it apart."""
    manifest, predictions = table_of(run, "manifest"), table_of(run, "predictions")
    assert set(manifest[manifest["split"].isin(["train", "val"])]["generator"]) == {other, "human"}
    its = manifest[manifest["generator"] == leave]
    assert set(its["split"]) == {"held_out"}  # since these pictures have a split called unseen already
    assert set(its["path"]) == {f"test/ai/{leave}/{style}/{i}.png" for style in ("plain", "rough") for i in (0, 1)}
    assert predictions["split"].value_counts().to_dict() == {"test": 8, "held_out": 4, "unseen": 4, "val": 2}
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["data"]["left_out"] == {
        "by": "generator",
        "leave": leave,
        "split": "held_out",
        "untrained": 12,
        "tested": 4,
    }
    assert metrics["command"].endswith(f"+holdout=generator data.root={pictures} {' '.join(SMALL)} holdout.leave={leave}")
    assert yaml.safe_load((run / "config.yaml").read_text())["holdout"] == {"by": "generator", "leave": leave}
    assert metrics["held_out"]["n"] == 4
    assert "held_out" in (run / "report.html").read_text()
    assert not (run / "progress.json").exists()


def check_page(folder: Path) -> None:
    table = table_of(folder, "holdout")
    assert sorted(zip(table["left_out"], table["works"], strict=True)) == [
        (leave, works) for leave in ("alpha", "beta") for works in ("others", "seen", "unseen")
    ]
    for _, row in table[table["works"] == "unseen"].iterrows():
        predictions = table_of(folder / row["left_out"], "predictions")
        of_it = predictions[predictions["split"] == "held_out"]
        assert row["recall"] == (of_it["p_ai"] >= 0.5).mean()
        human = predictions[(predictions["split"] == "test") & (predictions["label"] == "human")]
        assert row["false_positive_rate"] == (human["p_ai"] >= 0.5).mean()
        assert (row["ai"], row["human"]) == (4, 4)
    page = (folder / "holdout.html").read_text()
    for leave in ("alpha", "beta"):
        assert f'href="{leave}/report.html"' in page
        assert f"holdout.leave={leave}" in page
    assert "the disk is full" not in page


def test_one_style_alone_leaves_with_both_classes(train, pictures: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["+holdout=style", "holdout.leave=plain", f"data.root={pictures}", *SMALL, "data.val_fraction=0.3"]
    done = train(*words, f"hydra.run.dir={run}")
    assert done.code == 0, done.printed
    assert done.lines("style plain is left out: 18 pictures of train and val; its 6 test pictures are the split held_out")
    manifest = table_of(run, "manifest")
    assert set(manifest[manifest["split"].isin(["train", "val", "test"])]["style"]) == {"rough"}
    assert manifest[manifest["split"] == "held_out"]["label"].value_counts().to_dict() == {"ai": 4, "human": 2}
    assert not (run / "holdout.html").exists()


def test_a_mistyped_name_is_told_before_anything_is_looked_at(train, pictures: Path, tmp_path: Path) -> None:
    words = ["+holdout=generator", "holdout.leave=alhpa", f"data.root={pictures}", *SMALL]
    done = train(*words, f"hydra.run.dir={tmp_path / 'run'}")
    assert done.code == 2
    assert done.lines("holdout.leave=alhpa: the data has no such generator; allowed: alpha, beta, gamma; did you mean alpha?")
    assert not done.lines("decoding")


def test_one_generator_alone_can_not_be_left_out(train, tmp_path: Path) -> None:
    for label, inside in (("ai", "alpha"), ("human", "")):
        draw(tmp_path / "pictures" / "train" / label / inside / "0.png", label, 0)
    done = train("+holdout=generator", f"data.root={tmp_path / 'pictures'}", *SMALL, f"hydra.run.dir={tmp_path / 'run'}")
    assert done.code == 2
    assert done.lines("the training split has one generator only (alpha), and without it no AI pictures would be left")


def test_whether_each_is_left_out_is_seen_in_what_was_typed(tmp_path: Path) -> None:
    assert leaves_each_out(composed("+holdout=generator"), tmp_path)
    assert not leaves_each_out(composed("+holdout=generator", "holdout.leave=alpha"), tmp_path)
    assert not leaves_each_out(composed(), tmp_path)
    resumed = composed(f"resume.folder={tmp_path}")
    assert not leaves_each_out(resumed, tmp_path)
    (tmp_path / "config.yaml").write_text("holdout: {by: style, leave: null}\n")
    assert leaves_each_out(resumed, tmp_path)


def test_names_of_folders_are_plain_and_no_two_are_one() -> None:
    names = ["SD 1.5", "sd_1.5", "../up", "Midjourney", "…", "a" * 200]
    folders = folder_names(names)
    assert list(folders) == names
    assert folders["SD 1.5"] == "SD_1.5"
    assert folders["sd_1.5"] == "sd_1.5_2"  # some disks take both for one
    assert folders["../up"] == "up"
    assert folders["…"] == "unnamed"
    assert len(folders["a" * 200]) == 80


def test_each_run_is_told_its_own_name() -> None:
    everything = config_of("+holdout=generator")
    odd = ["SD 1.5", "true", "it's", "plain_one"]
    children = children_of(everything, Path("/out/all"), "python train.py +holdout=generator", odd)
    parser = OverridesParser.create()
    for child, name in zip(children, odd, strict=True):
        *_, word = shlex.split(child.command)
        assert parser.parse_override(word).value() == name  # as Hydra will read it
        assert child.composed.holdout.leave == name
    assert children[-1].command.endswith(" holdout.leave=plain_one")
    assert everything.holdout.leave is None
