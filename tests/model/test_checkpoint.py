import os
from pathlib import Path
from typing import Any

import pytest
import torch

from artclf.errors import ArtclfError
from artclf.evaluation.decision import Calibrator, ConformalThreshold, DecisionRule
from artclf.model.checkpoint import load_classifier, read_decision_rule, write_decision_rule
from tests.model.test_classifier import classifier

GUARANTEE = ConformalThreshold(0.7, 0.01, 0.0099, 0.001, 0.03)
CALIBRATION = Calibrator("isotonic", points=((0.1, 0.2), (0.9, 0.8)))
RULE = DecisionRule(CALIBRATION, 0.3, 0.7, GUARANTEE, GUARANTEE, (GUARANTEE,), "validation", 100, 90, {"none": {"ece": 0.1}})


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    hyperparameters = dict(classifier().hparams)
    content = {"state_dict": {"a": torch.arange(4.0)}, "hyper_parameters": hyperparameters, "epoch": 3}
    torch.save(content, tmp_path / "best.ckpt")
    return tmp_path / "best.ckpt"


def test_the_decision_rule_is_saved_beside_all_else(checkpoint: Path) -> None:
    assert read_decision_rule(checkpoint) is None
    before = torch.load(checkpoint, weights_only=True)
    os.link(checkpoint, checkpoint.with_name("head.ckpt"))
    torch.save({}, checkpoint.with_name("other.ckpt"))
    for _ in range(2):
        write_decision_rule(checkpoint, RULE)
        assert read_decision_rule(checkpoint) == RULE
    content = torch.load(checkpoint, weights_only=True)
    assert content.keys() == {*before, "decision_rule", "digest"}
    assert torch.equal(content["state_dict"]["a"], before["state_dict"]["a"])
    assert (content["hyper_parameters"], content["epoch"]) == (before["hyper_parameters"], 3)
    assert checkpoint.samefile(checkpoint.with_name("head.ckpt"))
    assert torch.load(checkpoint.with_name("other.ckpt"), weights_only=True) == {}
    assert len(list(checkpoint.parent.iterdir())) == 3
    torch.save({**content, "decision_rule": {"calibration": {"method": "other"}}}, checkpoint)
    with pytest.raises(ArtclfError, match="or of another version"):
        read_decision_rule(checkpoint)


def test_a_full_disk_leaves_the_old_file(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = checkpoint.read_bytes()

    def full(content: object, file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(ArtclfError, match=r"can't be saved with the model .*No space left"):
        write_decision_rule(checkpoint, RULE)
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize("call", [read_decision_rule, load_classifier, lambda file: write_decision_rule(file, RULE)])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"no checkpoint", "is no checkpoint of artclf's"),
        ({"state_dict": {}}, "is no checkpoint of artclf's"),
        ({"hyper_parameters": {"format": 2}}, r"another version of artclf \(format 2; this version reads 3\)"),
    ],
)
def test_a_file_of_another_kind_or_version_is_refused(tmp_path: Path, call: Any, content: Any, problem: str) -> None:
    file = tmp_path / "a.ckpt"
    file.write_bytes(content) if isinstance(content, bytes) else torch.save(content, file)
    with pytest.raises(ArtclfError, match=rf"a\.ckpt: .*{problem}"):
        call(file)


def test_a_classifier_is_built_from_its_checkpoint_alone(tmp_path: Path) -> None:
    model, file = classifier().eval(), tmp_path / "best.ckpt"
    content: dict[str, Any] = {"hyper_parameters": dict(model.hparams), "state_dict": model.state_dict()}
    torch.save(content, file)
    pixels = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(load_classifier(file).p_ai(pixels), model.p_ai(pixels))
    torch.save({**content, "frozen": "digest"}, file)
    with pytest.raises(ArtclfError, match="only what a stage trains"):
        load_classifier(file)
