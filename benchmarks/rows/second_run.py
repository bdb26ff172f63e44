"""How soon a second run on the same images begins to train."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.results import Figure, Findings, Target, ratios, text


def measure(bench: Bench) -> Findings:
    """A first run with an empty cache, then a second with what the first has left there."""
    found: dict[str, list[float]] = {"first": [], "second": []}
    pictures = bench.prepare()
    for _ in range(bench.repeat):
        with bench.temporary() as cache:
            for side, seconds in found.items():
                seconds.append(to_first_step(bench, side, [*bench.job, *bench.two_stages(1)], cache))
    first, second = found.values()
    what, second_text = "second run, times sooner at its first step", f"second run: {text(second, ' s')}"
    figure = Figure(what, ratios(first, second), "×", Target("≥", 3), second_text, f"first run: {text(first, ' s')}")
    note = (
        "From the process's start to the end of the first training step of the seed's job, one epoch a stage; both runs have "
        "the same cache folder, which is empty before the first, and run to their end."
    )
    return Findings([figure], [note, pictures])


def to_first_step(bench: Bench, side: str, words: Sequence[str], cache: Path, *, stop: bool = False) -> float:
    """Seconds from train.py's start to the end of its first training step, where it is stopped if asked."""
    with bench.temporary() as folder:
        file = folder / "first_step"
        watched = ["+callbacks.first_step._target_=benchmarks.first_step.FirstStep", f"+callbacks.first_step.file={file}"]
        run = bench.train(side, [*words, *watched], cache, until=file.exists if stop else None)
        return float(file.read_text(encoding="utf-8")) - run.process.began
