"""The seed study's job against the least that it can cost."""

import json
from statistics import median

from benchmarks.bench import Bench
from benchmarks.results import Figure, Findings, Target
from benchmarks.rows.seed_job import artclf_job
from benchmarks.spread import Spread, interleaved, number, ratios

NEAR = Target("≤", 1.5)


def measure(bench: Bench) -> Findings:
    """artclf, and the floor's parts, in turn."""
    pictures = bench.prepare()
    sides = interleaved(
        bench.repeat,
        artclf=lambda _: {"": artclf_job(bench).seconds},
        floor=lambda _: floor_parts(bench),
    )
    ours = [found[""] for found in sides["artclf"]]
    least = [sum(parts.values()) for parts in sides["floor"]]
    each = {name: median(parts[name] for parts in sides["floor"]) for name in sides["floor"][0]}
    listed = ", ".join(f"{name} {number(seconds)} s" for name, seconds in each.items())
    figure = Figure(
        "seed's job, times its floor",
        ratios(ours, least),
        "×",
        NEAR,
        Spread.of(ours).text(" s"),
        f"floor: {Spread.of(least).text(' s')}",
    )
    return Findings(
        [figure],
        [
            f"The floor's parts: {listed}.",
            "Imports are a process that imports what such a program needs. Decoding is Pillow in 2 threads (JPEGs at a "
            "half or a quarter where that is enough), each different picture once, and copies are not altered. The prefix "
            "(ResNet-50 before layer4.2, then layer4.2 for the head's features) passes once over all pictures and copies; "
            "then both stages on what it gave, validation included. All in the best precision, from memory: nothing is "
            "written, drawn, hashed or reported.",
            pictures,
        ],
    )


def floor_parts(bench: Bench) -> dict[str, float]:
    """Seconds by part."""
    imports = bench.module("imports", "peers.imports").seconds
    with bench.temporary() as folder:
        out = folder / "parts.json"
        bench.module("parts", "peers.bare_loop", "parts", *bench.peer, "--epochs", str(bench.epochs), "--out", out)
        found: dict[str, float] = json.loads(out.read_text(encoding="utf-8"))["parts"]
    return {"imports": imports, **found}
