"""A sweep over heads and learning rates on a frozen backbone, against one run."""

from benchmarks.bench import Bench
from benchmarks.results import Figure, Findings, Target, interleaved, ratios, text

RATES = ("1e-4", "2e-4", "3e-4", "5e-4", "7e-4", "1e-3", "2e-3", "3e-3", "5e-3", "1e-2")


def measure(bench: Bench) -> Findings:
    """The sweep and a run in turn, each a whole process with an empty cache."""
    pictures = bench.prepare()
    rates = RATES[:2] if bench.quick else RATES
    job = [*bench.job, "stages.head.unfreeze=0", f"stages.head.max_epochs={bench.epochs}"]
    swept = ["-m", *job, "head=linear,mlp", f"stages.head.optim.lr={','.join(rates)}"]

    def seconds(side: str, words: list[str]) -> float:
        with bench.temporary() as cache:
            return bench.train(side, words, cache).process.seconds

    sides = interleaved(bench.repeat, sweep=lambda: seconds("sweep", swept), one=lambda: seconds("one", job))
    sweep, one = sides["sweep"], sides["one"]
    settings = f"{2 * len(rates)} settings"
    texts = (f"{settings}: {text(sweep, ' s')}", f"one run: {text(one, ' s')}")
    figure = Figure(f"{settings}, times one run", ratios(sweep, one), "×", Target("<", 3), *texts)
    note = f"{bench.epochs} epochs of the head each, {bench.image_size} px, in one process; the sweep's comparison is counted."
    return Findings([figure], [note, pictures])
