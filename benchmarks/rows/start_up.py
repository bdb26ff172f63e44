"""How long a person waits for the first sign of life."""

import sys
from pathlib import Path

from benchmarks.bench import SMALL, TRAIN, Bench
from benchmarks.results import Figure, Findings, Spread, Target, interleaved
from benchmarks.rows.second_run import to_first_step


def measure(bench: Bench) -> Findings:
    """Each in turn, after a round that is not counted: it compiles bytecode, and brings libraries into the system's cache."""
    artclf = Path(sys.executable).with_name("artclf")  # the command as it is installed beside this Python

    def demo() -> float:
        with bench.temporary() as cache:
            return to_first_step(bench, "demo", SMALL if bench.quick else [], cache, stop=True)

    commands = {
        "artclf": lambda: bench.child("artclf-help", [str(artclf), "--help"]).seconds,
        "train": lambda: bench.child("train-help", [sys.executable, str(TRAIN), "--help"]).seconds,
        "demo": demo,
    }
    interleaved(1, **commands)
    found = interleaved(bench.repeat, **commands)
    figures = [
        Figure("artclf --help", Spread.of(found["artclf"]), " s", Target("<", 0.5)),
        Figure("python train.py --help", Spread.of(found["train"]), " s", Target("<", 2)),
        Figure("the demo's first step", Spread.of(found["demo"]), " s", Target("<", 15)),
    ]
    note = (
        "Whole processes; the demo (`python train.py`, nothing else) from the process's start to the end of its first training "
        "step, its images drawn anew into an empty cache folder. Once before without counting."
    )
    return Findings(figures, [note])
