from typing import Any

import torch

from artclf.model.backbones import build_backbone
from artclf.model.layers import cut, list_layers, set_depth


def test_what_is_kept_is_not_written_into() -> None:
    body = build_backbone("torchvision", "resnet50").body
    layers = list_layers(body)
    depth = 5
    assert layers.trained(depth)[0].kind == "ReLU"  # in place
    prefix, suffix = cut(body, layers, depth, 64)
    body.eval()
    with torch.no_grad():
        crossing = prefix(torch.randn(2, 3, 64, 64))
        before = [tensor.clone() for tensor in crossing]
        first, second = suffix(*crossing), suffix(*crossing)
    assert all(map(torch.equal, crossing, before))
    assert torch.equal(first, second)


def test_the_prefix_runs_in_eval_mode() -> None:
    body = build_backbone("torchvision", "efficientnet_b0").body
    prefix, _ = cut(body, list_layers(body), 8, 64)
    pictures = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        body.eval()
        expected, buffers = prefix(pictures), {name: buffer.clone() for name, buffer in body.named_buffers()}
        body.train()
        assert all(map(torch.equal, prefix(pictures), expected))
    assert all(module.training for module in body.modules())
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in body.named_buffers())


def test_cutting_leaves_the_body_as_it_was() -> None:
    body = build_backbone("torchvision", "efficientnet_b0").body
    layers = list_layers(body)
    set_depth(body, layers, 30)

    def state() -> tuple[Any, ...]:
        modes = [module.training for module in body.modules()]
        return modes, [p.requires_grad for p in body.parameters()], torch.get_rng_state().tolist()

    before, buffers = state(), {name: buffer.clone() for name, buffer in body.named_buffers()}
    cut(body, list_layers(body), 12, 64)
    assert state() == before
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in body.named_buffers())
