from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from artclf.model.backbones import build_backbone
from artclf.model.layers import Layers, list_layers
from artclf.model.split import Split, split


def images(batch: int, size: int) -> torch.Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(5))


def gradients(body: nn.Module, forward: Callable[[], torch.Tensor]) -> dict[str, torch.Tensor]:
    """Features and gradients in the modes in force, with the same random numbers; buffers are restored."""
    buffers = {name: buffer.clone() for name, buffer in body.named_buffers()}
    body.zero_grad()
    torch.manual_seed(1)
    features = forward()
    features.square().sum().backward()
    body.load_state_dict(buffers, strict=False)
    return {"features": features, **{name: p.grad.clone() for name, p in body.named_parameters() if p.grad is not None}}


def without_zeros(body: nn.Module) -> nn.Module:
    """A body in which no branch outputs zeros, as some of a new one do, dropped or not."""
    for parameter in body.parameters():
        if not parameter.any():
            nn.init.constant_(parameter, 0.5)
    return body


def assert_whole(layers: Layers, depth: int, size: int) -> Split:
    """The parts are the whole in eval mode, from outputs of other batches too, and while training, gradients included."""
    body, x = layers.body.double(), images(4, size).double()  # in 64 bits, in which nothing but rounding may differ
    parts = split(layers, depth, size)
    layers.set_depth(depth)
    with torch.no_grad():
        outputs, others = parts.frozen(x), torch.cat([parts.frozen(x[:1]), parts.frozen(x[1:])])
    assert len(outputs) == 4
    assert not outputs.requires_grad
    expected = gradients(body, lambda: body(x))
    assert expected.keys() == {"features", *(name for name, p in body.named_parameters() if p.requires_grad)}
    torch.testing.assert_close(gradients(body, lambda: parts.tail(outputs.clone())), expected, rtol=1e-6, atol=1e-6)
    body.eval()
    with torch.no_grad():
        assert torch.equal(parts.tail(outputs.clone()), body(x))
        torch.testing.assert_close(parts.tail(others), body(x), rtol=1e-6, atol=1e-6)
    return parts


@pytest.mark.parametrize(
    ("library", "name", "depth", "place"),
    [
        ("timm", "efficientnet_lite0", 10, "blocks.5.3.add"),  # the input of the last block
        pytest.param("torchvision", "efficientnet_b0", 10, "features.6.2.add", marks=pytest.mark.slow),
        pytest.param("torchvision", "resnet50", 10, "layer4.1.relu_2", marks=pytest.mark.slow),
    ],
)
def test_the_parts_are_the_whole(library: str, name: str, depth: int, place: str) -> None:
    torch.manual_seed(0)
    body = without_zeros(build_backbone(library, name).body)
    assert assert_whole(list_layers(body), depth, 64).place == place


class Dropping(nn.Module):
    """Functional dropout, at a place of one's choice; with a block in which it may be frozen."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.block = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1))
        self.last = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        if self.place == "stem":
            x = F.dropout(x, 0.5, self.training)
        x = self.block(x).mean((2, 3))
        if self.training and self.place == "train":
            x = x * (torch.rand_like(x) > 0.5)
        return F.dropout(self.last(x), 0.5, self.training) if self.place == "last" else self.last(x)


@pytest.mark.parametrize(
    ("place", "depth", "cut"),
    [
        ("last", 3, "block.1"),
        ("train", 1, "mean"),  # nodes that there are in train mode alone
        ("none", 3, "block.1"),
    ],
)
def test_functional_dropout_follows_the_mode(place: str, depth: int, cut: str) -> None:
    torch.manual_seed(0)
    body = Dropping(place)
    layers = list_layers(body)
    parts = assert_whole(layers, depth, 8)
    assert parts.place == cut
    layers.set_depth(depth)
    given = torch.randn((16, 8, 2, 2) if depth > 1 else (16, 8)).double()
    assert torch.equal(parts.tail(given), parts.tail(given)) == (place == "none")
    body.eval()
    assert torch.equal(parts.tail(given), parts.tail(given))


@pytest.mark.parametrize(
    ("name", "options", "size", "depth"),
    [
        ("test_efficientnet", {"drop_rate": 0.5, "drop_path_rate": 0.5}, 64, 25),
        ("test_convnext", {"drop_rate": 0.5, "drop_path_rate": 0.5}, 64, 7),
        ("test_vit", {"img_size": 64, "drop_rate": 0.3, "attn_drop_rate": 0.3, "drop_path_rate": 0.3}, 64, 31),
        # it caches tensors for eval mode, among them, after a trace, symbols
        pytest.param("levit_128s", {"depth": (1, 1, 1), "drop_path_rate": 0.5}, 224, 40, marks=pytest.mark.slow),
    ],
)
def test_dropout_of_timm_follows_the_mode(name: str, options: dict[str, Any], size: int, depth: int) -> None:
    torch.manual_seed(0)
    body = without_zeros(pytest.importorskip("timm").create_model(name, num_classes=0, **options))
    layers = list_layers(body)
    assert_whole(layers, depth, size)
    layers.set_depth(depth)
    x = images(4, size).double()
    assert not torch.equal(body(x), body(x))  # something is dropped


class Rows(nn.Module):
    """What can't be cached image by image: numbers, windows, parts of a tuple, weights made of weights, buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.mix, self.last = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8), nn.Linear(8, 8)
        self.gain = nn.Parameter(torch.rand(8))
        self.register_buffer("offset", torch.rand(8))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        if mask is not None:
            x = x * mask
        x = self.stem(x)
        batch, channels, height, _ = x.shape
        gain = self.gain.softmax(0)
        windows = x.permute(0, 2, 3, 1).reshape(batch * height, -1, channels)
        windows = self.mix(windows)
        a, b = windows.chunk(2, dim=1)
        x = torch.cat([b, a], 1).reshape(batch, height, -1, channels)
        return self.last(x.mean((1, 2)) * gain * torch.tensor([1.0, 2.0] * 4) + self.offset)


def test_only_rows_of_images_are_cached() -> None:
    torch.manual_seed(0)
    body = Rows()
    layers = list_layers(body)
    places = {layers.layers[-depth].name: assert_whole(layers, depth, 16).place for depth in range(1, len(layers) - 1)}
    assert places["last"] == "add"
    assert places["mean"] == "reshape_1"
    assert places["chunk"] == "stem"  # sizes of what stem gives are used behind it
    assert places["mix"] == "stem"


@pytest.mark.parametrize("depth", [0, 4])
def test_the_parts_follow_the_body_to_another_dtype_and_its_new_buffers(depth: int) -> None:
    body = Rows()
    parts = split(list_layers(body), depth, 16)
    body.double().eval()
    with torch.no_grad():
        body.offset += 1
        x = images(2, 16).double()
        assert torch.equal(parts.tail(parts.frozen(x)), body(x))


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.last = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8)


class Traced(Small):
    """A symbol is no tensor, so a trace takes the wrong branch without an error."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).mean((2, 3))
        return self.last(x * 2 if isinstance(x, torch.Tensor) else x)


class Mixing(Small):
    """Each image's features depend on those of the others."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).mean((2, 3))
        return self.last(x - x.mean(0))


class Untraceable(Small):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.stem(x).mean((2, 3))) if x.sum() > 0 else self.stem(x).mean((2, 3))


@pytest.mark.parametrize(
    ("kind", "depth", "why"),
    [
        (Traced, 1, "the parts differ from the whole"),
        (Mixing, 1, "depends on the other images"),
        (partial(Dropping, "stem"), 3, "the parts differ from the whole"),  # it drops in a frozen part, while another trains
        (Untraceable, 1, "can't be traced"),
        (Rows, "all but one", "no earlier layer whose output is all"),
    ],
)
def test_what_can_not_be_cut_is_refused(kind: Callable[[], nn.Module], depth: int | str, why: str) -> None:
    body = kind()
    layers = list_layers(body)
    with pytest.raises(ValueError, match=why):
        split(layers, depth if isinstance(depth, int) else len(layers), 16)


def test_cutting_leaves_the_body_as_it_was_and_the_tail_runs_nothing_frozen() -> None:
    body = build_backbone("timm", "efficientnet_lite0").body
    layers = list_layers(body)
    layers.set_depth(30)

    def state() -> tuple[Any, ...]:
        buffers = [buffer.tolist() for buffer in body.buffers()]
        modes = [module.training for module in body.modules()]
        return buffers, modes, [p.requires_grad for p in body.parameters()], torch.get_rng_state().tolist()

    before = state()
    parts = split(layers, 10, 64)
    ran: list[str] = []
    for name, module in body.named_modules():
        module.register_forward_hook(lambda module, args, output, name=name: ran.append(name))
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        outputs = parts.frozen(images(3, 64))
        assert state() == before
        assert outputs.dtype == torch.bfloat16
        ran.clear()
        features = parts.tail(outputs)
        frozen = {f"blocks.{number}" for number in range(6)} | {"conv_stem", "bn1"}
        assert ran
        assert not [name for name in ran if ".".join(name.split(".")[:2]) in frozen]
        body.eval()
        assert torch.equal(parts.frozen(images(3, 64)), outputs)
        assert torch.equal(parts.tail(outputs), body(images(3, 64)))
        assert features.shape == (3, 1280)
