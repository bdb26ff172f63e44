"""How much more memory training takes on AI-ArtBench's 185,015 images than on 1,000."""

from statistics import median

from benchmarks.bench import Bench, quoted
from benchmarks.processes import PROC, Finished
from benchmarks.results import Figure, Findings, SkippedError, Spread, Target, interleaved, number, text
from benchmarks.table import write_table

LARGE, SMALL = {"train": 155_015, "test": 30_000}, {"train": 838, "test": 162}
SIDE = 32  # pixels
HOW = (
    f"JPEGs of {SIDE} px, all different, in a table of that many rows (copies of balance=augment come on top); a frozen "
    "network that costs next to nothing, one epoch, then the test. The figure is the peak of the proportional memory "
    "(PSS) of the process and its workers together, read twice a second: a page that several share counts once, "
    "mapped files included. Anonymous and resident are sums over the processes."
)


def measure(bench: Bench) -> Findings:
    """Both in turn, each one epoch with an empty cache."""
    if not PROC.exists():
        raise SkippedError("memory is sampled from /proc, which this system has not")
    large, small = ({"train": 400, "test": 100}, {"train": 80, "test": 20}) if bench.quick else (LARGE, SMALL)
    words = ["model=timm", "model.name=test_byobnet", "model.weights=none", "stages.head.unfreeze=0"]
    words += ["stages.head.max_epochs=1", f"data.image_size={SIDE}", "data.batch_size=256", "data=csv"]
    with bench.temporary() as folder:
        words.append(f"data.root={quoted(bench.distinct(folder, sum(large.values()), SIDE))}")

        def run(name: str, counts: dict[str, int]) -> Finished:
            table = folder / f"{name}.csv"
            write_table(table, counts)
            with bench.temporary() as cache:
                return bench.train(name, [*words, f"data.csv={quoted(table)}"], cache, sample=True).process

        found = interleaved(bench.repeat, large=lambda: run("large", large), small=lambda: run("small", small))
    taken = {name: [process.memory.proportional / 1e9 for process in runs] for name, runs in found.items()}
    more = [a - b for a, b in zip(taken["large"], taken["small"], strict=True)]
    rows = {"large": sum(large.values()), "small": sum(small.values())}
    what = f"memory with {rows['large']:,} images, more than with {rows['small']:,}"
    figure = Figure(what, Spread.of(more), " GB", Target("<", 1.5), *(text(values, " GB") for values in taken.values()))
    return Findings([figure], [*(f"{rows[name]:,} images: {_listed(runs)}" for name, runs in found.items()), HOW])


def _listed(runs: list[Finished]) -> str:
    peaks = [vars(process.memory) for process in runs]
    listed = (f"{name} {number(median(peak[name] for peak in peaks) / 1e9)} GB" for name in peaks[0])
    return f"{', '.join(listed)}, in {number(median(process.seconds for process in runs))} s"
