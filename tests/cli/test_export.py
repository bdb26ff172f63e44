"""A model as one .onnx or .safetensors file, written only where it scores as its checkpoint does, and used without torch."""

import json
import math
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest

import artclf as package
from artclf.errors import ArtclfError
from artclf.evaluation.decision import Calibrator, ConformalThreshold, DecisionRule
from artclf.inference.onnx_scorer import OnnxScorer
from artclf.model.checkpoint import load_classifier, write_decision_rule
from artclf.model.classifier import ArtClassifier
from artclf.run_folder import write_json, write_table
from tests.cli.conftest import SIZE, artclf, refusal
from tests.conftest import REPOSITORY, metrics_of

BOUND = ConformalThreshold(0.5, 0.1, 0.2, 0.0, 0.3)
RULE = DecisionRule(Calibrator("platt", 2.0, 1.0), 0.45, 0.55, BOUND, BOUND, (), "tests", 10, 10, {})
WITHOUT_TORCH = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "torchvision", "torchmetrics", "lightning", "timm"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from artclf.cli import app
app(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def tested(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a decision rule."""
    folder = shutil.copytree(run, tmp_path_factory.mktemp("tested") / "tested")
    write_decision_rule(folder / "checkpoints" / "best.ckpt", RULE)
    return folder


@pytest.fixture(scope="module")
def exported(tested: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("exported") / "model.onnx"
    done = artclf("export", tested, "--to", file)
    assert done.stdout.startswith("12 test images of folder: p_ai differs from the checkpoint's, computed in 32 bits too, by ")
    assert "verdicts that changed: 0 (tolerance 0.01)\n" in done.stdout
    return file


def test_an_exported_file_predicts_without_torch_what_the_run_does(tested: Path, exported: Path, pictures: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "predict", exported, pictures / "test"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    ours = [line.split() for line in artclf("predict", tested, pictures / "test").stdout.splitlines()]
    theirs = [line.split() for line in done.stdout.splitlines()]
    assert len(ours) == 13
    assert [row[2:] for row in theirs] == [row[2:] for row in ours]
    for column in (0, 1):
        assert [float(row[column]) for row in theirs[1:]] == pytest.approx([float(row[column]) for row in ours[1:]], abs=2e-3)


def test_the_file_holds_what_a_reader_has_to_know_and_no_place_of_this_machine(exported: Path, tested: Path) -> None:
    scorer = OnnxScorer(exported)
    assert scorer.rule == RULE
    assert (scorer.image_size, scorer.interpolation, scorer.canonical) == (SIZE, "bicubic", None)
    about = scorer.about
    assert (about.labels, about.model, about.run, about.data) == (["human", "ai"], "resnet10t", "tested", "folder")
    assert about.preprocessing.mean == [0.5, 0.4, 0.3]
    assert str(REPOSITORY).encode() not in exported.read_bytes()
    assert b"site-packages" not in exported.read_bytes()
    one, three = (scorer.p_ai(np.zeros((count, 3, SIZE, SIZE), dtype=np.uint8)) for count in (1, 3))
    assert three == pytest.approx([one[0]] * 3)


def test_a_safetensors_file_passes_the_same_gate(tested: Path, pictures: Path, tmp_path: Path) -> None:
    done = artclf("export", tested, "--to", tmp_path / "model.safetensors")
    assert "by 0 at most, verdicts that changed: 0 (tolerance 0.01)" in done.stdout
    ours, theirs = (package.load(one, "32-true").predict(pictures / "test") for one in (tested, tmp_path / "model.safetensors"))
    assert ours.equals(theirs)


def test_a_run_that_was_tested_in_16_bits_is_compared_with_its_own_predictions(
    tested: Path, exported: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artclf.inference.export.write_graph", lambda network, file: shutil.copyfile(exported, file))
    run = shutil.copytree(tested, tmp_path / "run")
    write_json(run / "metrics.json", metrics_of(run) | {"precision": "bf16-mixed"})
    scores = package.load(exported).predict(pictures / "test")
    names = [os.path.relpath(path, pictures) for path in scores["path"]]
    write_table(run / "predictions.csv", pd.DataFrame({"path": names, "p_ai": 0.5}))
    done = artclf("export", run, "--to", tmp_path / "model.onnx")
    most = (scores["p_ai"] - 0.5).abs().max()
    assert f"from the run's own predictions, computed in bf16-mixed: by {most:.2g} at most" in done.stdout


def test_over_the_tolerance_nothing_is_written_and_changed_verdicts_are_counted(
    tested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.safetensors"
    file.write_text("an earlier one")

    def other(_: Path, factor: float) -> tuple[ArtClassifier, None]:
        network = load_classifier(tested / "checkpoints" / "best.ckpt")
        network.head.requires_grad_(False).apply(lambda part: part.weight.mul_(factor) if hasattr(part, "weight") else None)
        return network, None

    monkeypatch.setattr("artclf.inference.export.load_safetensors", partial(other, factor=-1.0))
    done = artclf("export", tested, "--to", file, code=1)
    assert "verdicts that changed: 12 (" in done.stdout
    assert "human → ai" in done.stdout
    assert f"{file}: is not written, as p_ai differs by more than the tolerance" in done.stderr
    monkeypatch.setattr("artclf.inference.export.load_safetensors", partial(other, factor=math.nan))
    artclf("export", tested, "--to", file, "--tolerance", 1, code=1)
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {file.name: "an earlier one"}


def test_int8_is_calibrated_and_passes_the_gate_too(
    tested: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # torch's export, which takes seconds, was tried above
    monkeypatch.setattr("artclf.inference.export.write_graph", lambda _, file: shutil.copy(exported, file))
    done = artclf("export", tested, "--to", tmp_path / "small.onnx", "--int8", "--tolerance", 0.5)
    assert done.stdout.startswith("9 test images of folder: ")  # the other 3 set the ranges
    assert (tmp_path / "small.onnx").stat().st_size < 0.5 * exported.stat().st_size
    kinds = [node.op_type for node in onnx.load(tmp_path / "small.onnx").graph.node]
    assert kinds.index("Conv") < kinds.index("QuantizeLinear")  # the first convolution is as it was
    assert OnnxScorer(tmp_path / "small.onnx").rule == RULE


def test_images_that_are_gone_are_replaced_by_others(run: Path, pictures: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "moved")
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["data"]["root"] = str(tmp_path / "gone")
    (folder / "metrics.json").write_text(json.dumps(metrics))
    file = tmp_path / "model.safetensors"
    assert f"type artclf export {folder} --to FILE --images FOLDER" in refusal("export", folder, "--to", file)
    (pictures_too := tmp_path / "others" / "human").mkdir(parents=True)
    (pictures_too / "text.png").write_text("no image")
    shutil.copytree(pictures / "test" / "ai", tmp_path / "others" / "ai")
    done = artclf("export", folder, "--to", file, "--images", tmp_path / "others", code=1)
    assert "text.png: not an image" in done.stderr
    assert done.stdout.splitlines()[1].startswith(f"saved in {file} (")


def test_other_suffixes_are_refused(run: Path) -> None:
    assert "allowed: FILE.onnx, and without --int8 FILE.safetensors" in refusal("export", run, "--to", "model.pt")
    assert "allowed: FILE.onnx" in refusal("export", run, "--to", "model.safetensors", "--int8")


def damaged(file: Path, to: Path, **changes: Any) -> Path:
    """A copy of an exported file with other metadata; None: none."""
    model = onnx.load(file)
    content = json.loads(model.metadata_props[0].value) | changes
    onnx.helper.set_model_props(model, {"artclf": json.dumps(content)} if changes else {})
    onnx.save(model, to)
    return to


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "was not written by artclf export"),
        ({"format": 9}, "format: got 9; input should be 1"),
        ({"decision_rule": {**RULE.to_json(), "ai_from": "x"}}, "its metadata is damaged"),
        ({"preprocessing": {"mean": [0] * 3, "std": [1] * 3, "interpolation": "bilinear", "image_size": 64}}, "takes "),
    ],
)
def test_foreign_files_and_damaged_metadata_are_one_line(
    exported: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArtclfError, match=message):
        OnnxScorer(damaged(exported, tmp_path / "other.onnx", **changes))


def test_a_file_that_is_no_model_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    assert "is no ONNX model that onnxruntime can read" in refusal("predict", tmp_path / "text.onnx", "a.png")
    assert "gone.onnx: there is no such" in refusal("predict", tmp_path / "gone.onnx", "a.png")
