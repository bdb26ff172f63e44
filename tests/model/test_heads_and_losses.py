import pytest
import torch
from torch.nn import functional as F

from artclf.model.heads import HEADS
from artclf.model.losses import BCE, Focal

LOGIT = torch.tensor([2.0, -1.0, 0.5, -3.0])
TARGET = torch.tensor([1.0, 0.0, 0.0, 1.0])


@pytest.mark.parametrize("name", HEADS)
def test_a_head_gives_one_logit_an_image_and_drops_out_in_training_only(name: str) -> None:
    head = HEADS[name](features=16, dropout=0.5)
    features = torch.randn(4, 9, 16) if head.of_patches else torch.randn(4, 16)
    logit = head(features)
    assert logit.shape == (4,)
    assert not torch.equal(head(features), logit)
    logit.sum().backward()
    assert all(parameter.grad is not None for parameter in head.parameters())
    head.eval()
    assert torch.equal(head(features), head(features))


def test_attention_pooling_takes_maps_as_patches_in_any_order() -> None:
    head, maps = HEADS["attention_pool"](features=16).eval(), torch.randn(4, 16, 3, 3)
    patches = maps.flatten(2).transpose(1, 2)
    torch.testing.assert_close(head(maps), head(patches))
    torch.testing.assert_close(head(patches.flip(1)), head(patches))


def test_bce_is_torchs_and_weighs_ai_images() -> None:
    torch.testing.assert_close(BCE()(LOGIT, TARGET), F.binary_cross_entropy_with_logits(LOGIT, TARGET))
    expected = F.binary_cross_entropy_with_logits(LOGIT, TARGET, pos_weight=torch.tensor(3.0))
    torch.testing.assert_close(BCE(pos_weight=3.0)(LOGIT, TARGET), expected)


def test_label_smoothing_moves_targets_towards_a_half_in_training_only() -> None:
    loss = BCE(label_smoothing=0.2)
    expected = F.binary_cross_entropy_with_logits(LOGIT, torch.tensor([0.9, 0.1, 0.1, 0.9]))
    torch.testing.assert_close(loss(LOGIT, TARGET), expected)
    torch.testing.assert_close(loss.eval()(LOGIT, TARGET), BCE()(LOGIT, TARGET))


def test_focal_is_its_formula() -> None:
    p = torch.where(TARGET == 1, torch.sigmoid(LOGIT), 1 - torch.sigmoid(LOGIT))
    torch.testing.assert_close(Focal(gamma=1.5)(LOGIT, TARGET), (-((1 - p) ** 1.5) * p.log()).mean())
    torch.testing.assert_close(Focal(gamma=0.0)(LOGIT, TARGET), BCE()(LOGIT, TARGET))
