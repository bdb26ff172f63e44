import os
from pathlib import Path

import pytest
import torch

from artclf.errors import ArtclfError
from artclf.evaluation.decision import ConformalThreshold, DecisionRule, Isotonic
from artclf.model.checkpoint import read_decision_rule, write_decision_rule

PROMISE = ConformalThreshold(0.7, 0.01, 0.0099, 0.001, 0.03)
JUDGE = DecisionRule(
    Isotonic([0.1, 0.9], [0.2, 0.8]), 0.3, 0.7, PROMISE, PROMISE, (PROMISE,), "validation", 100, 90, {"none": {"ece": 0.1}}
)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    file = tmp_path / "best.ckpt"
    torch.save({"state_dict": {"a": torch.arange(4.0)}, "hyper_parameters": {"name": "x"}, "epoch": 3}, file)
    return file


def test_the_judge_is_saved_beside_all_else(checkpoint: Path) -> None:
    assert read_decision_rule(checkpoint) is None
    write_decision_rule(checkpoint, JUDGE)
    assert read_decision_rule(checkpoint) == JUDGE
    content = torch.load(checkpoint, weights_only=True)
    assert set(content) == {"state_dict", "hyper_parameters", "epoch", "judge"}
    assert content["state_dict"]["a"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert (content["hyper_parameters"], content["epoch"]) == ({"name": "x"}, 3)
    write_decision_rule(checkpoint, JUDGE)
    assert read_decision_rule(checkpoint) == JUDGE
    assert [file.name for file in checkpoint.parent.iterdir()] == ["best.ckpt"]


def test_another_name_of_the_file_stays_one(checkpoint: Path) -> None:
    os.link(checkpoint, checkpoint.with_name("head.ckpt"))
    torch.save({}, checkpoint.with_name("other.ckpt"))
    write_decision_rule(checkpoint, JUDGE)
    assert checkpoint.samefile(checkpoint.with_name("head.ckpt"))
    assert torch.load(checkpoint.with_name("other.ckpt"), weights_only=True) == {}


def test_what_is_broken_off_leaves_the_old_one(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = checkpoint.read_bytes()

    def full(content: object, file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(ArtclfError, match=r"can't be saved with the model .*No space left"):
        write_decision_rule(checkpoint, JUDGE)
    assert checkpoint.read_bytes() == before


def test_what_is_no_checkpoint_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    for call in (read_decision_rule, lambda file: write_decision_rule(file, JUDGE)):
        with pytest.raises(ArtclfError, match=r"text\.ckpt: is no checkpoint of artclf's"):
            call(tmp_path / "text.ckpt")
    torch.save({"judge": {"calibration": {"method": "other"}}}, checkpoint)
    with pytest.raises(ArtclfError, match="or of another version"):
        read_decision_rule(checkpoint)
