"""What the first pass over new pictures costs, by their number."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.machine import REPOSITORY
from benchmarks.memory import can_sample
from benchmarks.results import Figure, Findings, SkippedError, Target
from benchmarks.spread import Spread, number, ratios

LINEAR, FLAT = Target("≤", 1.2), Target("≤", 1.1)


@dataclass(frozen=True)
class FirstPass:
    """Seconds of the first pass over some pictures and of a second one, and the peak memory of both, in bytes."""

    seconds: float
    again: float
    anonymous: int
    resident: int


def measure(bench: Bench) -> Findings:
    """Each number of pictures in turn, in a process of its own with an empty cache folder."""
    if not can_sample():
        raise SkippedError("memory is sampled from /proc, which this system has not")
    if not (REPOSITORY / "artclf" / "data" / "store.py").exists():
        raise SkippedError("artclf keeps no pixels")
    counts = (200, 400) if bench.quick else (1000, 2000, 4000, 8000)
    side = 64 if bench.quick else 256
    found: dict[int, list[FirstPass]] = {count: [] for count in counts}
    with bench.temporary() as folder:
        pictures = make_pictures(bench, folder, counts[-1], side)
        for _ in range(bench.repeat):
            for count, passes in found.items():
                passes.append(_first_pass(bench, pictures, count))
    small, large = counts[0], counts[-1]
    costs = {count: [each.seconds / count * 1000 for each in passes] for count, passes in found.items()}
    memory = {count: [each.anonymous / 1e6 for each in passes] for count, passes in found.items()}
    figures = [
        Figure(
            f"first pass, a picture's cost among {large:,}, times that among {small:,}",
            ratios(costs[large], costs[small]),
            "×",
            LINEAR,
            f"{Spread.of(costs[large]).text(' ms')} a picture",
            f"{Spread.of(costs[small]).text(' ms')} a picture",
        ),
        Figure(
            f"first pass, memory with {large:,} pictures, times that with {small:,}",
            ratios(memory[large], memory[small]),
            "×",
            FLAT,
            Spread.of(memory[large]).text(" MB"),
            Spread.of(memory[small]).text(" MB"),
        ),
    ]
    lines = [
        f"{count:,} pictures: {Spread.of([each.seconds for each in passes]).text(' s')}, looked at again "
        f"{Spread.of([each.again for each in passes]).text(' s')}; anonymous memory {Spread.of(memory[count]).text(' MB')}, "
        f"resident {number(max(each.resident for each in passes) / 1e6)} MB."
        for count, passes in found.items()
    ]
    how = (
        f"JPEGs of {side} px, all different, kept at {bench.image_size} px: the store is called as training does, with two "
        "workers, and imports are not counted. Memory is the peak of all its processes together: anonymous (what they wrote "
        "themselves; pages that a worker shares with its parent count twice), and resident (with the files that are mapped)."
    )
    return Findings(figures, [*lines, how])


def _first_pass(bench: Bench, pictures: Path, count: int) -> FirstPass:
    with bench.temporary() as folder:
        out = folder / "seconds.json"
        words = [str(pictures), str(count), str(bench.image_size), str(out)]
        command = [sys.executable, "-m", "benchmarks.first_pass", *words]
        done = bench.child(f"{count}-pictures", command, cache=folder / "cache", sample=True)
        found = json.loads(out.read_text(encoding="utf-8"))
    if done.memory is None:
        raise SkippedError("its memory could not be sampled")
    return FirstPass(found["seconds"], found["again"], done.memory.anonymous, done.memory.resident)


def make_pictures(bench: Bench, folder: Path, count: int, side: int) -> Path:
    """Different pictures, in a folder below."""
    pictures = folder / "distinct"
    command = [sys.executable, "-m", "benchmarks.pictures", "distinct", str(pictures)]
    bench.child("pictures", [*command, "--count", str(count), "--side", str(side)])
    return pictures
