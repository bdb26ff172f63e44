"""What the first pass over new pictures costs, by their number."""

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import TINY_MODEL, Bench, quoted
from benchmarks.memory import can_sample
from benchmarks.results import Figure, Findings, SkippedError, Target
from benchmarks.rows.all_layers import clocks
from benchmarks.spread import Spread, number, ratios
from benchmarks.table import write_table

LINEAR, FLAT = Target("≤", 1.25), Target("≤", 1.1)
EVALUATED = 16  # pictures to validate, and as many to test: as few as do


@dataclass(frozen=True)
class FirstPass:
    """Seconds of the first pass over some pictures, and the peak memory of the run that made it, in bytes."""

    seconds: float
    anonymous: int
    resident: int


def measure(bench: Bench) -> Findings:
    """Each number of pictures in turn."""
    if not can_sample():
        raise SkippedError("memory is sampled from /proc, which this system has not")
    counts = (20, 40) if bench.quick else (1000, 2000, 4000, 8000)
    found: dict[int, list[FirstPass]] = {count: [] for count in counts}
    with bench.temporary() as folder:
        pictures = make_pictures(bench, folder, counts[-1] + 2 * EVALUATED, 64 if bench.quick else 256)
        for _ in range(bench.repeat):
            for count, passes in found.items():
                table = folder / f"{count}.csv"
                write_table(table, {"train": count, "val": EVALUATED, "test": EVALUATED})
                passes.append(first_pass(bench, table, pictures))
    small, large = counts[-1] // 4 if not bench.quick else counts[0], counts[-1]
    costs = {count: [each.seconds / count * 1000 for each in passes] for count, passes in found.items()}
    memory = {count: [each.anonymous / 1e6 for each in passes] for count, passes in found.items()}
    figures = [
        Figure(
            f"first pass, cost of a picture among {large:,} times that among {small:,}",
            ratios(costs[large], costs[small]),
            "×",
            LINEAR,
            f"{Spread.of(costs[large]).text(' ms')} a picture",
            f"{Spread.of(costs[small]).text(' ms')} a picture",
        ),
        Figure(
            f"first pass, memory with {large:,} pictures times that with {counts[0]:,}",
            ratios(memory[large], memory[counts[0]]),
            "×",
            FLAT,
            Spread.of(memory[large]).text(" MB"),
            Spread.of(memory[counts[0]]).text(" MB"),
        ),
    ]
    lines = [
        f"{count:,} pictures: {Spread.of([each.seconds for each in passes]).text(' s')}, anonymous memory "
        f"{Spread.of(memory[count]).text(' MB')}, resident {number(max(each.resident for each in passes) / 1e6)} MB"
        for count, passes in found.items()
    ]
    how = (
        f"JPEGs of {64 if bench.quick else 256} px, all different, stored at {bench.image_size} px; a frozen network that "
        "costs next to nothing, one epoch, no copies. The first pass is the time from the process's start to the end of the "
        "first epoch's steps with an empty cache folder, less the same with what that run has left there: wherever in the run "
        "the pass is made, it is in the difference, and all else is in both. Memory is that of the first run, all its "
        "processes together: anonymous (what they wrote themselves; pages that a worker shares with its parent count twice), "
        "and resident (with the files that are mapped)."
    )
    return Findings(figures, [*lines, how])


def first_pass(bench: Bench, table: Path, pictures: Path) -> FirstPass:
    """A run with an empty cache folder, then one with what it left there. To adapt, should the pass get a call of its own."""
    words = [*tiny_job(table, pictures), f"data.image_size={bench.image_size}", "balance=none"]
    words += [word for word in ("cache.prefix=false",) if bench.knows(word)]
    with bench.temporary() as folder:
        ends = []
        peaks = []
        for side in ("empty", "warm"):
            clock = folder / f"{side}.jsonl"
            watched = ["+callbacks.clock._target_=benchmarks.first_step.EpochClock", f"+callbacks.clock.file={clock}"]
            run = bench.train(side, [*words, *watched], cache=folder / "cache", sample=True)
            ends.append(clocks(clock)[0]["trained"] - run.process.began)
            peaks.append(run.process.memory)
    if peaks[0] is None:
        raise SkippedError("the memory of the run could not be sampled")
    return FirstPass(max(ends[0] - ends[1], 1e-3), peaks[0].anonymous, peaks[0].resident)


def tiny_job(table: Path, pictures: Path) -> list[str]:
    """train.py's words for a frozen network that costs next to nothing, on pictures of a table."""
    return [*TINY_MODEL, "data=csv", f"data.csv={quoted(table)}", f"data.root={quoted(pictures)}"]


def make_pictures(bench: Bench, folder: Path, count: int, side: int) -> Path:
    """Different pictures, in a folder below."""
    pictures = folder / "distinct"
    command = [sys.executable, "-m", "benchmarks.pictures", "distinct", str(pictures)]
    bench.child("pictures", [*command, "--count", str(count), "--side", str(side)])
    return pictures
