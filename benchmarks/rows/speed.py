"""How fast artclf trains: the seed study's job, its floor, all layers, a sweep, a small job, and a step."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist, median
from typing import Any

from artclf.config.command import quoted
from benchmarks.bench import IMPORTS, Bench, Run
from benchmarks.results import Figure, interleaved, number

RATES = ("1e-4", "2e-4", "3e-4", "5e-4", "7e-4", "1e-3", "2e-3", "3e-3", "5e-3", "1e-2")
FAIR = (
    "Images a second are the training images of an epoch (copies included) by the seconds from its start to the end of its "
    "last step, without validation and checkpoints: the median of the second and later epochs."
)
FLOOR = (
    "Imports are a process that imports what such a program needs. Each different image is decoded once by Pillow in 2 "
    "threads. The frozen layers pass once over all images and copies; then both stages on their output. All in the "
    "best precision, from memory: nothing is written, drawn, hashed or reported."
)
ALL_LAYERS = ("stages.head.unfreeze=all", "stages.head.optim.lr=1e-4")


def seed_job(bench: Bench) -> tuple[list[Figure], list[str]]:
    """The seed study's job, from the process's start to metrics.json, against plain Lightning.

    ResNet-50's head, then its last ten layers, with an empty cache. A round takes 1 minute of artclf, and 15–25 of plain
    Lightning (4 with --plain-epochs 2).
    """
    images = bench.prepare()
    sides = interleaved(bench.repeat, artclf=lambda: artclf_job(bench), plain=lambda: plain_job(bench))
    (ours, runs), (theirs, tests, epochs) = (list(zip(*side, strict=True)) for side in sides.values())
    run_all = (bench.plain_epochs or bench.epochs) >= bench.epochs
    extrapolated = "" if run_all else f" ({bench.plain_epochs} of {bench.epochs} epochs run, the rest extrapolated)"
    figures = [Figure.ratio("seed's job, times faster than plain Lightning", theirs, ours, " s", "≥ 25")]
    notes = [
        f"{bench.epochs} epochs of the head and {bench.epochs} of the last ten layers, {bench.image_size} px, batch 32, no "
        "early stopping. Both begin with the same weights, from a short run at few pixels.",
        f"Plain Lightning: {epochs[0]}{extrapolated}.",
        images,
    ]
    if run_all:
        found = [run.metrics["splits"]["test"] for run in runs]
        points = [abs(a["accuracy"] - b["accuracy"]) * 100 for a, b in zip(found, tests, strict=True)]
        a, b = (median(each["accuracy"] for each in side) for side in (found, tests))
        pooled = (a + b) / 2
        # the half-width of the 95% interval of no difference between independent samples
        chance = NormalDist().inv_cdf(0.975) * (2 * pooled * (1 - pooled) / found[0]["n"]) ** 0.5 * 100
        texts = f"artclf {a:.3f}, plain Lightning {b:.3f}; the target is what is chance on {found[0]['n']} images"
        figures.append(Figure("test accuracies differ by", points, " points", f"≤ {chance:.1f}", texts))
    return figures, notes


def artclf_job(bench: Bench) -> tuple[float, Run]:
    """artclf's seconds to metrics.json with an empty cache, and its run."""
    with bench.temporary() as cache:
        run = bench.train("artclf", [*bench.job, *bench.two_stages()], cache)
    return (run.folder / "metrics.json").stat().st_mtime - run.process.began, run


def plain_job(bench: Bench) -> tuple[float, dict[str, float], str]:
    """Plain Lightning's seconds (epochs that are not run take as long as those that are), its test, and a note."""
    only = min(bench.plain_epochs or bench.epochs, bench.epochs)
    stages: dict[str, Any] = {"stages": ["head", "last10"], "epochs": bench.epochs, "only_epochs": only}
    found, done = bench.call("peers.plain_lightning.run", **bench.peer, **stages)
    # the first epoch starts the workers: it counts only where it is the only one
    each = {
        stage: median(clock["end"] - clock["start"] for clock in clocks[1:] or clocks)
        for stage, clocks in found["epochs"].items()
    }
    seconds = found["written"] - done.began + (bench.epochs - only) * sum(each.values())
    return seconds, found["test"], ", ".join(f"{number(took)} s an epoch of stage {stage}" for stage, took in each.items())


def floor(bench: Bench) -> tuple[list[Figure], list[str]]:
    """The same job against the least that it can cost, part by part.

    A round takes 2 minutes on 2 cores.
    """
    images = bench.prepare()

    def parts() -> dict[str, float]:
        imports = bench.child("imports", [sys.executable, "-c", IMPORTS]).seconds
        found, _ = bench.call("peers.bare_loop.parts", **bench.peer, epochs=bench.epochs)
        return {"imports": imports, **found}

    found: dict[str, list[Any]] = interleaved(bench.repeat, artclf=lambda: artclf_job(bench)[0], floor=parts)
    ours, least = found.values()
    sums = [sum(each.values()) for each in least]
    figure = Figure.ratio("seed's job, times its floor", ours, sums, " s", "≤ 1.5")
    listed = ", ".join(f"{name} {number(median(each[name] for each in least))} s" for name in least[0])
    return [figure], [f"The floor's parts: {listed}.", FLOOR, images]


def sweep(bench: Bench) -> tuple[list[Figure], list[str]]:
    """Twenty settings of head and learning rate on a frozen backbone, against one run.

    Each is a whole process with an empty cache. A round takes 2 minutes on 2 cores.
    """
    images = bench.prepare()
    rates = RATES[:2] if bench.quick else RATES
    job = [*bench.job, "stages.head.unfreeze=0", f"stages.head.max_epochs={bench.epochs}"]
    swept = ["-m", *job, "head=linear,mlp", f"stages.head.optim.lr={','.join(rates)}"]

    def seconds(side: str, words: list[str]) -> float:
        with bench.temporary() as cache:
            return bench.train(side, words, cache).process.seconds

    many, one = interleaved(bench.repeat, sweep=lambda: seconds("sweep", swept), one=lambda: seconds("one", job)).values()
    figure = Figure.ratio(f"{2 * len(rates)} settings, times one run", many, one, " s", "≤ 2.5")
    note = f"{bench.epochs} epochs of the head each, {bench.image_size} px, in one process; the comparison page is counted."
    return [figure], [note, images]


def all_layers(bench: Bench) -> tuple[list[Figure], list[str]]:
    """Training all layers of ResNet-50 against plain Lightning and the bare loop.

    A round takes 7 minutes on 2 cores.
    """
    images = bench.prepare()
    epochs = 2 if bench.quick else 3

    def plain() -> float:
        stages: dict[str, Any] = {"stages": ["all"], "epochs": epochs, "only_epochs": epochs}
        found, _ = bench.call("peers.plain_lightning.run", **bench.peer, **stages)
        return float(found["images"]["train"] / epoch_seconds(found["epochs"]["all"]))

    def artclf() -> float:
        run, clocks = clocked(bench, [*bench.job, *ALL_LAYERS], epochs)
        return run.trained_images / epoch_seconds(clocks)

    sides = interleaved(bench.repeat, artclf=artclf, plain=plain, bare=lambda: bare_speed(bench, epochs, **bench.peer))
    ours, theirs, bare = sides.values()
    figures = [
        Figure.ratio("all layers, times faster than plain Lightning", ours, theirs, "/s", "≥ 2.5"),
        Figure.ratio("all layers, times the bare loop's speed", ours, bare, "/s", "≥ 0.95"),
    ]
    return figures, [f"{bench.image_size} px, batch 32, {epochs} epochs.", FAIR, images]


def small_job(bench: Bench, *words: str, target: str = "≤ 12") -> tuple[list[Figure], list[str]]:
    """The whole process of a small job: EfficientNet-Lite0's head and last ten layers, the second run on the same images.

    From the shell to the page, with the audit and all else at its default. A round takes half a minute on 2 cores.
    """
    job = [*bench.source(), "model=efficientnet_lite0", "+finetune=last10", *words]
    with bench.temporary() as cache:
        first, *later = [bench.train("job", job, cache).process.seconds for _ in range(bench.repeat + 1)]
    note = f"The first run, with an empty cache, took {number(first)} s; the others find what it has left there."
    return [Figure("small job, second run", later, " s", target)], [note, bench.about_images]


def step(bench: Bench, *words: str) -> tuple[list[Figure], list[str]]:
    """What a training step costs where there is next to nothing to compute: a head alone on kept features.

    Against a bare loop over features in memory: the same head, optimiser, precision, batch and number of steps. A round takes
    half a minute on 2 cores.
    """
    count, epochs = (320, 2) if bench.quick else (3200, 4)
    with bench.temporary() as folder:
        job = [*bench.table(folder, {"train": count, "val": 64, "test": 64}, 32), "data.image_size=32", *words]
        job += ["model=resnet50", "model.weights=none", "stages.head.unfreeze=0"]

        def artclf() -> float:
            return epoch_seconds(clocked(bench, job, epochs, folder / "cache")[1]) / (count / 32) * 1000

        def bare() -> float:
            found, _ = bench.call("peers.bare_loop.head_alone", images=count, epochs=epochs)
            return float(median(found[1:]) / (count / 32) * 1000)

        ours, least = interleaved(bench.repeat, artclf=artclf, bare=bare).values()
    note = f"Batch 32, {count // 32} steps an epoch, without validation: the median of the second and later epochs."
    return [Figure.ratio("a step of a head, times the bare loop's", ours, least, " ms")], [note]


def clocked(bench: Bench, words: Sequence[str], epochs: int, cache: Path | None = None) -> tuple[Run, list[dict[str, float]]]:
    """A run of one stage, and its epochs' times; without a cache, in an empty one."""
    with bench.temporary() as folder:
        clock = folder / "epochs.jsonl"
        watched = ["+callbacks.clock._target_=benchmarks.first_step.EpochClock", f"+callbacks.clock.file={quoted(str(clock))}"]
        run = bench.train("artclf", [*words, f"stages.head.max_epochs={epochs}", *watched], cache or folder / "cache")
        return run, [json.loads(line) for line in clock.read_text(encoding="utf-8").splitlines()]


def epoch_seconds(clocks: list[dict[str, float]]) -> float:
    """Seconds of training in the median epoch, the first left out."""
    return median(each["trained"] - each["start"] for each in clocks[1:] or clocks)


def bare_speed(bench: Bench, epochs: int, **peer: Any) -> float:
    """The bare loop's images a second."""
    found, _ = bench.call("peers.bare_loop.all_layers", **peer, epochs=epochs)
    return float(found["images"] / median(found["epochs"][1:] or found["epochs"]))
