"""How fast artclf trains: the seed study's job, its floor, all layers, a sweep, and on a GPU."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import NormalDist, mean, median
from typing import Any

from artclf.config.command import quoted
from benchmarks.bench import IMPORTS, Bench, Run
from benchmarks.pictures import write_table
from benchmarks.processes import ChildFailedError
from benchmarks.results import Figure, SkippedError, interleaved, number

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
EVERY, BATCH = 200, 256  # of the GPU: milliseconds between two samples of its use, images of a step


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
        "early stopping. Both begin with the same weights, from a short run on the demo images.",
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
    figure = Figure.ratio(f"{2 * len(rates)} settings, times one run", many, one, " s", "< 3")
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
        return _speed(found["images"]["train"], found["epochs"]["all"])

    sides = interleaved(
        bench.repeat, artclf=lambda: _artclf(bench, epochs)[0], plain=plain, bare=lambda: _bare(bench, epochs, **bench.peer)
    )
    ours, theirs, bare = sides.values()
    figures = [
        Figure.ratio("all layers, times faster than plain Lightning", ours, theirs, "/s", "≥ 2.5"),
        Figure.ratio("all layers, times the bare loop's speed", ours, bare, "/s", "≥ 0.95"),
    ]
    return figures, [f"{bench.image_size} px, batch 32, {epochs} epochs.", FAIR, images]


def gpu(bench: Bench) -> tuple[list[Figure], list[str]]:
    """Training all layers of ResNet-50 on a GPU from stored images, and how busy the GPU is.

    Against the bare loop, on many small images.
    """
    try:
        bench.child("is-there", [sys.executable, "-c", "import torch, sys; sys.exit(not torch.cuda.is_available())"])
    except ChildFailedError as error:
        raise SkippedError("no GPU here") from error
    count, epochs = (600, 2) if bench.quick else (20_000, 4)
    busy: list[float] = []
    with bench.temporary() as folder:
        images, table, cache = bench.distinct(folder, count, 256), folder / "images.csv", folder / "cache"
        write_table(table, {"train": count * 18 // 20, "val": count // 20, "test": count // 20})
        job = ["data=csv", f"data.csv={quoted(str(table))}", f"data.root={quoted(str(images))}", "balance=none", "trainer=gpu"]
        job += ["model=resnet50", f"model.weights={quoted(str(bench.weights))}", "callbacks.early_stopping=null"]
        job += [f"data.batch_size={BATCH}", f"data.image_size={bench.image_size}"]
        peer = {"manifest": table, "root": images, "weights": bench.weights, "image_size": bench.image_size}

        def artclf() -> float:
            with sampled_use(folder / "use.csv"):
                speed, clocks, _ = _artclf(bench, epochs, job=job, cache=cache)
            used = read_use(folder / "use.csv")
            later = [use for when, use in used if any(each["start"] <= when <= each["trained"] for each in clocks[1:])]
            busy.append(mean(later or [float("nan")]))
            return speed

        ours, bare = interleaved(
            bench.repeat, artclf=artclf, bare=lambda: _bare(bench, epochs, **peer, batch_size=BATCH)
        ).values()
    figures = [
        Figure.ratio("on a GPU, times the bare loop's speed", ours, bare, "/s"),
        Figure("on a GPU, share of the time that it is busy", busy, "%"),
    ]
    note = (
        f"All layers of ResNet-50 at {bench.image_size} px, batch {BATCH}, {count * 18 // 20:,} images of 256 px, from the "
        f"store. Busy: nvidia-smi's utilization.gpu, each {EVERY} ms of training."
    )
    return figures, [note, FAIR]


def _artclf(
    bench: Bench, epochs: int, job: Sequence[str] | None = None, cache: Path | None = None
) -> tuple[float, list[dict[str, float]], Run]:
    """Images a second in one stage of all layers, its epochs' times, and the run; without a cache, in an empty one."""
    with bench.temporary() as folder:
        clock = folder / "epochs.jsonl"
        words = ["stages.head.unfreeze=all", f"stages.head.max_epochs={epochs}", "stages.head.optim.lr=1e-4"]
        words += ["+callbacks.clock._target_=benchmarks.first_step.EpochClock", f"+callbacks.clock.file={clock}"]
        run = bench.train("artclf", [*(job or bench.job), *words], cache or folder / "cache")
        clocks = [json.loads(line) for line in clock.read_text(encoding="utf-8").splitlines()]
    return _speed(sum(run.metrics["balance"]["train_counts_after"].values()), clocks), clocks, run


def _bare(bench: Bench, epochs: int, **peer: Any) -> float:
    """The bare loop's images a second."""
    found, _ = bench.call("peers.bare_loop.all_layers", **peer, epochs=epochs)
    return float(found["images"] / median(found["epochs"][1:] or found["epochs"]))


def _speed(images: int, epochs: list[dict[str, float]]) -> float:
    """Images a second of training in the median epoch, the first left out."""
    return images / median(epoch["trained"] - epoch["start"] for epoch in epochs[1:] or epochs)


@contextmanager
def sampled_use(file: Path) -> Iterator[None]:
    """Let nvidia-smi write when, and how much in per cent, the first GPU is used."""
    query = ["nvidia-smi", "-i", "0", "--query-gpu=timestamp,utilization.gpu", "--format=csv,noheader,nounits"]
    with file.open("w") as lines, subprocess.Popen([*query, f"--loop-ms={EVERY}"], stdout=lines) as watcher:
        try:
            yield
        finally:
            watcher.terminate()


def read_use(file: Path) -> list[tuple[float, float]]:
    """(seconds since the epoch, per cent) of each sample; one without a figure is left out."""
    pairs = [line.split(", ") for line in file.read_text().splitlines()]
    return [(datetime.strptime(when, "%Y/%m/%d %H:%M:%S.%f").timestamp(), float(use)) for when, use in pairs if use.isdigit()]
