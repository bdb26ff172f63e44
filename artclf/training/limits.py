"""Sizes that this machine has no room for are refused before any work, with what they would take and what there is."""

import os
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from artclf.cache.folder import cache_folder
from artclf.config.schema import Config
from artclf.data.demo.draw import FOLDERS
from artclf.errors import ArtclfError
from artclf.model.backbones import Backbone
from artclf.model.heads import HEADS
from artclf.model.layers import evaluating
from artclf.runtime import cores, memory

WORKERS_PER_CORE = 4
FEWEST_WORKERS = 8  # that are allowed on any machine
TRAINED_BYTES = 16  # of a parameter in 32 bits: itself, its gradient, and Adam's two moments


def size_mistakes(config: Config) -> Iterator[str]:
    """Yield a line for every number of a configuration that this machine has no room for."""
    data, trainer = config.data, config.trainer
    if isinstance(trainer.devices, int) and "SLURM_PROCID" not in os.environ:  # srun starts those itself
        gpus = torch.cuda.device_count() if trainer.accelerator != "cpu" else 0
        available, what = (gpus, "GPU") if gpus else (cores(), "CPU core")
        if trainer.devices > available:
            yield f"trainer.devices={trainer.devices}: allowed on this machine: up to {available}, one for each {what}"
    workers = max(FEWEST_WORKERS, WORKERS_PER_CORE * cores())
    if data.num_workers > workers:
        yield f"data.num_workers={data.num_workers}: allowed on this machine: up to {workers}"
    if data.source == "demo" and data.demo is not None:
        demo = data.demo
        needed = len(FOLDERS) * (demo.train_per_folder + demo.test_per_folder) * demo.size**2  # about a byte a pixel, as PNG
        place = Path(data.root).expanduser().absolute() if data.root else cache_folder().absolute()
        free = shutil.disk_usage(next(folder for folder in (place, *place.parents) if folder.exists())).free
        if needed > free:
            yield (
                f"data.demo: {len(FOLDERS)} folders of {demo.train_per_folder} + {demo.test_per_folder} images take about "
                f"{_gb(needed)}, and {_gb(free)} are free; type a smaller data.demo.train_per_folder or test_per_folder"
            )


def require_memory(config: Config, backbone: Backbone, precision: str) -> None:
    """Refuse a network or a batch that does not fit into the memory of the device that trains, with an ArtclfError.

    A lower bound is counted: parameters with their gradients and moments, and for each image the outputs of all layers where
    all train, else of the largest.
    """
    with torch.device("meta"):
        head = HEADS[config.head.name](features=backbone.features, **config.head.options)
    random = backbone.weights == "random"
    all_train = any(stage.unfreeze == "all" or (stage.unfreeze == "auto" and random) for stage in config.stages.values())
    in_body, in_head = (sum(parameter.numel() for parameter in part.parameters()) for part in (backbone.body, head))
    fixed = TRAINED_BYTES * in_head + (TRAINED_BYTES if all_train else 4) * in_body
    gpu = config.trainer.accelerator != "cpu" and torch.cuda.is_available()
    available = torch.cuda.get_device_properties(0).total_memory if gpu else memory()
    if fixed > available:
        chosen = " ".join(f"head.{name}={value}" for name, value in config.head.options.items())
        raise ArtclfError(
            f"{chosen}: a network of {in_head + in_body:,} parameters takes {_gb(fixed)} while it trains; this machine has "
            f"{_gb(available)}; type a smaller head"
        )
    size, batch = config.data.image_size, config.data.batch_size
    if gpu and isinstance(config.trainer.devices, int):
        batch = max(1, batch // (config.trainer.devices * config.trainer.num_nodes))
    all_outputs, largest = output_sizes(backbone.body, size)
    image = (all_outputs if all_train else 2 * largest) * (4 if precision == "32-true" else 2)
    if (needed := fixed + batch * image) > available:
        most = (available - fixed) // image
        allowed = f"allowed at this size: data.batch_size={most} at most" if most else "type a smaller data.image_size"
        raise ArtclfError(
            f"data.batch_size={config.data.batch_size} data.image_size={size}: with {config.model.name} a step takes at least "
            f"{_gb(needed)}; this machine has {_gb(available)}; {allowed}"
        )


@lru_cache(maxsize=1)  # the runs of a multirun share the body
def output_sizes(body: nn.Module, size: int) -> tuple[int, int]:
    """Count the numbers that a body's layers output for one image [1, 3, size, size], on torch's meta device.

    Returns:
        Of all layers together, and of the largest one. In-place outputs are not counted.
    """
    counts = [0]

    def count(_: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and not any(output is value for value in inputs):
            counts.append(output.numel())

    hooks = [module.register_forward_hook(count) for module in body.modules() if not any(module.children())]
    state = {name: tensor.detach().to("meta") for name, tensor in [*body.named_parameters(), *body.named_buffers()]}
    try:
        with evaluating(body), torch.inference_mode():
            functional_call(body, state, (torch.empty(1, 3, size, size, device="meta"),))
    finally:
        for hook in hooks:
            hook.remove()
    return sum(counts), max(counts)


def _gb(size: float) -> str:
    return f"{size / 1e9:,.3g} GB" if size < 1e12 else f"{size / 1e9:,.0f} GB"
