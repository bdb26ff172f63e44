"""`artclf predict` against the network alone, as benchmarks/predict.py measures it.

That file is asked for `measure(**what it takes of: data, weights, workdir, repeat, quick)` and is to return a dictionary with
"ratio", a number or a list of numbers (a round each): artclf's pictures a second by those of the network alone. What else it
returns is told in the notes. It runs in a process of its own, as what it imports is large.
"""

import json
from typing import Any

from benchmarks.bench import Bench
from benchmarks.machine import REPOSITORY
from benchmarks.results import Figure, Findings, SkippedError, Target
from benchmarks.spread import Spread, number

NEAR = Target("≥", 0.85)


def measure(bench: Bench) -> Findings:
    """Call it in a child."""
    if not (REPOSITORY / "benchmarks" / "predict.py").exists():
        raise SkippedError("there is no benchmarks/predict.py")
    given = {
        "data": str(bench.data),
        "weights": str(bench.weights),
        "workdir": str(bench.workdir / "predict"),
        "repeat": bench.repeat,
        "quick": bench.quick,
    }
    with bench.temporary() as folder:
        out = folder / "found.json"
        bench.module("measure", "calling", "benchmarks.predict", "measure", json.dumps(given), out)
        return findings(json.loads(out.read_text(encoding="utf-8")))


def findings(found: dict[str, Any]) -> Findings:
    """A line of the table from what `measure` returned."""
    ratio = found.pop("ratio")
    values = [float(value) for value in (ratio if isinstance(ratio, list) else [ratio])]
    told = ", ".join(f"{name} {number(value) if isinstance(value, float) else value}" for name, value in found.items())
    return Findings(
        [Figure("predict, share of the network's own speed", Spread.of(values), "", NEAR)], [f"{told}."] if told else []
    )
