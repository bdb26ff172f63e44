"""Training all layers of ResNet-50: pictures a second."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench import Bench
from benchmarks.results import Figure, Findings, Target
from benchmarks.spread import Spread, interleaved, ratios

FASTER, NEAR = Target("≥", 2.5), Target("≥", 0.95)
FAIR = (
    "Pictures a second are the training pictures of an epoch (copies included) by the seconds from its start to the "
    "end of its last step, by the same callback in artclf and in plain Lightning; the bare loop has no validation. "
    "That leaves out validation and the writing of checkpoints, and counts the wait for each epoch's first batch. The "
    "median of the second and later epochs: the first holds start-up, and artclf's first pass."
)


def measure(bench: Bench) -> Findings:
    """The three in turn."""
    pictures = bench.prepare()
    epochs = 2 if bench.quick else 3
    sides = interleaved(
        bench.repeat,
        artclf=lambda _: artclf_speed(bench, epochs)[0],
        plain=lambda _: _plain(bench, epochs),
        bare=lambda _: bare_speed(bench, bench.peer, epochs),
    )
    texts = {name: Spread.of(found).text("/s") for name, found in sides.items()}
    return Findings(
        [
            Figure(
                "all layers, times faster than plain Lightning",
                ratios(sides["artclf"], sides["plain"]),
                "×",
                FASTER,
                texts["artclf"],
                f"plain Lightning: {texts['plain']}",
            ),
            Figure(
                "all layers, share of the bare loop's speed",
                ratios(sides["artclf"], sides["bare"]),
                "",
                NEAR,
                texts["artclf"],
                f"bare loop: {texts['bare']}",
            ),
        ],
        [f"{bench.image_size} px, batch 32, {epochs} epochs.", FAIR, pictures],
    )


def words(epochs: int) -> list[str]:
    """train.py's, for one stage of all layers."""
    return ["stages.head.unfreeze=all", f"stages.head.max_epochs={epochs}", "stages.head.optim.lr=1e-4"]


def artclf_speed(
    bench: Bench, epochs: int, *more: str, side: str = "artclf", job: Sequence[str] | None = None
) -> tuple[float, float]:
    """artclf's pictures a second, and the seconds of its whole process, with an empty cache."""
    with bench.temporary() as folder:
        clock = folder / "epochs.jsonl"
        watched = ["+callbacks.clock._target_=benchmarks.first_step.EpochClock", f"+callbacks.clock.file={clock}"]
        run = bench.train(side, [*(job or bench.job), *words(epochs), *watched, *more], cache=folder / "cache")
        pictures = sum(run.metrics["balance"]["train_counts_after"].values())
        return speed(pictures, clocks(clock)), run.process.seconds


def _plain(bench: Bench, epochs: int) -> float:
    with bench.temporary() as folder:
        out = folder / "metrics.json"
        stages: list[str | Path] = ["--stages", "all", "--epochs", str(epochs), "--folder", folder, "--out", out]
        bench.module("plain", "peers.plain_lightning", *bench.peer, *stages)
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return speed(found["pictures"]["train"], found["epochs"]["all"])


def bare_speed(bench: Bench, peer: Sequence[str | Path], epochs: int) -> float:
    """The bare loop's pictures a second."""
    with bench.temporary() as folder:
        out = folder / "epochs.json"
        bench.module("bare", "peers.bare_loop", "all", *peer, "--epochs", str(epochs), "--out", out)
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return float(found["pictures"] / median(found["epochs"][1:] or found["epochs"]))


def clocks(file: Path) -> list[dict[str, float]]:
    """What EpochClock wrote."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def speed(pictures: int, epochs: list[dict[str, float]]) -> float:
    """Pictures a second of training in the median epoch, the first left out."""
    return pictures / median(epoch["trained"] - epoch["start"] for epoch in epochs[1:] or epochs)
