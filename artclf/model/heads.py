"""Features [B, D], or features of patches, → logit [B]. A new head is a class here and a file in conf/head."""

from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from artclf.config.values import Fraction

Hidden = Annotated[int, Field(ge=1, le=65_536)]
Queries = Annotated[int, Field(ge=1, le=64)]


class Head(nn.Module):
    """Turns features into one logit. The options in conf/head are the constructor's arguments."""

    layers: nn.Sequential
    of_patches = False  # whether it takes the features of patches, [B, N, D] or [B, D, H, W], instead of pooled ones

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


class AttentionPool(Head):
    """A learned weighted mean over patches, several side by side, and one linear layer (arXiv 2604.26772).

    Each of `queries` vectors gives every patch a weight, a softmax over the patches.
    """

    of_patches = True

    def __init__(self, features: int, queries: Queries = 4, dropout: Fraction = 0.0) -> None:
        super().__init__()
        self.normalise = nn.LayerNorm(features)
        self.queries = nn.Linear(features, queries, bias=False)
        self.layers = nn.Sequential(nn.Dropout(dropout), nn.Linear(queries * features, 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features of patches [B, N, D] or [B, D, H, W] → logit [B]."""
        if features.ndim == 4:
            features = features.flatten(2).transpose(1, 2)
        patches = self.normalise(features)
        weights = self.queries(patches).softmax(dim=1)  # [B, N, queries]
        return super().forward((weights.transpose(1, 2) @ patches).flatten(1))


HEADS: dict[str, type[Head]] = {"linear": Linear, "mlp": MLP, "attention_pool": AttentionPool}
