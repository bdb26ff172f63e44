"""Logit [B] and target [B] → loss []. A new loss is a class here and a file in conf/loss."""

from typing import Annotated

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from artclf.config.values import Fraction

Gamma = Annotated[float, Field(ge=0.0, le=100.0)]


class Loss(nn.Module):
    """The mean loss of a batch. The options in conf/loss are the constructor's arguments."""

    pos_weight: torch.Tensor

    def __init__(self, pos_weight: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("pos_weight", torch.tensor(pos_weight))  # factor of the loss of AI images (target 1)

    def terms(self, logit: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Logit [B] and target [B] (0 or 1) → unweighted loss [B]."""
        raise NotImplementedError

    def forward(self, logit: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Logit [B] and target [B] (0 or 1) → loss []."""
        weight = torch.where(target == 1, self.pos_weight, 1.0)
        return (weight * self.terms(logit, target)).mean()


class BCE(Loss):
    """Binary cross-entropy with logits. Label smoothing moves targets towards 1/2, in training only."""

    def __init__(self, pos_weight: float = 1.0, label_smoothing: Fraction = 0.0) -> None:
        super().__init__(pos_weight)
        self.label_smoothing = label_smoothing

    def terms(self, logit: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Unweighted loss [B]."""
        if self.training and self.label_smoothing:
            target = target * (1 - self.label_smoothing) + self.label_smoothing / 2
        return F.binary_cross_entropy_with_logits(logit, target, reduction="none")


class Focal(Loss):
    """Focal loss: cross-entropy times (1 - p)^gamma, p the probability of the true class (Lin et al., 2017, eq. 4)."""

    def __init__(self, pos_weight: float = 1.0, gamma: Gamma = 2.0) -> None:
        super().__init__(pos_weight)
        self.gamma = gamma

    def terms(self, logit: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Unweighted loss [B]."""
        loss: torch.Tensor = sigmoid_focal_loss(logit, target, alpha=-1, gamma=self.gamma, reduction="none")
        return loss


LOSSES: dict[str, type[Loss]] = {"bce": BCE, "focal": Focal}
