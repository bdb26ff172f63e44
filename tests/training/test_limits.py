"""What this machine has no devices or memory for is refused with what there is."""

from contextlib import nullcontext

import pytest
import torchvision

from artclf.errors import ArtclfError
from artclf.model.backbones import build_backbone
from artclf.runtime import cores, memory
from artclf.training.limits import output_sizes, require_batch, require_devices, require_memory
from tests.conftest import config_of


def test_more_devices_than_there_are_are_refused() -> None:
    with pytest.raises(ArtclfError, match=f"trainer.devices=1000: .* up to {cores()}, one for each CPU core"):
        require_devices(config_of("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=1000").trainer)


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (["head.hidden=1000000000"], "and 1,283,004,.* a step takes at least .* type a smaller image size or head"),
        (["data.batch_size=1000000"], f"this machine has {memory() / 1e9:,.1f} GB; allowed at this size: data.batch_size="),
        (["data.image_size=2048", f"data.batch_size={memory() // 2**27}"], "with efficientnet_b0 and"),
    ],
)
def test_a_network_that_needs_more_memory_is_refused(words: list[str], reported: str) -> None:
    backbone = build_backbone("torchvision", "efficientnet_b0")
    with pytest.raises(ArtclfError, match=reported):
        require_memory(config_of("model=efficientnet_b0", "trainer=cpu", *words), backbone, "32-true")


@pytest.mark.parametrize(
    ("words", "size", "problem"),
    [
        ([], 64, "normalisation in head=mlp needs .* type data.batch_size=2 or more, or head=linear"),
        (
            ["head=linear", "stages.head.unfreeze=all"],
            32,
            "resnet10t at data.image_size=32 needs .* larger data.image_size",
        ),
        (["trainer.devices=2", "data.batch_size=2"], 64, "type data.batch_size=4 or more, or head=linear"),
        (["head=linear", "stages.head.unfreeze=0"], 32, None),
        (["head=linear", "stages.head.unfreeze=all"], 64, None),
        (["data.batch_size=2"], 32, None),
    ],
)
def test_one_image_in_a_step_is_refused_where_batch_normalisation_needs_more(
    words: list[str], size: int, problem: str | None
) -> None:
    backbone = build_backbone("timm", "resnet10t", image_size=size)
    config = config_of("model=timm", "model.name=resnet10t", "trainer=cpu", "data.batch_size=1", *words)
    with nullcontext() if problem is None else pytest.raises(ArtclfError, match=problem):
        require_batch(config, backbone)


def test_outputs_are_counted_as_in_the_literature() -> None:
    body = torchvision.models.resnet50(weights=None)
    convolutions = 11.1e6  # at 224 pixels (Radosavovic et al., 2020, table 4); each is followed by a batch normalisation
    everything, largest = output_sizes(body, 224)
    assert everything == pytest.approx(2 * convolutions, rel=0.02)
    assert largest == 64 * 112 * 112
    assert body.training
    assert next(body.parameters()).device.type == "cpu"
