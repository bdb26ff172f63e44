"""How fast `artclf predict` is, as a share of the network's own speed.

The network's own speed is that of a plain loop of torchvision's ResNet-50 over tensors that are ready, normalised and in the
device's best precision and layout. Both run in this process, in turn, with random weights (no speed depends on them) and with
memory kept as `artclf predict` keeps it, so that the loop has what it can. Pictures are drawn, JPEGs of 512 pixels a side.

The whole command, with loading Python's packages and the weights, is measured once more in a process of its own.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torchvision

from artclf.data.reader import ImageReader
from artclf.inference.predict import predict_files
from artclf.inference.score import BATCH
from artclf.model.backbones import IMAGENET
from artclf.model.classifier import ArtClassifier
from artclf.model.precision import PRECISIONS, autocast, resolve_precision
from artclf.runtime import keep_freed_memory
from benchmarks.pictures import draw_files
from benchmarks.results import interleaved

COMMAND = "import sys; from artclf.cli import app; sys.argv[0] = 'artclf'; app()"


def measure(repeat: int, *, quick: bool = False) -> dict[str, Any]:
    """Measure both sides in turn, every other time in the opposite order.

    Args:
        repeat: how many rounds.
        quick: a few small images: to see that it runs.

    Returns:
        ratio: a round each, images a second of `predict_files` by those of the loop; predict, network, command: images a
        second, the medians of the first two; command_ratio; pictures, precision, device.
    """
    pictures, size = (20, 64) if quick else (256, 224)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = resolve_precision("auto", "gpu" if device == "cuda" else "cpu")
    keep_freed_memory()
    with tempfile.TemporaryDirectory(prefix="artclf-predict-") as folder:
        files = draw_files(Path(folder) / "pictures", pictures)
        checkpoint = Path(folder) / "random.ckpt"
        model = write_checkpoint(checkpoint, size).to(device)
        loop = ready_loop(files, size, device, precision)

        def predict() -> float:
            began = time.perf_counter()
            predictions = list(predict_files(model, files, precision))
            seconds = time.perf_counter() - began
            if [each.path for each in predictions if not each.reason] != files:
                raise RuntimeError("not every image was predicted")
            return seconds

        interleaved(1, network=loop, predict=predict)  # to warm up
        seconds = interleaved(repeat, network=loop, predict=predict)
        began = time.perf_counter()
        words = [sys.executable, "-c", COMMAND, "predict", str(checkpoint), str(Path(folder) / "pictures")]
        subprocess.run(words, check=True, capture_output=True)
        command = time.perf_counter() - began
    own = pictures / median(seconds["network"])
    return {
        "ratio": [loop / whole for loop, whole in zip(seconds["network"], seconds["predict"], strict=True)],
        "predict": pictures / median(seconds["predict"]),
        "network": own,
        "command": pictures / command,
        "command_ratio": pictures / command / own,
        "pictures": pictures,
        "precision": precision,
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
    }


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


def ready_loop(files: list[Path], size: int, device: str, precision: str) -> Callable[[], float]:
    """The seconds of a plain loop over the files' pixels, which are ready in memory, in the batches of `artclf predict`."""
    bare = torchvision.models.resnet50(weights=None, num_classes=1).eval()
    bare = bare.to(device, memory_format=torch.channels_last)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in IMAGENET)
    batches = []
    for start in range(0, len(files), BATCH[device]):
        pixels = torch.stack([ImageReader(size).read(file) for file in files[start : start + BATCH[device]]])
        normalised = ((pixels.float() / 255 - mean) / std).to(device, PRECISIONS[precision], memory_format=torch.channels_last)
        batches.append(normalised)

    @torch.inference_mode()
    def loop() -> float:
        began = time.perf_counter()
        with autocast(precision, device):
            for batch in batches:
                logits = bare(batch)
        logits.tolist()  # on a GPU: when it is done
        return time.perf_counter() - began

    return loop
