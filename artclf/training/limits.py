"""What this machine has no device or memory for is refused before any work, with what it would take and what there is."""

import os
from functools import lru_cache
from typing import Any

import torch
from omegaconf import DictConfig
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from artclf.config.schema import Config, TrainerConfig
from artclf.errors import ArtclfError
from artclf.model.backbones import Backbone, dry_run
from artclf.model.heads import HEADS, Head
from artclf.runtime import cores, memory

TRAINED_BYTES = 16  # of a parameter in 32 bits: itself, its gradient, and Adam's two moments


def require_devices(trainer: TrainerConfig) -> None:
    """Check that this machine has the devices that are asked for; else raise an ArtclfError."""
    if trainer.accelerator == "gpu" and not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        raise ArtclfError("trainer.accelerator=gpu: there is no GPU that torch can use here; type trainer=cpu or trainer=auto")
    if isinstance(trainer.devices, int) and "SLURM_PROCID" not in os.environ:  # srun starts those itself
        gpus = torch.cuda.device_count() if trainer.accelerator != "cpu" else 0
        available, what = (gpus, "GPU") if gpus else (cores(), "CPU core")
        if trainer.devices > available:
            raise ArtclfError(
                f"trainer.devices={trainer.devices}: allowed on this machine: up to {available}, one for each {what}"
            )


def require_memory(config: Config, backbone: Backbone, precision: str) -> None:
    """Check that a network and a batch fit into the memory of the device that trains; else raise an ArtclfError.

    A lower bound is counted: parameters with their gradients and moments, and for each image the outputs of all layers where
    all train, else of the largest.
    """
    random = backbone.weights == "random"
    all_train = any(stage.unfreeze == "all" or (stage.unfreeze == "auto" and random) for stage in config.stages.values())
    in_body, in_head = (sum(p.numel() for p in part.parameters()) for part in (backbone.body, _head(config, backbone)))
    fixed = TRAINED_BYTES * in_head + (TRAINED_BYTES if all_train else 4) * in_body
    gpu = config.trainer.accelerator != "cpu" and torch.cuda.is_available()
    available = torch.cuda.get_device_properties(0).total_memory if gpu else memory()
    size, batch = int(config.data.image_size), config.data.batch_size
    if gpu:
        batch = max(1, batch // processes(config.trainer))
    all_outputs, largest = output_sizes(backbone.body, size)
    image = (all_outputs if all_train else 2 * largest) * (4 if precision == "32-true" else 2)
    if (needed := fixed + batch * image) > available:
        most = (available - fixed) // image
        allowed = f"allowed at this size: data.batch_size={most} at most" if most > 0 else "type a smaller image size or head"
        raise ArtclfError(
            f"data.batch_size={config.data.batch_size} data.image_size={size}: with {config.model.name} and "
            f"{in_head + in_body:,} parameters a step takes at least {needed / 1e9:,.1f} GB; this machine has "
            f"{available / 1e9:,.1f} GB; {allowed}"
        )


def require_batch(config: Config, backbone: Backbone) -> None:
    """Check that batch normalisation gets more than one value per channel where it trains; else raise an ArtclfError."""
    count = processes(config.trainer)
    if config.data.batch_size // count > 1:
        return
    frozen = (0,) if backbone.weights == "random" else (0, "auto")
    where, other = f"head={config.head.name}", "head=linear"
    try:  # with one image, on torch's meta device
        head = _head(config, backbone)
        head(torch.empty(1, *((1,) if head.of_patches else ()), backbone.features, device="meta"))
        if any(stage.unfreeze not in frozen for stage in config.stages.values()):
            where, other = f"{config.model.name} at data.image_size={backbone.image_size}", "a larger data.image_size"
            dry_run(backbone.body, backbone.image_size, batch=1, training=True)
    except ValueError as error:  # of torch's batch normalisation
        if "more than 1 value" not in str(error):
            raise
        raise ArtclfError(
            f"data.batch_size={config.data.batch_size}: each step and device would see one image, and batch normalisation in "
            f"{where} needs more than one value; type data.batch_size={2 * count} or more, or {other}"
        ) from error


def _head(config: Config, backbone: Backbone) -> Head:
    with torch.device("meta"):
        return HEADS[config.head.name](features=backbone.features, **config.head.options)


def processes(trainer: TrainerConfig | DictConfig) -> int:
    """How many processes share a batch: one for each device."""
    gpus = torch.cuda.device_count() if trainer.accelerator != "cpu" else 0
    return (max(1, gpus) if trainer.devices == "auto" else int(trainer.devices)) * trainer.num_nodes


@lru_cache(maxsize=1)  # the runs of a multirun share the body
def output_sizes(body: nn.Module, size: int) -> tuple[int, int]:
    """How many numbers a body's layers output for one image [1, 3, size, size]: all together, and the largest one.

    It is counted on torch's meta device, without in-place outputs.
    """
    counts = [0]

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        if not any(module.children()) and isinstance(output, torch.Tensor) and not any(output is value for value in inputs):
            counts.append(output.numel())

    with register_module_forward_hook(count):
        dry_run(body, size, batch=1)
    return sum(counts), max(counts)
