"""Bodies whose graph can't be traced; see also test_depth.py."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from artclf.model.borders import cut_at_module
from artclf.model.layers import Layers, _modules, cut, list_layers, set_depth
from artclf.model.parts import Prefix, Suffix

SIZE = 16
WIDTH = 12


class Patches(nn.Module):
    """Pictures → tokens [B, N, D] and where they are, int64 [B, N]."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Conv2d(3, WIDTH, 4, 4)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = self.project(x).flatten(2).transpose(1, 2)
        return tokens, torch.arange(tokens.shape[1]).expand(len(x), -1)


class Waves(nn.Module):
    """What has no parameters: places → waves."""

    def forward(self, places: torch.Tensor) -> torch.Tensor:
        return (places[..., None] * torch.linspace(0.1, 1, WIDTH)).sin()


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.full((WIDTH,), 0.7))
        self.norm = nn.BatchNorm1d(WIDTH)
        self.first, self.second = nn.Linear(WIDTH, 20), nn.Linear(20, WIDTH)

    def forward(self, x: torch.Tensor, waves: torch.Tensor) -> torch.Tensor:
        inner = self.norm((x + waves).transpose(1, 2)).transpose(1, 2)
        inner = self.second(F.dropout(self.first(inner).relu(), 0.3, self.training))
        return x + self.gain * inner


class Net(nn.Module):
    """A transformer in small, with all that timm's have between their modules."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.position = nn.Parameter(torch.randn(1, 1, WIDTH)), nn.Parameter(torch.randn(1, 16, WIDTH))
        self.patches, self.waves = Patches(), Waves()
        self.blocks = nn.ModuleList(Block() for _ in range(3))
        self.norm = nn.LayerNorm(WIDTH)
        self.scale = nn.Parameter(torch.rand(WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[2] % 4:  # no symbol can tell
            raise ValueError("the sides must be multiples of 4")
        x, places = self.patches(x)
        waves = F.pad(self.waves(places), (0, 0, 1, 0))
        x = torch.cat([self.token.expand(len(x), -1, -1), x + self.position], 1)
        for block in self.blocks:
            x = block(x, waves)
        return self.norm(x).mean(1) * self.scale


@pytest.fixture
def body() -> Net:
    torch.manual_seed(0)
    net = Net()
    with torch.no_grad():
        net.train()(torch.randn(8, 3, SIZE, SIZE))  # statistics that are not 0 and 1
    return net


def untraced(body: nn.Module) -> Layers:
    return Layers(_modules(body), None, ())


def pictures(batch: int, seed: int = 5) -> torch.Tensor:
    return torch.randn(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def kept(prefix: Prefix, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What crosses, as it is when it has been kept: computed in other batches."""
    return tuple(torch.cat(parts) for parts in zip(*(prefix(part) for part in x.split(2)), strict=True))


def gradients(body: nn.Module, forward: Callable[[], torch.Tensor]) -> dict[str, torch.Tensor]:
    body.zero_grad()
    torch.manual_seed(1)
    forward().square().sum().backward()
    return {name: p.grad.clone() for name, p in body.named_parameters() if p.grad is not None}


def same_in_both_modes(body: nn.Module, layers: Layers, depth: int, prefix: Prefix, suffix: Suffix, x: torch.Tensor) -> None:
    set_depth(body, layers, depth)
    with torch.no_grad():
        crossing = kept(prefix, x)
    right, got = gradients(body, lambda: body(x)), gradients(body, lambda: suffix(*crossing))
    assert got.keys() == right.keys() == {name for name, p in body.named_parameters() if p.requires_grad}
    rounding = 1e-6 * max(float(gradient.abs().max()) for gradient in right.values())
    for name, gradient in right.items():
        assert_near(got[name], gradient, rounding)
    body.eval()
    with torch.no_grad():
        assert_near(suffix(*crossing), body(x))


def assert_near(got: torch.Tensor, wanted: torch.Tensor, rounding: float = 0.0) -> None:
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-3 * float(wanted.abs().max()) + rounding)


def test_the_border_is_where_the_block_begins_that_trains(body: Net) -> None:
    layers = list_layers(body)
    assert layers.graph is None
    names = [layer.name for layer in layers.layers]
    assert names[-6:] == ["blocks.1.second", "blocks.2", "blocks.2.norm", "blocks.2.first", "blocks.2.second", "norm"]
    borders = {depth: cut(body, layers, depth, SIZE)[0].crossing for depth in range(1, len(layers))}
    assert borders.pop(1) == ("the input of norm",)
    # waves are made of places alone, so they need not cross
    assert borders == {depth: (f"input 1 of blocks.{2 - (depth - 2) // 4}",) for depth in range(2, len(layers))}


@pytest.mark.parametrize("depth", [1, 2, 5, 9, 12])
def test_the_parts_are_the_whole_in_both_modes(body: Net, depth: int) -> None:
    layers = list_layers(body)
    prefix, suffix = cut(body, layers, depth, SIZE)
    for batch in (3, 5):
        same_in_both_modes(body, layers, depth, prefix, suffix, pictures(batch))


def test_nothing_before_the_border_runs_again(body: Net) -> None:
    layers = list_layers(body)
    prefix, suffix = cut(body, layers, 2, SIZE)
    crossing = prefix(pictures(3))
    ran: list[str] = []
    for name, module in body.named_modules():
        module.register_forward_hook(lambda module, args, output, name=name: ran.append(name))
    suffix(*crossing)
    assert {"blocks.2.first", "norm"} <= set(ran)
    assert not {"patches.project", "blocks.0.first", "blocks.1.first"} & set(ran)


def test_dropout_and_statistics_follow_the_mode(body: Net) -> None:
    layers = list_layers(body)
    prefix, suffix = cut(body, layers, 5, SIZE)
    set_depth(body, layers, 5)
    crossing = prefix(pictures(4))
    assert not torch.equal(suffix(*crossing), suffix(*crossing))
    before = {name: buffer.clone() for name, buffer in body.named_buffers()}
    suffix(*crossing)
    assert {name for name, buffer in body.named_buffers() if not torch.equal(buffer, before[name])} == {
        f"blocks.2.norm.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")
    }
    body.eval()
    assert torch.equal(suffix(*crossing), suffix(*crossing))


def test_under_autocast(body: Net) -> None:
    prefix, suffix = cut(body, list_layers(body), 6, SIZE)
    body.eval()
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert torch.equal(suffix(*prefix(pictures(3))), body(pictures(3)))


def state(body: nn.Module) -> list[Any]:
    return [
        (name, set(module.__dict__), module.training, len(module._forward_hooks), len(module._forward_pre_hooks))
        for name, module in body.named_modules()
    ] + [(name, p.requires_grad, p.grad) for name, p in body.named_parameters()]


def test_the_body_is_left_as_it_was(body: Net) -> None:
    layers = list_layers(body)
    set_depth(body, layers, 7)
    body.blocks[0].__dict__["forward"] = body.blocks[0].forward  # somebody else's
    buffers = {name: buffer.clone() for name, buffer in body.named_buffers()}
    before, generator = state(body), torch.get_rng_state()
    prefix, suffix = cut(body, layers, 5, SIZE)
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in body.named_buffers())
    crossing = prefix(pictures(2))
    assert state(body) == before
    with torch.no_grad():
        suffix(*crossing)
        assert state(body) == before
        body.load_state_dict(buffers, strict=False)
        with pytest.raises(RuntimeError):
            suffix(crossing[0][..., 1:])
    with pytest.raises(ValueError, match="cut for pictures of 16 × 16 pixels"):
        prefix(torch.zeros(1, 3, 20, 20))
    body.blocks[1].first = nn.Linear(3, 3)
    before = state(body)
    with pytest.raises(RuntimeError):
        prefix(pictures(2))
    assert state(body) == before


class Chain(nn.Module):
    """Three layers over the pixels' means, and what a test puts between them."""

    def __init__(self, between: Callable[["Chain", torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)
        self.between = between

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.between(self, x.mean((2, 3)))


def skipping(net: Chain, x: torch.Tensor) -> torch.Tensor:
    a = net.first(x)
    return net.third(net.second(a) + a)


def adding_in_place(net: Chain, x: torch.Tensor) -> torch.Tensor:
    a = net.first(x)
    b = net.second(a)
    b += a  # a tensor with values takes none from one without
    return net.third(b)


def adding_in_eval_mode(net: Chain, x: torch.Tensor) -> torch.Tensor:
    return net.third(net.second(net.first(x))) if net.training else adding_in_place(net, x)


def dropping(net: Chain, x: torch.Tensor) -> torch.Tensor:
    return net.third(net.second(F.dropout(net.first(x), 0.5, net.training)))


def borrowing(net: Chain, x: torch.Tensor) -> torch.Tensor:
    return net.third(net.second(F.linear(net.first(x), net.third.weight)))


def wrapping(net: Chain, x: torch.Tensor) -> torch.Tensor:
    return net.third(net.second(net.first(x)))


def mixing(net: Chain, x: torch.Tensor) -> torch.Tensor:
    a = net.first(x)
    return net.third(net.second(a - a.mean(0)))


def repeating(net: Chain, x: torch.Tensor) -> torch.Tensor:
    return net.third(net.second(net.second(net.first(x))))


def turning(net: Chain, x: torch.Tensor) -> torch.Tensor:
    a = net.first(x)
    return net.third(net.second(a.T.repeat(2, 1)[:3].T))


def branching(net: Chain, x: torch.Tensor) -> torch.Tensor:
    a = net.first(x)
    return net.third(net.second(a) if a.sum() > -1e9 else a)


@pytest.mark.parametrize(
    ("between", "trained", "border"),
    [
        (wrapping, "third", "third"),
        (wrapping, "second", "second"),
        (skipping, "second", "first"),
        (adding_in_place, "second", "first"),
        (adding_in_place, "third", "third"),
        (adding_in_eval_mode, "second", "first"),
        (dropping, "third", "first"),  # else a dropped-out output would be kept
        (borrowing, "third", "first"),  # else the gradient of its other use would be lost
        (mixing, "second", "first"),  # what is given to `second` depends on the other pictures
        (repeating, "third", "third"),
        (repeating, "second", "first"),  # it is entered twice
        (turning, "third", "third"),
        (branching, "third", "first"),  # by values, which there are behind the border alone
    ],
)
def test_traps(between: Callable[[Chain, torch.Tensor], torch.Tensor], trained: str, border: str) -> None:
    torch.manual_seed(0)
    body = Chain(between).train()
    if between is repeating:
        nn.init.eye_(body.second.weight)  # as before training: what comes out would be right by chance
        nn.init.zeros_(body.second.bias)
    for module in (body.first, body.second, body.third):
        module.training = False  # as frozen modules are; the container of trained ones is not
    prefix, suffix = cut_at_module(body, [f"{trained}.weight", f"{trained}.bias"], SIZE)
    assert prefix.crossing == (f"the input of {border}",)
    body.eval()
    if between is not mixing:
        torch.testing.assert_close(suffix(*kept(prefix, pictures(5))), body(pictures(5)))


class Wrap(nn.Linear):
    def forward(self, x: torch.Tensor) -> Any:
        return SimpleNamespace(x=super().forward(x))


def test_what_gives_no_tensors_runs_behind_the_border() -> None:
    body = Chain(lambda net, x: net.third(net.second(net.first(x).x)))
    body.first = Wrap(3, 3)
    prefix, _ = cut_at_module(body, ["third.weight"], SIZE)
    assert prefix.crossing == ("the input of first",)


def test_where_nothing_fits_it_says_so() -> None:
    by_values = Chain(lambda net, x: net.third(net.first(x) if x.sum() > 0 else net.second(x)))
    with pytest.raises(ValueError, match=r"no border between its modules fits \(the earliest, first: .*\)"):
        cut_at_module(by_values, ["third.weight"], SIZE)
    body = Chain(wrapping)
    with pytest.raises(ValueError, match="no parameter trains"):
        cut_at_module(body, [], SIZE)
    body.first = nn.Linear(4, 3)
    with pytest.raises(ValueError, match="takes no pictures of 16 × 16 pixels: mat1"):
        cut_at_module(body, ["third.weight"], SIZE)


def test_a_parameter_of_the_body_itself_is_used_from_the_start(body: Net) -> None:
    with pytest.raises(ValueError, match="every module that begins before"):
        cut_at_module(body, ["scale"], SIZE)


@pytest.mark.parametrize(
    ("name", "options", "size", "borders"),
    [
        ("test_vit", {"attn_drop_rate": 0.2, "drop_path_rate": 0.2, "img_size": 64}, 64, {2: "blocks.5", 20: "blocks.2"}),
        ("test_efficientnet", {"drop_path_rate": 0.2}, 64, {2: "conv_head", 8: "blocks.4.0.conv_dw"}),
        ("test_convnext", {"drop_path_rate": 0.2}, 64, {3: "stages.3.blocks.1"}),
        ("test_resnet", {}, 64, {3: "layer4.0"}),
        (
            "gemma4_vit_167m",  # which can't be traced
            {
                "depth": 2,
                "embed_dim": 48,
                "num_heads": 2,
                "num_kv_heads": 2,
                "head_dim": 24,
                "intermediate_size": 64,
                "img_size": 96,
                "position_embedding_size": 64,
            },
            96,
            {3: "encoder.blocks.1"},
        ),
    ],
)
def test_networks_of_timm(name: str, options: dict[str, Any], size: int, borders: dict[int, str]) -> None:
    timm = pytest.importorskip("timm")
    if not timm.is_model(name):
        pytest.skip(f"this timm has no {name}")
    torch.manual_seed(0)
    body = timm.create_model(name, num_classes=0, **options)
    layers = untraced(body)
    found = {}
    for depth in borders:
        prefix, suffix = cut(body, layers, depth, size)
        found[depth] = prefix.crossing[0].rpartition(" ")[2]
        x = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(2))
        same_in_both_modes(body, layers, depth, prefix, suffix, x)
    assert found == borders
