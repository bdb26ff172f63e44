"""Features [B, D] → logit [B]. A new head is a class here and a file in conf/head."""

from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from artclf.config.schema import Fraction

Hidden = Annotated[int, Field(ge=1, le=65_536)]


class Head(nn.Module):
    """Turns features into one logit. The options in conf/head are the constructor's arguments."""

    layers: nn.Sequential

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features [B, D] → logit [B]; positive means AI."""
        logit: torch.Tensor = self.layers(features)
        return logit.squeeze(1)


class Linear(Head):
    """One linear layer."""

    def __init__(self, features: int, dropout: Fraction = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, 1))


class MLP(Head):
    """The seed study's head: a hidden layer with batch normalisation and dropout."""

    def __init__(self, features: int, hidden: Hidden = 256, dropout: Fraction = 0.5) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, hidden, bias=False),  # batch normalisation has a bias
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, 1),
        )


HEADS: dict[str, type[Head]] = {"linear": Linear, "mlp": MLP}
