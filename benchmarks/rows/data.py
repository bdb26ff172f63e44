"""What many images cost: decoding them, the first pass over them, and memory."""

import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from artclf.config.command import quoted
from benchmarks.bench import Bench
from benchmarks.pictures import distinct_path, write_table
from benchmarks.processes import PROC
from benchmarks.results import Figure, SkippedError, interleaved, spread

LARGE, SMALL = {"train": 155_015, "test": 30_000}, {"train": 838, "test": 162}
SIDE = 32  # pixels, for memory


def pixel_store(bench: Bench) -> tuple[list[Figure], list[str]]:
    """What the first pass over new images costs, by their number.

    Each number in a process of its own with an empty cache folder. A round takes 4 minutes on 2 cores.
    """
    _require_proc()
    counts = (200, 400) if bench.quick else (1000, 2000, 4000, 8000)
    side = 64 if bench.quick else 256
    cost, again, memory = (defaultdict[int, list[float]](list) for _ in range(3))  # ms an image, seconds, MB; by number
    with bench.temporary() as folder:
        root = bench.distinct(folder, counts[-1], side)
        for _ in range(bench.repeat):
            for count in counts:
                with bench.temporary() as cache:
                    given = {"images": root, "count": count, "size": bench.image_size}
                    (first, second), done = bench.call("rows.data.two_passes", cache, sample=True, **given)
                cost[count].append(first / count * 1000)
                again[count].append(second)
                memory[count].append(done.memory / 1e6)
    few, many = counts[0], counts[-1]
    what = f"with {many:,} images, times that with {few:,}"
    figures = [
        Figure.ratio(f"first pass, an image's cost {what}", cost[many], cost[few], " ms", "≤ 1.2"),
        Figure.ratio(f"first pass, memory {what}", memory[many], memory[few], " MB", "≤ 1.1"),
    ]
    notes = [
        f"{count:,} images: {spread(cost[count], ' ms')} each, second pass {spread(again[count], ' s')}." for count in counts
    ]
    how = f"Distinct JPEGs of {side} px, kept at {bench.image_size} px, with two threads; imports are not counted."
    return figures, [*notes, how]


def two_passes(images: Path, count: int, size: int) -> list[float]:
    """Read, hash, decode and keep that many images at `size` pixels as training does, and again; the seconds of each pass."""
    from artclf.data.pixels import PixelStore  # noqa: PLC0415 (which benchmarks' own process does without)
    from artclf.data.reader import ImageReader  # noqa: PLC0415 (likewise)

    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        store = PixelStore(images, ImageReader(size), max_gb=None)
        found = store.inspect([distinct_path(serial) for serial in range(count)], threads=2)
        seconds.append(time.perf_counter() - began)
        if len(store) != count or (found["reason"] != "").any():
            raise RuntimeError(f"{len(store)} of {count} images were kept")
    return seconds


def decode(bench: Bench) -> tuple[list[Figure], list[str]]:
    """What reading a JPEG costs on one core, beside the quickest of the libraries. A round takes seconds."""
    figures, notes = [], []
    count, sides = (20, (64,)) if bench.quick else (300, (256, 512))
    for side in sides:
        with bench.temporary() as folder:
            given: dict[str, Any] = {"images": bench.distinct(folder, count, side), "count": count, "size": bench.image_size}
            found, _ = bench.call("rows.data.decoders", repeat=bench.repeat, **given)
        best = min(found.keys() - {"artclf"}, key=lambda name: median(found[name]))
        what = f"JPEG of {side} px to {bench.image_size} px, artclf's time over {best}'s"
        figures.append(Figure.ratio(what, found["artclf"], found[best], " ms", "≤ 1.5"))
        each = ", ".join(f"{name} {spread(times, ' ms')}" for name, times in found.items())
        notes.append(f"{side} px: {each}.")
    how = "From a file's bytes to uint8 [3, S, S], one thread, the same inverse transform; the others check nothing."
    return figures, [*notes, how + ("" if find_spec("simplejpeg") else " simplejpeg is not installed.")]


def decoders(images: Path, count: int, size: int, repeat: int) -> dict[str, list[float]]:
    """Read JPEGs into squares of `size` pixels with each library in turn; processor milliseconds an image, by round."""
    import torch  # noqa: PLC0415 (which benchmarks' own process does without)
    from PIL import Image  # noqa: PLC0415 (likewise)
    from torchvision.io import ImageReadMode, decode_jpeg  # noqa: PLC0415 (likewise)
    from torchvision.transforms.v2 import functional as F  # noqa: PLC0415 (likewise)

    from artclf.data.reader import ImageReader  # noqa: PLC0415 (likewise)

    torch.set_num_threads(1)
    files = [(images / distinct_path(serial)).read_bytes() for serial in range(count)]

    def by_pillow(content: bytes) -> Any:
        with Image.open(BytesIO(content)) as image:
            image.draft("RGB", (2 * size, 2 * size))
            return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR)).transpose(2, 0, 1).copy()

    def scaled(pixels: torch.Tensor) -> Any:
        return F.resize(pixels, [size], antialias=True).contiguous().numpy()

    def by_torchvision(content: bytes) -> Any:
        return scaled(decode_jpeg(torch.frombuffer(bytearray(content), dtype=torch.uint8), ImageReadMode.RGB))

    sides: dict[str, Callable[[bytes], Any]] = {
        "artclf": lambda content: ImageReader(size).read("an image", content),
        "Pillow": by_pillow,
        "torchvision": by_torchvision,
    }
    if find_spec("simplejpeg"):
        from simplejpeg import decode_jpeg as simple  # noqa: PLC0415 (it need not be there)

        exact = {"fastdct": False, "fastupsample": False}  # as the others decode
        sides["simplejpeg"] = lambda content: scaled(torch.from_numpy(simple(content, "RGB", **exact)).permute(2, 0, 1))

    def milliseconds(read: Callable[[bytes], Any]) -> float:
        read(files[0])
        began = time.thread_time()
        for content in files:
            read(content)
        return (time.thread_time() - began) / count * 1000

    return interleaved(repeat, **{name: partial(milliseconds, read) for name, read in sides.items()})


def manifest_memory(bench: Bench) -> tuple[list[Figure], list[str]]:
    """How much more memory 185,015 images take than 1,000.

    In one epoch of a frozen network that costs next to nothing, with an empty cache. A round takes 10 minutes on 2 cores.
    """
    _require_proc()
    large, small = ({"train": 400, "test": 100}, {"train": 80, "test": 20}) if bench.quick else (LARGE, SMALL)
    words = ["model=timm", "model.name=test_byobnet", "model.weights=none", "stages.head.unfreeze=0", "data=csv"]
    words += ["stages.head.max_epochs=1", f"data.image_size={SIDE}", "data.batch_size=256"]
    with bench.temporary() as folder:
        words.append(f"data.root={quoted(str(bench.distinct(folder, sum(large.values()), SIDE)))}")

        def gigabytes(name: str, counts: dict[str, int]) -> float:
            table = folder / f"{name}.csv"
            write_table(table, counts)
            with bench.temporary() as cache:
                return bench.train(name, [*words, f"data.csv={quoted(str(table))}"], cache, sample=True).process.memory / 1e9

        found = interleaved(bench.repeat, many=lambda: gigabytes("many", large), few=lambda: gigabytes("few", small))
    more = [a - b for a, b in zip(found["many"], found["few"], strict=True)]
    what = f"memory with {sum(large.values()):,} images, more than with {sum(small.values()):,}"
    sides = f"{spread(found['many'], ' GB')} against {spread(found['few'], ' GB')}"
    how = "Peak proportional memory (PSS, mapped files included) of the process and its workers, read twice a second."
    return [Figure(what, more, " GB", "< 1.5", sides)], [f"Distinct JPEGs of {SIDE} px. {how}"]


def _require_proc() -> None:
    if not PROC.exists():
        raise SkippedError("memory is sampled from /proc, which this system does not have")
