from dataclasses import replace

import pytest
import torch
from torch import nn

from artclf.errors import ArtclfError
from artclf.model.backbones import Backbone, build_backbone
from artclf.model.layers import list_layers


@pytest.mark.parametrize(
    ("library", "name", "block"),
    [
        ("torchvision", "resnet50", "layer4."),
        ("torchvision", "efficientnet_b0", "features.7."),
        ("timm", "efficientnet_lite0", "blocks.6."),
        ("timm", "test_convnext", "stages.3."),
    ],
)
def test_every_parameter_belongs_to_one_layer_and_the_last_block_is_known(library: str, name: str, block: str) -> None:
    backbone = build_backbone(library, name)
    layers = list_layers(backbone.body)
    names = [name for layer in layers.layers for name in layer.parameters]
    assert sorted(names) == sorted(name for name, _ in backbone.body.named_parameters())
    depth = layers.resolve("last_block", backbone, "k")
    assert layers.trained(depth)[0].name.startswith(block)
    assert not layers.layers[len(layers) - depth - 1].name.startswith(block)


@pytest.fixture(scope="module")
def resnet50() -> Backbone:
    return build_backbone("torchvision", "resnet50")


def test_how_many_layers_a_setting_unfreezes(resnet50: Backbone) -> None:
    layers = list_layers(resnet50.body)
    for unfreeze, weights, depth in (
        ("auto", "pretrained", 0),
        ("auto", "random", 172),
        ("all", "pretrained", 172),
        (25, "random", 25),
    ):
        assert layers.resolve(unfreeze, replace(resnet50, weights=weights), "k") == depth
    with pytest.raises(ArtclfError, match=r"stages.x.unfreeze: got 173; allowed: 0 to 172"):
        layers.resolve(173, resnet50, "stages.x.unfreeze")
    with pytest.raises(ArtclfError, match="no known last block"):
        layers.resolve("last_block", replace(resnet50, last_block="nowhere"), "k")


def test_the_last_ten_layers_of_resnet50_are_layer4_2_and_they_alone_change(resnet50: Backbone) -> None:
    body = resnet50.body
    layers = list_layers(body)
    last = layers.trained(10)
    assert [layer.name.removeprefix("layer4.2.") for layer in last] == (
        ["conv1", "bn1", "relu", "conv2", "bn2", "relu_1", "conv3", "bn3", "add", "relu_2"]
    )
    assert [layer.kind for layer in last[-3:]] == ["BatchNorm2d", "add", "ReLU"]
    layers.set_depth(10)
    trained = {name for name, parameter in body.named_parameters() if parameter.requires_grad}
    assert trained == {f"layer4.2.{name}" for name, _ in body.layer4[2].named_parameters()}
    body.train()
    layers.set_modes(10)  # a callback may have changed them
    before = {name: buffer.clone() for name, buffer in body.named_buffers()}
    body(torch.randn(4, 3, 32, 32) * 5 + 3)
    moved = {name.rsplit(".", 1)[0] for name, buffer in body.named_buffers() if not torch.equal(buffer, before[name])}
    assert moved == {"layer4.2.bn1", "layer4.2.bn2", "layer4.2.bn3"}


class Untraceable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(x) if x.sum() > 0 else self.first(x)


def test_a_body_that_can_not_be_traced_is_listed_by_its_modules() -> None:
    body = Untraceable()
    layers = list_layers(body)
    assert [layer.name for layer in layers.layers] == ["first", "second"]
    layers.set_depth(1)
    assert [p.requires_grad for p in body.parameters()] == [False, False, True, True]


def test_stochastic_depth_of_timm_is_a_layer_at_any_rate() -> None:
    timm = pytest.importorskip("timm")
    without, with_it = (timm.create_model("test_convnext", num_classes=0, drop_path_rate=rate) for rate in (0.0, 0.5))
    layers = list_layers(with_it)
    assert [layer.name for layer in layers.layers] == [layer.name for layer in list_layers(without).layers]
    layers.set_depth(20)
    assert with_it.stages[3].blocks[1].drop_path.training
    assert not with_it.stages[3].blocks[0].drop_path.training
