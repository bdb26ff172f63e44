"""LoRA (Hu et al., 2021): small trained matrices beside a body's frozen linear layers, through peft."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from artclf.errors import ArtclfError

INSTALL_LORA = 'pip install -e ".[lora]"'
PREFIX = "lora_"  # in the names of the trained tensors


def linear_modules(body: nn.Module, modules: Iterable[str]) -> list[str]:
    """The linear ones of a body's modules, by name. ArtclfError if there are none."""
    named = dict(body.named_modules())
    linear = [name for name in dict.fromkeys(modules) if isinstance(named.get(name), nn.Linear)]
    if not linear:
        raise ArtclfError("stages: lora trains linear layers, and what is unfrozen has none; choose a transformer")
    return linear


def add_lora(body: nn.Module, linear: list[str], rank: int) -> Any:
    """Add LoRA to linear layers of a body, in place; they alone train then.

    Args:
        body: images [B, 3, S, S] → features.
        linear: names of the layers, each of which gets a product of two matrices of this rank, scaled by 2.
        rank: the number of columns of the first matrix.

    Returns:
        peft's LoraModel, for `merged` and `merge_and_unload`.
    """
    from peft import LoraConfig  # noqa: PLC0415 (an extra)
    from peft.tuners.lora import LoraModel  # noqa: PLC0415

    return LoraModel(body, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=linear), "default")


def merged(adapters: Any, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A body's tensors with LoRA's → those of the body without it, which computes the same."""
    copied = deepcopy(adapters)
    copied.model.load_state_dict(state)
    tensors: dict[str, torch.Tensor] = copied.merge_and_unload().state_dict()
    return tensors
