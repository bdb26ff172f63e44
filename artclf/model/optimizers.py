"""Optimisers, and their learning rates and schedules."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from artclf.config.schema import OptimConfig, StageConfig

RATE_BATCH = 32  # learning rates are stated for steps of at most so many images
OPTIMIZERS: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def scaled_rate(optim: OptimConfig, batch: int) -> float:
    """The learning rate for steps of `batch` images, where one is stated for steps of RATE_BATCH at most.

    With larger batches it grows, so that the same setting trains alike: in proportion for SGD (Goyal et al. 2017, arXiv
    1706.02677), by the square root for Adam and AdamW (Malladi et al. 2022, arXiv 2205.10287).
    """
    ratio = max(1.0, batch / RATE_BATCH)
    return optim.lr * (ratio if optim.name == "sgd" else math.sqrt(ratio))


def build_optimizer(
    stage: StageConfig, trained: Sequence[nn.Parameter], steps: int, batch: int, *, fused: bool
) -> tuple[Any, Any]:
    """A stage's optimiser over these parameters, and its schedule over so many steps (None where the rate is constant)."""
    optim, rate = stage.optim, scaled_rate(stage.optim, batch)
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": optim.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    options: dict[str, Any] = {"momentum": 0.9, "nesterov": True} if optim.name == "sgd" else {}
    optimizer = OPTIMIZERS[optim.name](groups, lr=rate, fused=fused, **options)
    if stage.schedule == "constant":
        return optimizer, None
    if stage.schedule == "cosine":
        return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
