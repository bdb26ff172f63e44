"""Training all layers of ResNet-50: images a second."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench import Bench, Run
from benchmarks.results import Figure, Findings, Target, interleaved, ratios, text

FAIR = (
    "Images a second are the training images of an epoch (copies included) by the seconds from its start to the "
    "end of its last step, by the same callback in artclf and in plain Lightning; the bare loop has no validation. "
    "That leaves out validation and the writing of checkpoints, and counts the wait for each epoch's first batch. The "
    "median of the second and later epochs: the first holds start-up, and artclf's first pass."
)


def measure(bench: Bench) -> Findings:
    """The three in turn."""
    pictures = bench.prepare()
    epochs = 2 if bench.quick else 3

    def plain() -> float:
        stages: dict[str, Any] = {"stages": ["all"], "epochs": epochs, "only_epochs": epochs}
        found, _ = bench.call("plain", "peers.plain_lightning.run", **bench.peer, **stages)
        return speed(found["pictures"]["train"], found["epochs"]["all"])

    sides = interleaved(
        bench.repeat,
        artclf=lambda: artclf_speed(bench, epochs)[0],
        plain=plain,
        bare=lambda: bare_speed(bench, epochs),
    )
    ours, theirs, bare = sides.values()
    faster, share, ours_text = ratios(ours, theirs), ratios(ours, bare), text(ours, "/s")
    against = (f"plain Lightning: {text(theirs, '/s')}", f"bare loop: {text(bare, '/s')}")
    figures = [
        Figure("all layers, times faster than plain Lightning", faster, "×", Target("≥", 2.5), ours_text, against[0]),
        Figure("all layers, share of the bare loop's speed", share, "", Target("≥", 0.95), ours_text, against[1]),
    ]
    return Findings(figures, [f"{bench.image_size} px, batch 32, {epochs} epochs.", FAIR, pictures])


def artclf_speed(
    bench: Bench, epochs: int, *more: str, side: str = "artclf", job: Sequence[str] | None = None, cache: Path | None = None
) -> tuple[float, list[dict[str, float]], Run]:
    """artclf's images a second in one stage of all layers, its epochs' times, and the run; without a cache, in an empty one."""
    with bench.temporary() as folder:
        clock = folder / "epochs.jsonl"
        words = ["stages.head.unfreeze=all", f"stages.head.max_epochs={epochs}", "stages.head.optim.lr=1e-4"]
        words += ["+callbacks.clock._target_=benchmarks.first_step.EpochClock", f"+callbacks.clock.file={clock}"]
        run = bench.train(side, [*(job or bench.job), *words, *more], cache or folder / "cache")
        clocks = [json.loads(line) for line in clock.read_text(encoding="utf-8").splitlines()]
    return speed(run.trained_on, clocks), clocks, run


def bare_speed(bench: Bench, epochs: int, **peer: Any) -> float:
    """The bare loop's images a second."""
    found, _ = bench.call("bare", "peers.bare_loop.all_layers", **(peer or bench.peer), epochs=epochs)
    return float(found["pictures"] / median(found["epochs"][1:] or found["epochs"]))


def speed(pictures: int, epochs: list[dict[str, float]]) -> float:
    """Images a second of training in the median epoch, the first left out."""
    return pictures / median(epoch["trained"] - epoch["start"] for epoch in epochs[1:] or epochs)
