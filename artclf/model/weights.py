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

from artclf.errors import ArtclfError

log = logging.getLogger(__name__)

State = Mapping[str, torch.Tensor]
AVERAGED = ("state_dict_ema", "model_ema", "ema", "teacher")  # preferred where a file holds several networks, as timm does
FEW = 3  # names in a message


def read_file(file: Path) -> dict[str, Any]:
    """Read tensors and plain values; no code of the file runs. ArtclfError where it is no file of weights.

    Args:
        file: what `torch.save` wrote, or a .safetensors file.
    """
    if not file.is_file():
        raise ArtclfError(f"model.weights={file}: there is no such file; allowed: auto, imagenet, none, or a file's path")
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
    """What was refused, or the first line of an error."""
    if code := re.search(r"Unsupported (?:global: GLOBAL|class|operand) \S+", str(error)):
        return f"{code[0]}, which is neither a tensor nor a plain value"
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def find_state(content: Mapping[str, Any], body: nn.Module) -> tuple[dict[str, torch.Tensor], str]:
    """Find a body's weights in a file: nested ("model", "state_dict", …) and under a prefix ("module.", "backbone.", …).

    Returns:
        The state that fits best, without its prefix, and the prefix.
    """
    wanted = body.state_dict()
    best: tuple[int, dict[str, torch.Tensor], str] = (-1, {}, "")
    taken = ""
    for name, state in sorted(_states(content), key=lambda found: found[0] not in AVERAGED):
        tensors = {key.replace("_orig_mod.", ""): value for key, value in state.items()}
        for prefix in _prefixes(tensors, wanted):
            inside = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            fits = sum(key in inside and inside[key].shape == value.shape for key, value in wanted.items())
            if fits > best[0]:
                best, taken = (fits, inside, prefix), name
    if taken in AVERAGED:
        log.info("of the networks in this file, %s is taken: the average of several steps", taken)
    return best[1], best[2]


def _states(content: Mapping[str, Any], name: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """Every mapping in a file that holds tensors, with its name."""
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, torch.Tensor)}
    if tensors:
        yield name, tensors
    for key, value in content.items():
        if isinstance(value, Mapping) and depth < 3:
            yield from _states(value, str(key), depth + 1)


def _prefixes(tensors: State, wanted: State) -> set[str]:
    """What may stand before the names that are wanted: what stands before the first of them that is there, and nothing."""
    for name in wanted:
        if found := {key.removesuffix(name) for key in tensors if key.endswith(name)}:
            return {prefix for prefix in found if not prefix or prefix.endswith(".")} | {""}
    return {""}


def load_body(body: nn.Module, state: State, source: str, name: str) -> None:
    """Load weights into a body, without those of a classification head.

    Where they do not fit a body of timm's as they are, timm's own conversion of published weights is tried, which also resizes
    the position embeddings of a ViT.

    Raises:
        ArtclfError: where they do not fit, or are not finite.
    """
    wanted = body.state_dict()
    convert = getattr(sys.modules.get(type(body).__module__), "checkpoint_filter_fn", None)
    if convert is not None and _missing(state, wanted):
        try:
            state = convert(dict(state), body)
        except Exception as error:  # noqa: BLE001 (it expects certain names, and raises anything at others: then they do not fit)
            log.debug("timm can't convert %s: %s", source, error)
    if missing := _missing(state, wanted):
        raise ArtclfError(f"{source}: {_misfit(missing, state, wanted, name)}; choose the model that the weights are of")
    if bad := not_finite(state):
        raise ArtclfError(f"{source}: holds NaN or infinite values, in {bad}; take another file")
    # files of old versions of torch do not count batches
    body.load_state_dict({key: state.get(key, value) for key, value in wanted.items()})


def _missing(state: State, wanted: State) -> list[str]:
    """The names that a body needs and a state lacks, or has in another shape."""
    return [
        key
        for key, value in wanted.items()
        if (key in state and state[key].shape != value.shape) or (key not in state and not key.endswith("num_batches_tracked"))
    ]


def _misfit(missing: list[str], state: State, wanted: State, name: str) -> str:
    first = missing[0]
    found = f"is {list(state[first].shape)}" if first in state else "is missing"
    unknown = [key for key in state if key not in wanted]
    absent = [key for key in missing if key not in state]
    more = f"; missing: {', '.join(absent[:FEW])}{', …' if len(absent) > FEW else ''}" if absent else ""
    more += f"; unknown: {', '.join(unknown[:FEW])}{', …' if len(unknown) > FEW else ''}" if unknown else ""
    return (
        f"does not fit {name}: {len(missing)} of {len(wanted)} tensors differ ({first} {found}; {name} has "
        f"{list(wanted[first].shape)}{more})"
    )


def not_finite(state: State) -> str | None:
    """The name of the first tensor that holds NaN or infinity."""
    return next((key for key, value in state.items() if value.is_floating_point() and not value.isfinite().all()), None)
