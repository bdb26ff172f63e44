"""Features [B, D] → logit [B]. A new head is a class here and a file in conf/head."""

import torch
from torch import nn


class Head(nn.Module):
    """What turns features into one logit; the options in conf/head are its constructor's arguments."""

    layers: nn.Sequential

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features [B, D] → logit [B] of target 1 (human)."""
        logit: torch.Tensor = self.layers(features)
        return logit.squeeze(1)


class Linear(Head):
    """One linear layer."""

    def __init__(self, features: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, 1))


class MLP(Head):
    """The seed study's: a hidden layer with batch normalisation and dropout."""

    def __init__(self, features: int, hidden: int = 256, dropout: float = 0.5) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, hidden, bias=False),  # the normalisation has one
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, 1),
        )


HEADS: dict[str, type[Head]] = {"linear": Linear, "mlp": MLP}
