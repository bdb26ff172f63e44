"""The same work as a bare PyTorch loop, in the best precision, on tensors that are ready in memory: the limit.

`all_layers` trains all layers and gives the seconds of each epoch. `parts` gives what the seed's job costs at the least, part
by part: decoding each image once, one pass of the frozen prefix over what is trained on and evaluated, then both stages on
what the prefix gave. No checkpoints, no figures, no report.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.models import ResNet, resnet50

from benchmarks.peers.pictures import MEAN, STD, Item, balanced, read_split

THREADS = 2  # that decode, as many as the others have workers
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def best_precision() -> torch.dtype:
    """bfloat16 where the device multiplies it in hardware, else 32-bit."""
    if DEVICE.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability() >= (8, 0) else torch.float16
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return torch.bfloat16 if any(ask() for ask in asked if ask is not None) else torch.float32


PRECISION = best_precision()


def now() -> float:
    """Seconds, once the device has done what it was given."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def decode(items: list[Item], size: int) -> torch.Tensor:
    """Decode each different file once, in threads, and scale it: uint8 [N, 3, size, size] of all items, on the CPU.

    Copies are the images themselves: that altering them costs nothing is a gift to this side.
    """
    files = list(dict.fromkeys(item.file for item in items))
    pixels = torch.empty(len(files), size, size, 3, dtype=torch.uint8)

    def read(row: int) -> None:
        with Image.open(files[row]) as image:
            image.draft("RGB", (size, size))  # a JPEG is decoded at a half, a quarter or an eighth where that is still enough
            picture = image.convert("RGB")
        scale = size / min(picture.size)
        scaled = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BILINEAR)
        left, top = (scaled.width - size) // 2, (scaled.height - size) // 2
        pixels[row] = torch.from_numpy(np.array(scaled.crop((left, top, left + size, top + size))))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(read, range(len(files))))
    rows = {file: row for row, file in enumerate(files)}
    return pixels[[rows[item.file] for item in items]].permute(0, 3, 1, 2)


def ready(pixels: torch.Tensor) -> torch.Tensor:
    """Normalised, channels-last, in the best precision and on the device."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    parts = [((part.float() / 255 - mean) / std).to(PRECISION) for part in batches(pixels, 256)]
    return torch.cat(parts).to(DEVICE, memory_format=torch.channels_last)


def build(weights: Any) -> tuple[ResNet, nn.Module]:
    """The body with its weights, and a new head."""
    body = resnet50(weights=None)
    body.fc = nn.Identity()
    body.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    head = nn.Sequential(
        nn.Linear(2048, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(256, 1)
    )
    return body.to(DEVICE, memory_format=torch.channels_last), head.to(DEVICE)


def train_epoch(model: nn.Module, inputs: torch.Tensor, target: torch.Tensor, optimizer: Any, batch_size: int) -> None:
    """One epoch over all inputs [N, …], in a new order."""
    model.train()
    for rows in batches(torch.randperm(len(inputs), device=inputs.device), batch_size):
        if len(rows) == 1:
            continue  # batch normalisation can't be trained on one
        with autocast():
            logit = model(inputs[rows]).squeeze(1)
        loss = nn.functional.binary_cross_entropy_with_logits(logit.float(), target[rows])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()


@torch.inference_mode()
def through(model: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor, batch_size: int) -> torch.Tensor:
    """What a model in eval mode gives for all inputs [N, …]."""
    outputs = []
    for part in batches(inputs, batch_size):
        with autocast():
            outputs.append(model(part))
    return torch.cat(outputs)


def batches(inputs: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
    """Views of `size` rows, the last of fewer."""
    return (inputs[start : start + size] for start in range(0, len(inputs), size))


def autocast() -> torch.autocast:
    """In the best precision."""
    return torch.autocast(DEVICE.type, dtype=PRECISION, enabled=PRECISION is not torch.float32)


def adam(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    """Fused, over all of the model."""
    return torch.optim.Adam(model.parameters(), lr=rate, fused=True)


def all_layers(manifest: Path, root: Path, weights: Path, image_size: int, epochs: int, batch_size: int = 32) -> dict[str, Any]:
    """Seconds of each epoch of training all layers."""
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    items = balanced(read_split(manifest, root, "train"))
    inputs, target = ready(decode(items, image_size)), torch.tensor([item.target for item in items], device=DEVICE)
    model = nn.Sequential(*build(weights))
    optimizer = adam(model, 1e-4)
    seconds = []
    for _ in range(epochs):
        began = now()
        train_epoch(model, inputs, target, optimizer, batch_size)
        seconds.append(now() - began)
    return {"pictures": len(items), "epochs": seconds}


def parts(manifest: Path, root: Path, weights: Path, image_size: int, epochs: int, batch_size: int = 32) -> dict[str, float]:
    """Seconds of each part of the seed's job."""
    torch.manual_seed(0)
    splits = {split: read_split(manifest, root, split) for split in ("train", "val", "test")}
    splits["train"] = balanced(splits["train"])
    seconds: dict[str, float] = {}

    def timed(name: str, part: Callable[[], Any]) -> Any:
        began = now()
        found = part()
        seconds[name] = now() - began
        return found

    pixels = timed("decoding once", lambda: decode([item for split in splits.values() for item in split], image_size))
    inputs = ready(pixels)
    body, head = build(weights)
    body.eval()
    prefix = nn.Sequential(*list(body.children())[:7], body.layer4[:2])
    last = nn.Sequential(body.layer4[2], nn.AdaptiveAvgPool2d(1), nn.Flatten())
    kept = timed("prefix once", lambda: through(prefix, inputs, batch_size))
    features = timed("layer4.2 once", lambda: through(last, kept, batch_size))
    trained, tested = len(splits["train"]), len(splits["test"])
    target = torch.tensor([item.target for item in splits["train"]], device=DEVICE)

    def stage(model: nn.Module, given: torch.Tensor, rate: float) -> None:
        optimizer = adam(model, rate)
        for _ in range(epochs):
            train_epoch(model, given[:trained], target, optimizer, batch_size)
            through(model.eval(), given[trained:-tested], batch_size)

    kept, features = kept.clone(), features.clone()  # tensors made in inference mode can't be trained on
    whole = nn.Sequential(last, head)
    timed("head stage", lambda: stage(head, features, 1e-3))
    timed("last10 stage", lambda: stage(whole, kept, 1e-5))
    timed("test", lambda: through(whole.eval(), kept[-tested:], batch_size))
    return seconds
