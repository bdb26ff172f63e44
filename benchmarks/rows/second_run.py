"""How soon a second run on the same pictures begins to train."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.results import Figure, Findings, Target
from benchmarks.spread import Spread, ratios

SOONER = Target("≥", 3)


def measure(bench: Bench) -> Findings:
    """A first run with an empty cache, then a second with what the first has left there."""
    found: dict[str, list[float]] = {"first": [], "second": []}
    pictures = bench.prepare()
    words = [*bench.job, *bench.two_stages(1)]
    for _ in range(bench.repeat):
        with bench.temporary() as cache:
            for side, seconds in found.items():
                seconds.append(to_first_step(bench, side, words, cache).end)
    figure = Figure(
        "second run, times sooner at its first step",
        ratios(found["first"], found["second"]),
        "×",
        SOONER,
        f"second run: {Spread.of(found['second']).text(' s')}",
        f"first run: {Spread.of(found['first']).text(' s')}",
    )
    note = (
        "From the process's start to the end of the first training step of the seed's job, one epoch a stage; both runs have "
        "the same cache folder, which is empty before the first, and run to their end."
    )
    return Findings([figure], [note, pictures])


@dataclass(frozen=True)
class FirstStep:
    """When the first training step began and ended, in seconds from the process's start."""

    start: float
    end: float


def to_first_step(bench: Bench, side: str, words: Sequence[str], cache: Path, *, stop: bool = False) -> FirstStep:
    """Run train.py and tell when it took its first training step.

    Args:
        bench: how.
        side: for the log's name.
        words: train.py's.
        cache: ARTCLF_CACHE.
        stop: end the process as soon as the step is done.
    """
    with bench.temporary() as folder:
        file = folder / "first_step.json"
        watched = ["+callbacks.first_step._target_=benchmarks.first_step.FirstStep", f"+callbacks.first_step.file={file}"]
        until: Callable[[], bool] | None = file.exists if stop else None
        run = bench.train(side, [*words, *watched], cache=cache, until=until)
        times = json.loads(file.read_text(encoding="utf-8"))
    return FirstStep(times["start"] - run.process.began, times["end"] - run.process.began)
