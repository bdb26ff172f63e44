"""The seed study's job: artclf with an empty cache against plain Lightning."""

import json
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.bench import Bench
from benchmarks.results import Figure, Findings, Target
from benchmarks.spread import Spread, interleaved, noise, number, ratios, wilson

FASTER = Target("≥", 25)


@dataclass(frozen=True)
class Side:
    """Seconds from the process's start to its figures, and the figures of the test; `run` of all `planned` epochs a stage."""

    seconds: float
    test: dict[str, float]
    note: str = ""


def measure(bench: Bench) -> Findings:
    """Both in turn, to the end."""
    pictures = bench.prepare()
    plain_runs_all = (bench.plain_epochs or bench.epochs) >= bench.epochs
    sides = interleaved(
        bench.repeat,
        artclf=lambda _: artclf_job(bench),
        plain=lambda _: plain_job(bench),
    )
    artclf, plain = sides["artclf"], sides["plain"]
    ours, theirs = [side.seconds for side in artclf], [side.seconds for side in plain]
    extrapolated = "" if plain_runs_all else f" ({bench.plain_epochs} of {bench.epochs} epochs run, the others reckoned)"
    figures = [
        Figure(
            "seed's job, times faster",
            ratios(theirs, ours),
            "×",
            FASTER,
            Spread.of(ours).text(" s"),
            f"plain Lightning{extrapolated}: {Spread.of(theirs).text(' s')}",
        )
    ]
    notes = [
        f"{bench.epochs} epochs of the head and {bench.epochs} of the last ten layers, {bench.image_size} px, batch 32, early "
        "stopping off in both; ARTCLF_CACHE is an empty folder each time. Weights: a state dict that both load, from a short "
        "run on the demo pictures, since ImageNet's can't be had everywhere.",
        f"artclf's test: {figures_of(artclf[0].test)}.",
    ]
    if plain_runs_all:
        figures.append(_difference(artclf, plain))
        notes.append(f"plain Lightning's: {figures_of(plain[0].test)}. Intervals are Wilson's, 95%.")
    else:
        notes.append("plain Lightning's accuracy is told only where it runs all epochs.")
    notes += [f"plain Lightning: {plain[0].note}.", pictures]
    return Findings(figures, notes)


def _difference(artclf: list[Side], plain: list[Side]) -> Figure:
    """How far apart the test accuracies are, in points, against what is chance on so many pictures."""
    points = [abs(a.test["accuracy"] - p.test["accuracy"]) * 100 for a, p in zip(artclf, plain, strict=True)]
    a, p = (median(side.test["accuracy"] for side in sides) for sides in (artclf, plain))
    chance = noise(a, p, int(artclf[0].test["n"])) * 100
    return Figure(
        "test accuracies differ by",
        Spread.of(points),
        " points",
        Target("≤", round(chance, 1)),
        f"{a:.3f}",
        f"plain Lightning: {p:.3f}; the target is what is chance on so many pictures",
    )


def figures_of(test: dict[str, float]) -> str:
    """Accuracy with its interval, and AUROC."""
    low, high = wilson(test["accuracy"], int(test["n"]))
    return f"accuracy {test['accuracy']:.3f} ({low:.3f}–{high:.3f}), AUROC {test['auroc']:.3f} on {test['n']:.0f} pictures"


def artclf_job(bench: Bench) -> Side:
    """artclf's side, with an empty cache."""
    with bench.temporary() as cache:
        run = bench.train("artclf", [*bench.job, *bench.two_stages()], cache=cache)
    return Side(run.seconds_to_metrics, run.metrics["test"])


def plain_job(bench: Bench) -> Side:
    """Plain Lightning's side; where it runs but some of the epochs, the others are reckoned as those were."""
    only = min(bench.plain_epochs or bench.epochs, bench.epochs)
    with bench.temporary() as folder:
        out = folder / "metrics.json"
        words = [*bench.peer, "--epochs", str(bench.epochs), "--only-epochs", str(only), "--folder", folder, "--out", out]
        done = bench.module("plain", "peers.plain_lightning", *words)
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    seconds = found["written"] - done.began
    lines = []
    for stage, clocks in found["epochs"].items():
        each = epoch_seconds(clocks)
        seconds += (bench.epochs - only) * each
        lines.append(f"{number(each)} s an epoch of stage {stage}, validation included")
    return Side(seconds, found["test"], ", ".join(lines))


def epoch_seconds(clocks: list[dict[str, float]]) -> float:
    """The median epoch; the first, which starts the workers, counts only where it is the only one."""
    return median(clock["end"] - clock["start"] for clock in clocks[1:] or clocks)
