"""How long a person waits for the first sign of life."""

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.bench import TRAIN, Bench
from benchmarks.results import Figure, Findings, Target
from benchmarks.rows.second_run import to_first_step
from benchmarks.spread import Spread, interleaved

LIMITS = {"artclf": 0.5, "train": 2.0, "demo": 15.0}  # seconds
NAMES = {"artclf": "artclf --help", "train": "python train.py --help", "demo": "the demo's first step"}


def measure(bench: Bench) -> Findings:
    """Each in turn, after a round that is not counted: it compiles bytecode, and brings libraries into the system's cache."""
    artclf = Path(sys.executable).with_name("artclf")  # the command as it is installed beside this Python
    demo = ["data.demo.train_per_folder=2", "data.demo.test_per_folder=1", "data.image_size=32"] if bench.quick else []
    commands: dict[str, Callable[[int], float]] = {
        "artclf": lambda _: bench.child("artclf-help", [str(artclf), "--help"]).seconds,
        "train": lambda _: bench.child("train-help", [sys.executable, str(TRAIN), "--help"]).seconds,
        "demo": lambda _: _demo(bench, demo),
    }
    for command in commands.values():
        command(-1)
    found = interleaved(bench.repeat, **commands)
    figures = [Figure(NAMES[name], Spread.of(seconds), " s", Target("<", LIMITS[name])) for name, seconds in found.items()]
    note = (
        "Whole processes; the demo (`python train.py`, nothing else) from the process's start to the end of its first training "
        "step, its pictures drawn anew into an empty cache folder. Once before without counting."
    )
    return Findings(figures, [note])


def _demo(bench: Bench, words: list[str]) -> float:
    with bench.temporary() as cache:
        return to_first_step(bench, "demo", words, cache, stop=True).end
