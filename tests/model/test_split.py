from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from artclf.model.layers import Layers, cut, list_layers, set_depth


def parity(body: nn.Module, layers: Layers, depth: int, size: int, batch: int = 4) -> tuple[str, ...]:
    """See that the parts are the whole in eval mode and, with the same random numbers, while training; what crosses."""
    prefix, suffix = cut(body, layers, depth, size)
    set_depth(body, layers, depth)
    pictures = torch.randn(batch, 3, size, size)
    with torch.no_grad():
        together, parts = prefix(pictures), (prefix(pictures[:1]), prefix(pictures[1:]))
    kept = tuple(torch.cat(pair) for pair in zip(*parts, strict=True))
    buffers = {name: buffer.clone() for name, buffer in body.named_buffers()}
    outcomes = []
    for forward in (lambda: body(pictures), lambda: suffix(*together)):
        torch.manual_seed(1)
        outcomes.append(forward())
        body.load_state_dict(buffers, strict=False)
    assert_near(outcomes[1], outcomes[0], 1e-4)
    body.eval()
    with torch.no_grad():
        assert_near(suffix(*kept), body(pictures), 1e-2)  # other batches, other rounding
    return prefix.crossing


def assert_near(got: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(got, wanted, rtol=0, atol=tolerance * wanted.detach().abs().max().item())


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
    ("place", "depth", "crossing"),
    [
        ("last", 3, ("block.1",)),
        ("train", 1, ("mean",)),  # nodes that there are in train mode alone
        ("stem", 3, ("stem",)),  # the body is in train mode, since part of it trains: it would drop behind the stem
        ("none", 3, ("block.1",)),
    ],
)
def test_functional_dropout_follows_the_mode(place: str, depth: int, crossing: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    body = Dropping(place)
    layers = list_layers(body)
    assert parity(body, layers, depth, 8) == crossing
    _, suffix = cut(body, layers, depth, 8)
    set_depth(body, layers, depth)
    given = torch.randn(16, 8, 2, 2) if depth > 1 else torch.randn(16, 8)
    assert torch.equal(suffix(given), suffix(given)) == (place == "none")
    body.eval()
    assert torch.equal(suffix(given), suffix(given))


@pytest.mark.parametrize(
    ("library", "name", "options", "size", "depths"),
    [
        ("torchvision", "efficientnet_b0", {}, 64, (20, 45)),  # stochastic depth
        ("torchvision", "mobilenet_v3_small", {"dropout": 0.5}, 64, (8, 30)),
        ("timm", "test_efficientnet", {"drop_rate": 0.5, "drop_path_rate": 0.5}, 64, (6, 25)),
        ("timm", "test_convnext", {"drop_rate": 0.5, "drop_path_rate": 0.5}, 64, (7, 60)),
        (
            "timm",
            "test_vit",
            {"img_size": 64, "drop_rate": 0.3, "attn_drop_rate": 0.3, "proj_drop_rate": 0.3, "drop_path_rate": 0.3},
            64,
            (8, 31, 60, 90),
        ),
        # it keeps tensors for eval mode, among them, after a trace, symbols
        ("timm", "levit_128s", {"depth": (1, 1, 1), "drop_path_rate": 0.5}, 224, (40,)),
    ],
)
def test_dropout_of_libraries_follows_the_mode(
    library: str, name: str, options: dict[str, Any], size: int, depths: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    if library == "timm":
        body = pytest.importorskip("timm").create_model(name, num_classes=0, **options)
    else:
        body = getattr(torchvision.models, name)(**options)
    for parameter in body.parameters():
        if not parameter.any():
            nn.init.constant_(parameter, 0.5)  # else some branches give zeros, dropped or not
    layers = list_layers(body)
    for depth in depths:
        crossing = parity(body, layers, depth, size)
        assert not any("input" in name for name in crossing)  # cut by its graph
        set_depth(body, layers, depth)
        pictures = torch.randn(4, 3, size, size)
        assert not torch.equal(body(pictures), body(pictures))  # something is dropped


def test_stochastic_depth_of_timm_is_a_layer_at_any_rate() -> None:
    timm = pytest.importorskip("timm")
    without, with_it = (timm.create_model("test_convnext", num_classes=0, drop_path_rate=rate) for rate in (0.0, 0.5))
    layers = list_layers(with_it)
    assert [layer.name for layer in layers.layers] == [layer.name for layer in list_layers(without).layers]
    set_depth(with_it, layers, 20)
    assert with_it.stages[3].blocks[1].drop_path.training
    assert not with_it.stages[3].blocks[0].drop_path.training


class Rows(nn.Module):
    """What can't be kept picture by picture: numbers, windows, parts of a tuple, weights made of weights, buffers."""

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


def test_only_rows_of_pictures_cross() -> None:
    torch.manual_seed(0)
    body = Rows()
    layers = list_layers(body)
    found = {}
    for depth in range(1, len(layers)):
        crossing = parity(body, layers, depth, 16)
        found[layers.layers[-depth].name] = crossing
        assert {len(tensor) for tensor in cut(body, layers, depth, 16)[0](torch.zeros(5, 3, 16, 16))} == {5}
    assert found["last"] == ("add",)
    assert found["mean"] == ("reshape_1",)
    assert found["chunk"] == ("permute",)  # the windows are cut again
    assert found["mix"] == found["softmax"] == ("permute",) or found["softmax"] == ("stem",)
    assert found["getattr"] == ("stem",)


def test_every_cut_of_a_transformer_gives_rows() -> None:
    body = pytest.importorskip("timm").create_model("test_vit", num_classes=0, img_size=64)
    layers = list_layers(body)
    for depth in range(2, 48, 5):
        prefix, suffix = cut(body, layers, depth, 64)
        crossing = prefix(torch.zeros(5, 3, 64, 64))
        assert {len(tensor) for tensor in crossing} == {5}
        assert suffix(*(tensor[:1] for tensor in crossing)).shape == (1, 64)


def test_the_parts_go_where_the_body_goes() -> None:
    body = Rows()
    prefix, suffix = cut(body, list_layers(body), 4, 16)
    body.double().eval()
    with torch.no_grad():
        body.offset += 1
        pictures = torch.randn(2, 3, 16, 16, dtype=torch.float64)
        assert torch.equal(suffix(*prefix(pictures)), body(pictures))


def test_a_graph_that_says_something_else_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    class Traced(nn.Module):
        """A symbol is no tensor, so a trace takes the wrong branch, and does not tell."""

        def __init__(self) -> None:
            super().__init__()
            self.stem, self.last = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x).mean((2, 3))
            return self.last(x * 2 if isinstance(x, torch.Tensor) else x)

    body = Traced()
    layers = list_layers(body)
    assert layers.graph is not None
    with caplog.at_level("INFO"):
        prefix, suffix = cut(body, layers, 1, 8)
    assert "it is cut at a module instead" in caplog.text
    assert prefix.crossing == ("the input of last",)
    pictures = torch.randn(2, 3, 8, 8)
    assert torch.equal(suffix(*prefix(pictures)), body(pictures))
