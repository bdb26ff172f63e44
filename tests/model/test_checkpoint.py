import os
import re
from io import BufferedWriter
from pathlib import Path
from typing import Any

import pytest
import torch

from artclf.errors import ArtclfError
from artclf.evaluation.decision import Calibrator, ConformalThreshold, DecisionRule
from artclf.model.checkpoint import CheckpointFiles, load_classifier, read_decision_rule, write_decision_rule
from tests.model.test_classifier import classifier

GUARANTEE = ConformalThreshold(0.7, 0.01, 0.0099, 0.001, 0.03)
CALIBRATION = Calibrator("isotonic", points=((0.1, 0.2), (0.9, 0.8)))
RULE = DecisionRule(CALIBRATION, 0.3, 0.7, GUARANTEE, GUARANTEE, (GUARANTEE,), "validation", 100, 90, {"none": {"ece": 0.1}})


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    hyperparameters = dict(classifier().hparams)
    content = {"state_dict": {"a": torch.arange(4.0)}, "hyper_parameters": hyperparameters, "epoch": 3}
    CheckpointFiles().save_checkpoint(content, tmp_path / "best.ckpt")
    return tmp_path / "best.ckpt"


def test_the_decision_rule_is_saved_beside_all_else(checkpoint: Path) -> None:
    assert read_decision_rule(checkpoint) is None
    before = torch.load(checkpoint, weights_only=True)
    os.link(checkpoint, checkpoint.with_name("head.ckpt"))
    torch.save({}, checkpoint.with_name("other.ckpt"))
    for verify in (True, False):
        write_decision_rule(checkpoint, RULE, verify=verify)
        assert read_decision_rule(checkpoint) == RULE
    content = torch.load(checkpoint, weights_only=True)
    assert content.keys() == {*before, "decision_rule"}
    assert content["digest"] == before["digest"]
    assert torch.equal(content["state_dict"]["a"], before["state_dict"]["a"])
    assert (content["hyper_parameters"], content["epoch"]) == (before["hyper_parameters"], 3)
    assert checkpoint.samefile(checkpoint.with_name("head.ckpt"))
    assert torch.load(checkpoint.with_name("other.ckpt"), weights_only=True) == {}
    assert len(list(checkpoint.parent.iterdir())) == 3
    torch.save({**content, "decision_rule": {"calibration": {"method": "other"}}}, checkpoint)
    with pytest.raises(ArtclfError, match="or of another version"):
        read_decision_rule(checkpoint)


@pytest.mark.parametrize(
    ("write", "reported"),
    [
        (lambda file: write_decision_rule(file, RULE), "can't be saved with the model .*No space left"),
        (lambda file: CheckpointFiles().save_checkpoint({"epoch": 4}, file), "No space left"),
    ],
)
def test_a_full_disk_leaves_the_old_file(checkpoint: Path, monkeypatch: pytest.MonkeyPatch, write: Any, reported: str) -> None:
    before = checkpoint.read_bytes()

    def full(content: object, file: BufferedWriter) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises((ArtclfError, OSError), match=reported):
        write(checkpoint)
    assert checkpoint.read_bytes() == before
    assert [left.name for left in checkpoint.parent.iterdir()] == [checkpoint.name]


@pytest.mark.parametrize("call", [read_decision_rule, load_classifier, lambda file: write_decision_rule(file, RULE)])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"no checkpoint", "is no model of artclf's"),
        ({"state_dict": {}}, "is no model of artclf's"),
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


IMPOSSIBLE: dict[str, tuple[tuple[Any, ...], str]] = {  # where in a checkpoint, what stands there, and the key in the message
    **{f"size {value}": (("preprocessing", "image_size", value), "image_size") for value in (0, 20_000, "x", True, 64.5)},
    "interpolation": (("preprocessing", "interpolation", "lanczos9"), "interpolation"),
    "one mean": (("preprocessing", "mean", [0.5]), "mean"),
    "infinite mean": (("preprocessing", "mean", [0.5, float("inf"), 0.5]), "mean.1"),
    "std of 0": (("preprocessing", "std", [0.2, 0.0, 0.2]), "std.1"),
    "quality": (("preprocessing", "canonical", {"side": 32, "quality": 0}), "canonical.quality"),
    "no canonical": (("preprocessing", "canonical", [1]), "canonical"),
    "no preprocessing": (("preprocessing", None), "preprocessing"),
    "library": (("library", "os"), "library"),
    "name": (("name", 5), "name"),
    "another's name": (("name", "no_such_net"), "timm has no 'no_such_net'"),
    "head": (("head", {"name": "os.system"}), "head"),
    "no head": (("head", {}), "head.name: allowed: "),
    "option of a head": (("head", {"name": "linear", "dropout": "much"}), "dropout"),
    "loss": (("loss", {"name": "bce", "gama": 1.0}), "loss.gama"),
    "other arguments": (("extra", 1), "extra"),
    "a huge head": (("head", {"name": "mlp", "hidden": 10**9}), "head.hidden"),
    "another network": (("name", "test_vit"), "test_vit has body."),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a small classifier, saved as training does."""
    model = classifier().eval()
    content = {"hyper_parameters": dict(model.hparams), "state_dict": model.state_dict(), "decision_rule": RULE.to_json()}
    CheckpointFiles().save_checkpoint(content, file := tmp_path_factory.mktemp("sound") / "a.ckpt")
    return file


@pytest.mark.parametrize(("change", "named"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_hyperparameters_are_refused_before_memory_is_taken(
    sound: Path, tmp_path: Path, change: tuple[Any, ...], named: str
) -> None:
    file, content = tmp_path / "a.ckpt", torch.load(sound, weights_only=True)
    *path, key, value = change
    place = content["hyper_parameters"]
    for step in path:
        place = place[step]
    place[key] = value
    torch.save(content, file)
    with pytest.raises(ArtclfError, match=re.escape(named)) as refused:
        load_classifier(file)
    assert len(str(refused.value).splitlines()) == 1
    assert str(refused.value).startswith(f"{file}: ")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("key", ["head.layers.1.bias", "body.stem.bn.running_var"])
def test_weights_that_are_not_finite_are_refused(sound: Path, tmp_path: Path, key: str, value: float) -> None:
    content = torch.load(sound, weights_only=True)
    content["state_dict"][key][0] = value
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(ArtclfError, match=rf"a\.ckpt: its weights can't be right: {key} holds NaN or infinity"):
        load_classifier(tmp_path / "a.ckpt")


def test_a_flipped_bit_is_found(sound: Path, tmp_path: Path) -> None:
    weight = torch.load(sound, weights_only=True)["state_dict"]["head.layers.1.weight"]
    data, value = sound.read_bytes(), weight.numpy().tobytes()
    place = data.index(value) + len(value) // 2
    (tmp_path / "a.ckpt").write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    with pytest.raises(ArtclfError, match=r"a\.ckpt: is damaged: its weights are not those that were saved"):
        load_classifier(tmp_path / "a.ckpt")


@pytest.mark.parametrize(
    ("key", "value"),
    [(k, v) for k in ("ai_from", "human_below") for v in (float("nan"), float("inf"), "0.5", "x", -2.0, None)]
    + [("ai_from", 0.2), ("calibrator", {"method": "platt", "slope": -1.0}), ("calibrator", {"slope": float("nan")})],
)
def test_impossible_thresholds_are_refused(sound: Path, tmp_path: Path, key: str, value: Any) -> None:
    content = torch.load(sound, weights_only=True)
    assert read_decision_rule(sound) == RULE
    content["decision_rule"][key] = value
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(ArtclfError, match=rf"a\.ckpt: .*{key}"):
        read_decision_rule(tmp_path / "a.ckpt")
