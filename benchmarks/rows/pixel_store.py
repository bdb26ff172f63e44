"""What the first pass over new images costs, by their number."""

import time
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.processes import PROC, Memory
from benchmarks.results import Figure, Findings, SkippedError, Target, number, ratios, text
from benchmarks.table import distinct_path


def measure(bench: Bench) -> Findings:
    """Each number of images in turn, in a process of its own with an empty cache folder."""
    if not PROC.exists():
        raise SkippedError("memory is sampled from /proc, which this system has not")
    counts = (200, 400) if bench.quick else (1000, 2000, 4000, 8000)
    side = 64 if bench.quick else 256
    found: dict[int, list[tuple[dict[str, float], Memory]]] = {count: [] for count in counts}
    with bench.temporary() as folder:
        pictures = bench.distinct(folder, counts[-1], side)
        for _ in range(bench.repeat):
            for count, passes in found.items():
                with bench.temporary() as cache:
                    words = {"pictures": pictures, "count": count, "size": bench.image_size}
                    took, done = bench.call(f"{count}-images", "rows.pixel_store.first_pass", cache, sample=True, **words)
                passes.append((took, done.memory))
    small, large = counts[0], counts[-1]
    costs = {count: [took["seconds"] / count * 1000 for took, _ in passes] for count, passes in found.items()}
    memory = {count: [peak.anonymous / 1e6 for _, peak in passes] for count, passes in found.items()}
    figures = [
        Figure(
            f"first pass, an image's cost among {large:,}, times that among {small:,}",
            ratios(costs[large], costs[small]),
            "×",
            Target("≤", 1.2),
            *(f"{text(costs[count], ' ms')} an image" for count in (large, small)),
        ),
        Figure(
            f"first pass, memory with {large:,} images, times that with {small:,}",
            ratios(memory[large], memory[small]),
            "×",
            Target("≤", 1.1),
            *(text(memory[count], " MB") for count in (large, small)),
        ),
    ]
    notes = [
        f"{count:,} images: {text([took['seconds'] for took, _ in passes], ' s')}, looked at again "
        f"{text([took['again'] for took, _ in passes], ' s')}; anonymous memory {text(memory[count], ' MB')}, "
        f"resident {number(max(peak.resident for _, peak in passes) / 1e6)} MB."
        for count, passes in found.items()
    ]
    how = (
        f"JPEGs of {side} px, all different, kept at {bench.image_size} px: the store is called as training does, with two "
        "workers, and imports are not counted. Memory is the peak of all its processes together: anonymous (what they wrote "
        "themselves; pages that a worker shares with its parent count twice), and resident (with the files that are mapped)."
    )
    return Findings(figures, [*notes, how])


def first_pass(pictures: Path, count: int, size: int) -> dict[str, float]:
    """Read, hash, decode and keep that many images at `size` pixels a side, as training does, then look at them again.

    Returns:
        `seconds` of the first pass, `again` of the second.
    """
    from artclf.data.pixels import PixelStore  # noqa: PLC0415 (which benchmarks' own process does without)
    from artclf.data.reader import ImageReader  # noqa: PLC0415 (likewise)

    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        store = PixelStore(pictures, ImageReader(size), max_gb=None)
        looks = store.inspect([distinct_path(serial) for serial in range(count)], workers=2)
        seconds.append(time.perf_counter() - began)
        if len(store) != count or (looks["reason"] != "").any():
            raise RuntimeError(f"{len(store)} of {count} images were kept")
    return {"seconds": seconds[0], "again": seconds[1]}
