from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from artclf.config.schema import StageConfig
from artclf.errors import ArtclfError
from artclf.model.backbones import build_backbone
from artclf.model.checkpoint import load_classifier
from artclf.model.classifier import ArtClassifier
from tests.conftest import TINY, Outcome
from tests.model.test_classifier import classifier, stage

VIT = ["data.image_size=auto", "model=timm", "model.name=test_vit", "model.weights=none", "stages.head.unfreeze=0"]


def vit() -> Any:
    preprocessing = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "image_size": 160}
    torch.manual_seed(0)
    return ArtClassifier("timm", "test_vit", {"name": "linear"}, {"name": "bce"}, preprocessing)


def lora_stage(rank: int = 4) -> StageConfig:
    return stage(unfreeze=0).model_copy(update={"lora_rank": rank})


def test_lora_trains_matrices_beside_frozen_weights_and_merges_into_the_same_network() -> None:
    model = vit()
    pixels = torch.randint(256, (2, 3, 160, 160), dtype=torch.uint8)
    names, before = list(model.state_dict()), model.eval().p_ai(pixels)
    model.begin(lora_stage(), depth=len(model.layers))
    torch.testing.assert_close(model.eval().p_ai(pixels), before)  # it begins as nothing
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all("lora_" in name or name.startswith("head.") for name in trained)
    assert sum("lora_A" in name for name in trained) > 4
    model.train()
    model.loss(model(pixels), torch.ones(2)).backward()
    model.configure_optimizers().step()
    checkpoint: dict[str, Any] = {"state_dict": dict(model.state_dict()), "hyper_parameters": {}}
    model.on_save_checkpoint(checkpoint)
    assert set(checkpoint["state_dict"]) == trained | {"loss.pos_weight"}  # what an epoch writes
    model.on_load_checkpoint(checkpoint)
    changed, merged = model.eval().p_ai(pixels), model.merged(checkpoint["state_dict"])
    model.end()
    assert list(model.state_dict()) == names
    assert set(merged) == set(names)
    torch.testing.assert_close(model.p_ai(pixels), changed)
    model.begin(lora_stage(), depth=len(model.layers))
    model.load_weights(merged)  # as where a run ended after its checkpoints were merged
    assert list(model.state_dict()) == names
    torch.testing.assert_close(model.p_ai(pixels), changed)
    assert not torch.allclose(changed, before, atol=1e-5)


def test_lora_needs_linear_layers() -> None:
    with pytest.raises(ArtclfError, match="lora trains linear layers, and what is unfrozen has none; choose a transformer"):
        (model := classifier()).begin(lora_stage(), depth=len(model.layers))


def test_a_run_with_lora_leaves_plain_checkpoints(train: Callable[..., Outcome], pictures: Path, tmp_path: Path) -> None:
    words = [*TINY, *VIT, "data=folder", f"data.root={pictures}", "+finetune=lora", "head=linear", "hydra.run.dir=run"]
    train(*words, "stages.head.max_epochs=1", "stages.lora.max_epochs=2", "stages.lora.optim.lr=1e-2")
    checkpoints = tmp_path / "run" / "checkpoints"
    state = load_classifier(checkpoints / "lora.ckpt").state_dict()
    assert not any("lora_" in name for name in state)
    head = load_classifier(checkpoints / "head.ckpt").state_dict()
    assert not torch.equal(state["body.blocks.0.attn.qkv.weight"], head["body.blocks.0.attn.qkv.weight"])
    assert torch.equal(state["body.patch_embed.proj.weight"], head["body.patch_embed.proj.weight"])


@pytest.mark.parametrize(
    ("depth", "first"), [(1, "norm."), (10, "blocks.5.norm1."), (30, "blocks.5.norm1."), (50, "blocks.4.norm1.")]
)
def test_a_depth_within_a_block_of_a_transformer_is_rounded_up_to_the_block(depth: int, first: str) -> None:
    layers = vit().layers
    resolved = layers.resolve(depth, build_backbone("timm", "test_vit"), "stages.head.unfreeze")
    assert layers.trained(resolved)[0].name.startswith(first)
