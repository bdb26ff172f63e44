"""`artclf predict` against the network alone."""

from benchmarks.bench import Bench
from benchmarks.results import Figure, Findings, Spread, Target, number


def measure(bench: Bench) -> Findings:
    """Call benchmarks/predict.py in a child, as what it imports is large."""
    found, _ = bench.call("measure", "predict.measure", repeat=bench.repeat, quick=bench.quick)
    share = Spread.of(found.pop("ratio"))
    listed = ", ".join(f"{name} {number(value) if isinstance(value, float) else value}" for name, value in found.items())
    return Findings([Figure("predict, share of the network's own speed", share, "", Target("≥", 0.85))], [f"{listed}."])
