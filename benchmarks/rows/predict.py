"""How fast `artclf predict` is, as a share of the network's own speed.

The network's own speed is that of a plain loop of torchvision's ResNet-50 over tensors that are ready, normalised and in the
device's best precision and layout. Both run in one process, in turn, with random weights.
"""

import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench import Bench
from benchmarks.pictures import distinct_path, draw
from benchmarks.results import Figure, number, ratios, timed


def predict(bench: Bench) -> tuple[list[Figure], list[str]]:
    """`artclf predict` on a folder, against the network alone.

    In a child, as what it imports is large. It takes 2 minutes on 2 cores.
    """
    found, _ = bench.call("rows.predict.measure", repeat=bench.repeat, quick=bench.quick)
    share = found.pop("share")
    listed = ", ".join(f"{name} {number(value) if isinstance(value, float) else value}" for name, value in found.items())
    return [Figure("predict, share of the network's own speed", share, "", "≥ 0.85")], [f"{listed}."]


def predict_memory(bench: Bench) -> tuple[list[Figure], list[str]]:
    """How much more memory `artclf predict` takes for ten times as many images.

    A small image size, as only the number matters. A round takes a minute on 2 cores.
    """
    counts = (100, 1000) if bench.quick else (1000, 10_000)
    memory: dict[int, list[float]] = {count: [] for count in counts}
    with bench.temporary() as folder:
        root = bench.distinct(folder, counts[-1], 64)
        for _ in range(bench.repeat):
            for count in counts:
                _, done = bench.call("rows.predict.predict_many", sample=True, images=root, count=count)
                memory[count].append(done.memory / 1e6)
    what = f"predict, memory with {counts[1]:,} images, times that with {counts[0]:,}"
    return [Figure.ratio(what, memory[counts[1]], memory[counts[0]], " MB", "≤ 1.1")], []


def predict_many(images: Path, count: int) -> None:
    """Predict so many images, one after the other, with memory handled as the command does."""
    from artclf.runtime import keep_freed_memory  # noqa: PLC0415 (which benchmarks' own process does without)

    keep_freed_memory()
    predictions = _model(32, "cpu", "32-true").predictions(Path(images, distinct_path(serial)) for serial in range(count))
    if sum(not found.reason for found in predictions) != count:
        raise RuntimeError("not every image was predicted")


def _model(size: int, device: str, precision: str) -> Any:
    """ResNet-50 with random weights, as `artclf.load` gives it."""
    from artclf.data.images import DEFAULT_MAX_PIXELS  # noqa: PLC0415 (which benchmarks' own process does without)
    from artclf.evaluation.decision import default_rule  # noqa: PLC0415
    from artclf.inference.finished_run import FinishedRun  # noqa: PLC0415
    from artclf.inference.predict import Model  # noqa: PLC0415
    from artclf.inference.torch_scorer import TorchScorer  # noqa: PLC0415

    run = FinishedRun(Path(), Path(), None, {})
    return Model(run, TorchScorer(random_network(size).to(device), precision), default_rule("nothing"), DEFAULT_MAX_PIXELS)


def random_network(size: int) -> Any:
    """ResNet-50 with random weights, as artclf's classifier."""
    from artclf.model.backbones import IMAGENET  # noqa: PLC0415 (which benchmarks' own process does without)
    from artclf.model.classifier import ArtClassifier  # noqa: PLC0415

    shown = {"mean": IMAGENET[0], "std": IMAGENET[1], "interpolation": "bilinear", "image_size": size}
    return ArtClassifier("torchvision", "resnet50", {"name": "linear"}, {"name": "bce"}, shown).eval()


def measure(repeat: int, *, quick: bool = False) -> dict[str, Any]:
    """Both sides in turn: the share in each round, and images a second of `Model.predictions` and of the loop."""
    import numpy as np  # noqa: PLC0415 (so too)
    import torch  # noqa: PLC0415 (which benchmarks' own process does without)
    from torchvision.models import resnet50  # noqa: PLC0415

    from artclf.data.reader import ImageReader  # noqa: PLC0415
    from artclf.inference.torch_scorer import BATCH  # noqa: PLC0415
    from artclf.model.backbones import IMAGENET  # noqa: PLC0415
    from artclf.model.precision import PRECISIONS, autocast, resolve_precision  # noqa: PLC0415
    from artclf.runtime import keep_freed_memory  # noqa: PLC0415

    count, size = (20, 64) if quick else (256, 224)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = resolve_precision("auto", "gpu" if device == "cuda" else "cpu")
    keep_freed_memory()
    with tempfile.TemporaryDirectory(prefix="artclf-predict-") as folder:
        files = [Path(folder) / f"{serial:06}.jpg" for serial in range(count)]
        for serial, file in enumerate(files):
            file.write_bytes(draw([serial], 512, 64))
        model = _model(size, device, precision)
        bare = resnet50(weights=None, num_classes=1).eval().to(device, memory_format=torch.channels_last)
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in IMAGENET)
        pixels = torch.from_numpy(np.stack([ImageReader(size).read(file) for file in files]))
        ready = ((pixels.float() / 255 - mean) / std).to(device, PRECISIONS[precision], memory_format=torch.channels_last)

        @torch.inference_mode()
        def loop() -> None:
            with autocast(precision, device):
                logits = [bare(batch) for batch in torch.split(ready, BATCH[device])]
            torch.cat(logits).tolist()  # on a GPU: when it is done

        def whole() -> None:
            if [each.path for each in model.predictions(files) if not each.reason] != files:
                raise RuntimeError("not every image was predicted")

        seconds = timed(repeat, 1, loop=loop, whole=whole)
    return {
        "share": ratios(seconds["loop"], seconds["whole"]),
        "predict": count / median(seconds["whole"]),
        "network": count / median(seconds["loop"]),
        "images": count,
        "precision": precision,
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
    }
