"""The same work as a bare PyTorch loop, in the best precision, on tensors that are ready in memory: the limit.

No checkpoints, no figures, no report.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn

from artclf.model.precision import PRECISIONS, autocast, resolve_precision
from benchmarks.peers.images import MEAN, STD, Item, build, now, read_splits

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
THREADS = 2  # that decode, as many as the others have workers
PRECISION = resolve_precision("auto", "gpu" if DEVICE.type == "cuda" else "cpu")
DTYPE = PRECISIONS[PRECISION] or torch.float32


def decode(items: list[Item], size: int) -> torch.Tensor:
    """Decode each different file once, in threads: uint8 [N, 3, size, size] on the CPU. Copies are the images themselves."""
    files = list(dict.fromkeys(item.file for item in items))

    def read(file: Path) -> torch.Tensor:
        with Image.open(file) as image:
            image.draft("RGB", (size, size))  # a JPEG is decoded at a half, a quarter or an eighth where that is enough
            fitted = ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(fitted)).permute(2, 0, 1)

    with ThreadPoolExecutor(THREADS) as pool:
        pixels = dict(zip(files, pool.map(read, files), strict=True))
    return torch.stack([pixels[item.file] for item in items])


def ready(pixels: torch.Tensor) -> torch.Tensor:
    """Normalised, channels-last, in the best precision and on the device."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    parts = [((part.float() / 255 - mean) / std).to(DTYPE) for part in torch.split(pixels, 256)]
    return torch.cat(parts).to(DEVICE, memory_format=torch.channels_last)


def targets(items: list[Item]) -> torch.Tensor:
    """On the device."""
    return torch.tensor([item.target for item in items], device=DEVICE)


def train_epoch(model: nn.Module, inputs: torch.Tensor, target: torch.Tensor, optimizer: Any, batch_size: int) -> None:
    """One epoch over all inputs [N, …], in a new order."""
    model.train()
    for rows in torch.split(torch.randperm(len(inputs), device=DEVICE), batch_size):
        if len(rows) == 1:
            continue  # batch normalisation can't be trained on one
        with autocast(PRECISION, DEVICE.type):
            logit = model(inputs[rows]).squeeze(1)
        loss = nn.functional.binary_cross_entropy_with_logits(logit.float(), target[rows])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()


@torch.no_grad()
def through(model: nn.Module, inputs: torch.Tensor, batch_size: int) -> torch.Tensor:
    """What a model in eval mode gives for all inputs [N, …]."""
    with autocast(PRECISION, DEVICE.type):
        return torch.cat([model(part) for part in torch.split(inputs, batch_size)])


def timed_epochs(model: nn.Module, inputs: torch.Tensor, target: torch.Tensor, epochs: int, batch_size: int) -> list[float]:
    """Seconds of each epoch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    seconds = []
    for _ in range(epochs):
        began = now()
        train_epoch(model, inputs, target, optimizer, batch_size)
        seconds.append(now() - began)
    return seconds


def head_alone(images: int, epochs: int, batch_size: int = 32) -> list[float]:
    """Seconds of each epoch of training the head on random features of so many images."""
    inputs, target = torch.rand(images, 2048, device=DEVICE, dtype=DTYPE), torch.ones(images, device=DEVICE)
    return timed_epochs(build()[1].to(DEVICE), inputs, target, epochs, batch_size)


def all_layers(
    manifest: Path, root: Path, image_size: int, epochs: int, weights: Path | None = None, batch_size: int = 32
) -> dict[str, Any]:
    """Seconds of each epoch of training all layers."""
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    items = read_splits(manifest, root)["train"]
    inputs, target = ready(decode(items, image_size)), targets(items)
    body, head = build(weights)
    body.to(DEVICE, memory_format=torch.channels_last)
    model = nn.Sequential(body, head.to(DEVICE))
    return {"images": len(items), "epochs": timed_epochs(model, inputs, target, epochs, batch_size)}


def parts(manifest: Path, root: Path, weights: Path, image_size: int, epochs: int, batch_size: int = 32) -> dict[str, float]:
    """Seconds of the least that the seed's job costs, part by part."""
    torch.manual_seed(0)
    splits = read_splits(manifest, root)
    trained, tested = len(splits["train"]), len(splits["test"])
    target = targets(splits["train"])
    seconds: dict[str, float] = {}

    def timed(name: str, part: Callable[[], torch.Tensor]) -> torch.Tensor:
        began = now()
        found = part()
        seconds[name] = now() - began
        return found

    inputs = ready(timed("decoding once", lambda: decode([item for split in splits.values() for item in split], image_size)))
    body, head = build(weights)
    body.to(DEVICE, memory_format=torch.channels_last).eval()
    head.to(DEVICE)
    prefix = nn.Sequential(*list(body.children())[:7], body.layer4[:2])
    last = nn.Sequential(body.layer4[2], nn.AdaptiveAvgPool2d(1), nn.Flatten())
    kept = timed("prefix once", lambda: through(prefix, inputs, batch_size))
    features = timed("layer4.2 once", lambda: through(last, kept, batch_size))

    def stage(model: nn.Module, given: torch.Tensor, rate: float) -> torch.Tensor:
        optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
        for _ in range(epochs):
            train_epoch(model, given[:trained], target, optimizer, batch_size)
            through(model.eval(), given[trained:-tested], batch_size)
        return given

    whole = nn.Sequential(last, head)
    timed("head stage", lambda: stage(head, features, 1e-3))
    timed("last10 stage", lambda: stage(whole, kept, 1e-5))
    timed("test", lambda: through(whole.eval(), kept[-tested:], batch_size))
    return seconds
