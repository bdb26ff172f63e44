"""How much more memory training takes on AI-ArtBench's 185,015 pictures than on 1,000."""

from pathlib import Path
from statistics import median

from benchmarks.bench import TINY_MODEL, Bench, quoted
from benchmarks.memory import Memory, can_sample
from benchmarks.processes import Finished
from benchmarks.results import Figure, Findings, SkippedError, Target
from benchmarks.rows.pixel_store import make_pictures
from benchmarks.spread import Spread, interleaved, number
from benchmarks.table import write_table

LITTLE = Target("<", 1.5)
WHOLE = {"train": 155_015, "test": 30_000}
PART = {"train": 838, "test": 162}
SIDE = 32  # pixels


def measure(bench: Bench) -> Findings:
    """Both in turn, each one epoch with an empty cache."""
    if not can_sample():
        raise SkippedError("memory is sampled from /proc, which this system has not")
    tables = (
        {"large": {"train": 400, "test": 100}, "small": {"train": 80, "test": 20}}
        if bench.quick
        else {"large": WHOLE, "small": PART}
    )
    with bench.temporary() as folder:
        pictures = make_pictures(bench, folder, sum(tables["large"].values()), SIDE)
        for name, counts in tables.items():
            write_table(folder / f"{name}.csv", counts)
        found = interleaved(
            bench.repeat,
            large=lambda _: _run(bench, "large", folder, pictures),
            small=lambda _: _run(bench, "small", folder, pictures),
        )
    rows = {name: sum(counts.values()) for name, counts in tables.items()}
    more = [(a.proportional - b.proportional) / 1e9 for (a, _), (b, _) in zip(found["large"], found["small"], strict=True)]
    figure = Figure(
        f"memory with {rows['large']:,} pictures, more than with {rows['small']:,}",
        Spread.of(more),
        " GB",
        LITTLE,
        Spread.of([memory.proportional / 1e9 for memory, _ in found["large"]]).text(" GB"),
        Spread.of([memory.proportional / 1e9 for memory, _ in found["small"]]).text(" GB"),
    )
    lines = [f"{rows[name]:,} pictures: {_told(runs)}" for name, runs in found.items()]
    how = (
        f"JPEGs of {SIDE} px, all different, in a table of that many rows (copies of balance=augment come on top); a frozen "
        "network that costs next to nothing, one epoch, then the test. The figure is the peak of the proportional memory "
        "(PSS) of the process and its workers together, read about once a second: a page that several share counts once, "
        "mapped files included. Anonymous and resident are sums over the processes, ru_maxrss is that of the main process."
    )
    return Findings([figure], [*lines, how])


def _run(bench: Bench, name: str, folder: Path, pictures: Path) -> tuple[Memory, Finished]:
    words = [*TINY_MODEL, "data=csv", f"data.csv={quoted(folder / f'{name}.csv')}", f"data.root={quoted(pictures)}"]
    words += [f"data.image_size={SIDE}", "data.batch_size=256"]
    with bench.temporary() as cache:
        process = bench.train(name, words, cache=cache, sample=True).process
    if process.memory is None:
        raise SkippedError("the memory of the run could not be sampled")
    return process.memory, process


def _told(runs: list[tuple[Memory, Finished]]) -> str:
    figures = {
        "proportional": [memory.proportional for memory, _ in runs],
        "anonymous": [memory.anonymous for memory, _ in runs],
        "resident": [memory.resident for memory, _ in runs],
        "ru_maxrss": [process.max_rss for _, process in runs],
    }
    told = ", ".join(f"{name} {number(median(values) / 1e9)} GB" for name, values in figures.items())
    return f"{told}, in {number(median(process.seconds for _, process in runs))} s"
