import math

import pytest
import torch
from torch.nn import functional as F

from artclf.model.losses import BCE, LOSSES, Focal

LOGIT = torch.tensor([2.0, -1.0, 0.5, -3.0])
TARGET = torch.tensor([1.0, 0.0, 0.0, 1.0])


def test_bce_is_torchs() -> None:
    torch.testing.assert_close(BCE()(LOGIT, TARGET), F.binary_cross_entropy_with_logits(LOGIT, TARGET))


def test_pos_weight_is_torchs() -> None:
    weight = torch.tensor(3.0)
    expected = F.binary_cross_entropy_with_logits(LOGIT, TARGET, pos_weight=weight)
    torch.testing.assert_close(BCE(pos_weight=3.0)(LOGIT, TARGET), expected)


def test_label_smoothing_draws_targets_towards_a_half_in_training_only() -> None:
    loss = BCE(label_smoothing=0.2)
    expected = F.binary_cross_entropy_with_logits(LOGIT, torch.tensor([0.9, 0.1, 0.1, 0.9]))
    torch.testing.assert_close(loss(LOGIT, TARGET), expected)
    torch.testing.assert_close(loss.eval()(LOGIT, TARGET), BCE()(LOGIT, TARGET))


def test_focal_is_its_formula() -> None:
    # -(1 - p)^gamma log p, with p the probability given to the truth
    p = torch.where(TARGET == 1, torch.sigmoid(LOGIT), 1 - torch.sigmoid(LOGIT))
    torch.testing.assert_close(Focal(gamma=1.5)(LOGIT, TARGET), (-((1 - p) ** 1.5) * p.log()).mean())
    torch.testing.assert_close(Focal(gamma=0.0)(LOGIT, TARGET), BCE()(LOGIT, TARGET))


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_falls_as_the_logit_moves_to_the_truth(name: str) -> None:
    loss = LOSSES[name](pos_weight=2.0)
    target = torch.tensor([1.0])
    values = [loss(torch.tensor([x]), target).item() for x in (-2.0, 0.0, 2.0, 8.0)]
    assert values == sorted(values, reverse=True)
    assert all(math.isfinite(value) for value in values)
