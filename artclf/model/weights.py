"""Weights from files, as they are published: which of a file's tensors are a body's, and what is wrong where they are not."""

import argparse
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from artclf.errors import ArtclfError, reason_of

log = logging.getLogger(__name__)

State = Mapping[str, torch.Tensor]
AVERAGED = ("state_dict_ema", "model_ema", "ema", "teacher")  # preferred where a file holds several networks, as timm does
DEEPEST = 3  # mappings in one another
FEW = 3  # names in a message


def read_file(file: Path) -> dict[str, Any]:
    """Read tensors and plain values; no code of the file runs. ArtclfError where it is no file of weights.

    Args:
        file: what `torch.save` wrote, or a .safetensors file.
    """
    if not file.is_file():
        raise ArtclfError(f"model.weights={file}: there is no such file; allowed: auto, pretrained, none, or a file's path")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file  # noqa: PLC0415 (comes with timm, an extra)

            return dict(load_file(file))
        with torch.serialization.safe_globals([argparse.Namespace]):  # plain data, which training scripts put beside weights
            content = torch.load(file, map_location="cpu", weights_only=True)
        return dict(content)
    except ModuleNotFoundError as error:
        raise ArtclfError(f'model.weights={file}: reading it needs safetensors; type pip install -e ".[timm]"') from error
    except Exception as error:  # whatever a broken or a foreign file raises
        raise ArtclfError(
            f"model.weights={file}: is no file of weights that can be read safely (a state dict saved by torch.save, or "
            f".safetensors): {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    """What was refused, or what the error says."""
    if code := re.search(r"Unsupported (?:global: GLOBAL|class|operand) \S+", str(error)):
        return f"{code[0]}, which is neither a tensor nor a plain value"
    return reason_of(error)


def find_state(content: Mapping[str, Any], body: nn.Module) -> tuple[dict[str, torch.Tensor], str]:
    """Find a body's weights in a file: nested ("model", "state_dict", …) and under a prefix ("module.", "backbone.", …).

    Of all mappings in the file, and all prefixes of their keys, the one is taken in which most of the body's tensors are
    found; among equals an average of several steps.

    Returns:
        The weights, without their prefix, and the prefix.
    """
    wanted = body.state_dict()
    found = []
    for name, state in _states(content):
        tensors = {key.replace("_orig_mod.", ""): value for key, value in state.items()}  # of torch.compile
        for prefix in _prefixes(tensors, wanted):
            inside = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            found.append((len(wanted) - len(_misfits(inside, wanted)), name in AVERAGED, inside, prefix))
    _, averaged, weights, prefix = max(found, key=lambda one: one[:2], default=(0, False, {}, ""))
    if averaged:
        log.info("of the networks in this file, the average of several steps is taken")
    return weights, prefix


def _states(content: Mapping[str, Any], name: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """Every mapping in a file that holds tensors, with its name."""
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, torch.Tensor)}
    if tensors:
        yield name, tensors
    for key, value in content.items():
        if isinstance(value, Mapping) and depth < DEEPEST:
            yield from _states(value, str(key), depth + 1)


def _prefixes(tensors: State, wanted: State) -> list[str]:
    """No prefix, and what stands before the first wanted name that is found ("module." before "conv1.weight")."""
    ends = ({key.removesuffix(name) for key in tensors if f".{key}".endswith(f".{name}")} for name in wanted)
    return ["", *next(filter(None, ends), ())]


def load_body(body: nn.Module, state: State, source: str, name: str) -> None:
    """Load weights into a body, without those of a classification head.

    Where they do not fit a body of timm's as they are, timm's own conversion of published weights is tried, which also resizes
    the position embeddings of a ViT.

    Raises:
        ArtclfError: where they do not fit, or are not finite.
    """
    wanted = body.state_dict()
    convert = getattr(sys.modules.get(type(body).__module__), "checkpoint_filter_fn", None)
    if convert is not None and _misfits(state, wanted):
        try:
            state = convert(dict(state), body)
        except Exception as error:  # noqa: BLE001 (it expects certain names, and raises anything at others: then they do not fit)
            log.debug("timm can't convert %s: %s", source, error)
    if misfits := _misfits(state, wanted):
        first = misfits[0]
        got = f"is {list(state[first].shape)}" if first in state else "is missing"
        unknown = [key for key in state if key not in wanted]
        more = f"; unknown: {', '.join(unknown[:FEW])}{', …' if len(unknown) > FEW else ''}" if unknown else ""
        raise ArtclfError(
            f"{source}: does not fit {name}: {len(misfits)} of {len(wanted)} tensors differ ({first} {got}; {name} has "
            f"{list(wanted[first].shape)}{more}); choose the model that the weights are of"
        )
    if bad := not_finite(state):
        raise ArtclfError(f"{source}: holds NaN or infinite values, in {bad}; take another file")
    body.load_state_dict({key: state.get(key, value) for key, value in wanted.items()})


def _misfits(state: State, wanted: State) -> list[str]:
    """The names that a body needs and a state lacks, or has in another shape."""
    return [
        key
        for key, value in wanted.items()
        if (state[key].shape != value.shape if key in state else not key.endswith("num_batches_tracked"))  # old files lack it
    ]


def not_finite(state: State) -> str | None:
    """The name of the first tensor that holds NaN or infinity."""
    return next((key for key, value in state.items() if value.is_floating_point() and not value.isfinite().all()), None)
