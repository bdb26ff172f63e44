"""How soon there is a first sign of life, and how soon a run begins to train."""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bench import TRAIN, Bench
from benchmarks.results import Figure, interleaved

SMALL = ["data.demo.train_per_folder=2", "data.demo.test_per_folder=1", "data.image_size=32"]


def start_up(bench: Bench) -> tuple[list[Figure], list[str]]:
    """From the shell to help, and to the end of the demo's first training step.

    The first round is not counted: it compiles bytecode, and reads libraries from disk. A round takes 1 minute on 2 cores.
    """
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
        Figure("artclf --help", found["artclf"], " s", "< 0.5"),
        Figure("python train.py --help", found["train"], " s", "< 2"),
        Figure("the demo's first step", found["demo"], " s", "< 15"),
    ]
    return figures, ["Whole processes; the demo (`python train.py`) with an empty cache folder, to its first training step."]


def second_run(bench: Bench) -> tuple[list[Figure], list[str]]:
    """How much sooner a second run on the same images takes its first training step.

    The first run has an empty cache, the second what the first has left there. A round takes 1 minute on 2 cores.
    """
    found: dict[str, list[float]] = {"first": [], "second": []}
    images = bench.prepare()
    for _ in range(bench.repeat):
        with bench.temporary() as cache:
            for side, seconds in found.items():
                seconds.append(to_first_step(bench, side, [*bench.job, *bench.two_stages(1)], cache))
    figure = Figure.ratio("second run, times sooner at its first step", found["first"], found["second"], " s", "≥ 3")
    return [figure], ["From the process's start to the end of the first training step of the seed's job.", images]


def to_first_step(bench: Bench, side: str, words: Sequence[str], cache: Path, *, stop: bool = False) -> float:
    """Seconds from train.py's start to the end of its first training step, where it is stopped if asked."""
    with bench.temporary() as folder:
        file = folder / "first_step"
        watched = ["+callbacks.first_step._target_=benchmarks.first_step.FirstStep", f"+callbacks.first_step.file={file}"]
        run = bench.train(side, [*words, *watched], cache, until=file.exists if stop else None)
        return float(file.read_text(encoding="utf-8")) - run.process.began
