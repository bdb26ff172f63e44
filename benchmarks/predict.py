"""How fast `artclf predict` is, as a share of the network's own speed: `python -m benchmarks.predict`.

The network's own speed is that of a plain loop of torchvision's ResNet-50 over tensors that are ready, normalised and in the
device's best precision and layout. Both run in this process, in turn, with random weights (no speed depends on them) and with
memory kept as `artclf predict` keeps it, so that the loop has what it can. Pictures are drawn, JPEGs of 512 pixels a side.

The whole command, with loading Python's packages and the weights, is measured once more in a process of its own.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import torchvision
from PIL import Image

from artclf.data.demo.draw import STYLES, draw_picture
from artclf.data.reader import ImageReader
from artclf.inference.predict import predict_files
from artclf.inference.score import BATCH
from artclf.model.backbones import IMAGENET
from artclf.model.classifier import ArtClassifier
from artclf.model.precision import PRECISIONS, autocast, resolve_precision
from artclf.runtime import keep_freed_memory

DIFFERENT = 32  # drawn pictures; the others are links to them
COMMAND = "import sys; from artclf.cli import app; sys.argv[0] = 'artclf'; app()"


def measure(pictures: int = 256, repeat: int = 7, *, size: int = 224, quick: bool = False) -> dict[str, Any]:
    """Measure both sides in turn, every other time in the opposite order.

    Args:
        pictures: how many a round.
        repeat: how many rounds.
        size: pixels a side that the network is shown.
        quick: a few small pictures: to see that it runs.

    Returns:
        ratio: a round each, pictures a second of `predict_files` by those of the loop; predict, network, command: pictures a
        second, the medians of the first two; command_ratio; pictures, precision, device.
    """
    if quick:
        pictures, size = min(pictures, 20), 64
    device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = resolve_precision("auto", "gpu" if device == "cuda" else "cpu")
    keep_freed_memory()
    with tempfile.TemporaryDirectory(prefix="artclf-predict-") as folder:
        files = draw_files(Path(folder) / "pictures", pictures)
        checkpoint = Path(folder) / "random.ckpt"
        model = write_checkpoint(checkpoint, size).to(device)
        network = ready_loop(files, size, device, precision)

        def predict() -> None:
            told = list(predict_files(model, files, precision))
            assert [prediction.path for prediction in told] == files
            assert not any(prediction.reason for prediction in told)

        seconds: dict[Callable[[], None], list[float]] = {network: [], predict: []}
        for turn in range(repeat + 1):
            for side in list(seconds) if turn % 2 else reversed(list(seconds)):
                taken = timed(side)
                if turn:  # the first is to warm up
                    seconds[side].append(taken)
        began = time.perf_counter()
        words = [sys.executable, "-c", COMMAND, "predict", str(checkpoint), str(Path(folder) / "pictures")]
        printed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        command = time.perf_counter() - began
        assert len(printed.splitlines()) == 1 + pictures
    own = pictures / median(seconds[network])
    return {
        "ratio": [loop / whole for loop, whole in zip(seconds[network], seconds[predict], strict=True)],
        "predict": pictures / median(seconds[predict]),
        "network": own,
        "command": pictures / command,
        "command_ratio": pictures / command / own,
        "pictures": pictures,
        "precision": precision,
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
    }


def draw_files(folder: Path, number: int) -> list[Path]:
    """Draw JPEGs of 512 pixels a side; beyond the first few they are hard links to these."""
    folder.mkdir()
    files = [folder / f"{serial:06}.jpg" for serial in range(number)]
    for serial, file in enumerate(files):
        if serial >= DIFFERENT:
            os.link(files[serial % DIFFERENT], file)
            continue
        pixels = draw_picture(list(STYLES)[serial % len(STYLES)], np.random.default_rng(serial), 256)
        Image.fromarray(pixels).resize((512, 512)).save(file, quality=95)
    return files


def write_checkpoint(file: Path, size: int) -> ArtClassifier:
    """Build ResNet-50 with random weights as a run would, and keep it in a checkpoint."""
    model = ArtClassifier(
        "torchvision",
        "resnet50",
        head={"name": "linear"},
        loss={"name": "bce"},
        mean=IMAGENET[0],
        std=IMAGENET[1],
        interpolation="bilinear",
        image_size=size,
    )
    torch.save({"hyper_parameters": dict(model.hparams), "state_dict": model.state_dict()}, file)
    return model.eval()


def ready_loop(files: list[Path], size: int, device: str, precision: str) -> Callable[[], None]:
    """A plain loop over the files' pixels, which are ready in memory, in batches of the size that `artclf predict` takes."""
    bare = torchvision.models.resnet50(weights=None, num_classes=1).eval()
    bare = bare.to(device, memory_format=torch.channels_last)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in IMAGENET)
    batches = []
    for start in range(0, len(files), BATCH[device]):
        pixels = torch.stack([ImageReader(size).read(file) for file in files[start : start + BATCH[device]]])
        normalised = ((pixels.float() / 255 - mean) / std).to(device, PRECISIONS[precision], memory_format=torch.channels_last)
        batches.append(normalised)

    @torch.inference_mode()
    def loop() -> None:
        with autocast(precision, device):
            for batch in batches:
                logits = bare(batch)
        logits.tolist()  # on a GPU: when it is done

    return loop


def timed(side: Callable[[], None]) -> float:
    """Seconds."""
    began = time.perf_counter()
    side()
    return time.perf_counter() - began


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.predict", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=256, help="how many a round (default 256)")
    parser.add_argument("--repeat", type=int, default=7, help="rounds (default 7)")
    parser.add_argument("--quick", action="store_true", help="a few small pictures: figures mean nothing")
    chosen = parser.parse_args()
    found = measure(chosen.pictures, chosen.repeat, quick=chosen.quick)
    ratios = found["ratio"]
    print(
        f"predict {found['predict']:.1f} pictures/s, the network alone {found['network']:.1f}: "
        f"{median(ratios):.1%} ({min(ratios):.1%}–{max(ratios):.1%}, {len(ratios)} rounds of {found['pictures']} pictures, "
        f"{found['precision']}, {found['device']}); the whole command {found['command']:.1f} pictures/s: "
        f"{found['command_ratio']:.1%}"
    )


if __name__ == "__main__":
    main()
