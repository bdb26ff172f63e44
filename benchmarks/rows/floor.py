"""The seed study's job against the least that it can cost."""

import sys
from statistics import median

from benchmarks.bench import IMPORTS, Bench
from benchmarks.results import Figure, Findings, Target, interleaved, number, ratios, text
from benchmarks.rows.seed_job import artclf_job

HOW = (
    "Imports are a process that imports what such a program needs. Decoding is Pillow in 2 threads (JPEGs at a "
    "half or a quarter where that is enough), each different image once, and copies are not altered. The prefix "
    "(ResNet-50 before layer4.2, then layer4.2 for the head's features) passes once over all images and copies; "
    "then both stages on what it gave, validation included. All in the best precision, from memory: nothing is "
    "written, drawn, hashed or reported."
)


def measure(bench: Bench) -> Findings:
    """artclf, and the floor's parts, in turn."""
    pictures = bench.prepare()
    floor: list[dict[str, float]] = []

    def all_parts() -> float:
        imports = bench.child("imports", [sys.executable, "-c", IMPORTS]).seconds
        found, _ = bench.call("parts", "peers.bare_loop.parts", **bench.peer, epochs=bench.epochs)
        floor.append({"imports": imports, **found})
        return sum(floor[-1].values())

    sides = interleaved(bench.repeat, artclf=lambda: artclf_job(bench).seconds, floor=all_parts)
    ours, least = sides["artclf"], sides["floor"]
    listed = ", ".join(f"{name} {number(median(parts[name] for parts in floor))} s" for name in floor[0])
    against = f"floor: {text(least, ' s')}"
    figure = Figure("seed's job, times its floor", ratios(ours, least), "×", Target("≤", 1.5), text(ours, " s"), against)
    return Findings([figure], [f"The floor's parts: {listed}.", HOW, pictures])
