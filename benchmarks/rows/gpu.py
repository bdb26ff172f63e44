"""On a GPU: all layers, the seed study's job at AI-ArtBench's full size, a small job, and a step. One round, as GPUs are dear.

With --quick and without a GPU, the same is run on the CPU.
"""

import csv
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from statistics import mean, median

from benchmarks.bench import MEMORY, Bench, Run
from benchmarks.machine import gpus
from benchmarks.results import Figure, SkippedError
from benchmarks.rows.speed import ALL_LAYERS, FAIR, bare_speed, clocked, epoch_seconds, small_job, step

EVERY = 200  # milliseconds between two samples of the GPU's use
BATCH, FULL_BATCH = 256, 512  # images of a step: of all layers, and of the seed study's job at full size
DONE = re.compile(r"(computed|decoded) (?:the frozen layers of )?(\d+) images in ([\d.]+) s")  # in train.log


def trainer(bench: Bench) -> str:
    """train.py's word for the GPU. SkippedError where there is none."""
    if not gpus() and not bench.quick:
        raise SkippedError("no GPU here")
    return "trainer=gpu" if gpus() else "trainer=cpu"


def gpu_all_layers(bench: Bench) -> tuple[list[Figure], list[str]]:
    """Training all layers of ResNet-50 on a GPU from stored images, against the bare loop, and how busy the GPU is."""
    device = trainer(bench)
    count, epochs = (320, 2) if bench.quick else (20_000, 4)
    with bench.temporary() as folder:
        splits = {"train": count * 18 // 20, "val": count // 20, "test": count // 20}
        words = bench.table(folder, splits, 256)
        words += ["model=resnet50", "model.weights=none", f"data.image_size={bench.image_size}", f"data.batch_size={BATCH}"]
        with sampled_use(folder / "use.csv"):
            run, clocks = clocked(bench, [*words, *ALL_LAYERS, device, "trainer.deterministic=false"], epochs)
        used = read_use(folder / "use.csv")
        peer = {"manifest": folder / "images.csv", "root": folder / "distinct", "image_size": bench.image_size}
        bare = bare_speed(bench, epochs, **peer, batch_size=BATCH)
    speed = run.trained_images / epoch_seconds(clocks)
    busy = [use for when, use in used if any(each["start"] <= when <= each["trained"] for each in clocks[1:])]
    figures = [
        Figure("all layers on a GPU", [speed], "/s", "≥ 5000"),
        Figure.ratio("all layers on a GPU, times the bare loop's speed", [speed], [bare], "/s", "≥ 0.95"),
        Figure("all layers on a GPU, share of the time that it is busy", [mean(busy or [float("nan")])], "%"),
    ]
    note = (
        f"{bench.image_size} px, batch {BATCH}, {run.trained_images:,} images of 256 px, from the store, "
        f"trainer.deterministic=false (both let cuDNN choose). Busy: nvidia-smi's utilization.gpu, each {EVERY} ms of training."
    )
    return figures, [note, FAIR]


def gpu_seed_job(bench: Bench) -> tuple[list[Figure], list[str]]:
    """The seed study's job at AI-ArtBench's full size on a GPU, from the shell to the page, with an empty cache.

    Once all files have been drawn. The pixel store takes 28 GB of disk, kept maps up to 48 GB of memory or disk.
    """
    device = trainer(bench)
    with bench.temporary(in_memory=8e9) as images, bench.temporary() as cache:
        side, divide_by = (64, 440) if bench.quick else (512, 1)
        count, _ = bench.call("pictures.draw_artbench", root=images, side=side, divide_by=divide_by)
        words = replace(bench, images=images).source()
        words += ["model=resnet50", "model.weights=none", "callbacks.early_stopping=null", f"data.batch_size={FULL_BATCH}"]
        run = bench.train("artclf", [*words, *bench.two_stages(), device], cache)
    figures, missing = parts(run)
    return [Figure("seed's job at full size", [run.process.seconds], " s", "≤ 90"), *figures], [
        *missing,
        f"{count:,} different files of {side // 2} and {side} px, {run.trained_images:,} training images with copies, "
        f"{bench.epochs} epochs a stage, {bench.image_size} px, batch {FULL_BATCH}, random weights.",
        f"The files had just been written to {'memory' if images.is_relative_to(MEMORY) else 'disk'}; the cache was empty.",
        "The frozen pass and decoding: the images of the largest store by the seconds of all that train.log states. The epoch: "
        "training images by the median of the second and later epochs' seconds in metrics.csv, which hold validation.",
    ]


def parts(run: Run) -> tuple[list[Figure], list[str]]:
    """Images a second of stages of a run, from what it has written; a note on what train.log does not state."""
    with (run.folder / "metrics.csv").open(encoding="utf-8", newline="") as table:
        epochs = [float(row["seconds"]) for row in csv.DictReader(table) if row["stage"] == "last10"]
    speed = run.trained_images / median(epochs[1:] or epochs)
    figures, missing = [Figure("an epoch of the last ten layers from kept maps", [speed], "/s", "≥ 25000")], []
    log = DONE.findall((run.folder / "train.log").read_text(encoding="utf-8").replace(",", ""))
    for word, what, target in (("computed", "the frozen pass", "≥ 8000"), ("decoded", "decoding", "")):
        stores = [(int(images), float(seconds)) for done, images, seconds in log if done == word]
        if stores:
            most, seconds = max(images for images, _ in stores), sum(each for _, each in stores) or 0.05  # "0.0 s"
            figures.append(Figure(what, [most / seconds], "/s", target))
        else:
            missing.append(f"train.log does not state how long {what} took.")
    return figures, missing


def gpu_small(bench: Bench) -> tuple[list[Figure], list[str]]:
    """The whole process of a small job on a GPU: the row `small_job` there."""
    return small_job(replace(bench, repeat=1), trainer(bench), target="≤ 10")


def gpu_step(bench: Bench) -> tuple[list[Figure], list[str]]:
    """What a training step of a head alone costs on a GPU: the row `step` there."""
    return step(replace(bench, repeat=1), trainer(bench))


@contextmanager
def sampled_use(file: Path) -> Iterator[None]:
    """Let nvidia-smi write when, and how much in per cent, the first GPU is used; without a GPU the file is empty."""
    query = ["nvidia-smi", "-i", "0", "--query-gpu=timestamp,utilization.gpu", "--format=csv,noheader,nounits"]
    command = [*query, f"--loop-ms={EVERY}"] if gpus() else ["true"]
    with file.open("w") as lines, subprocess.Popen(command, stdout=lines) as watcher:
        try:
            yield
        finally:
            watcher.terminate()


def read_use(file: Path) -> list[tuple[float, float]]:
    """(seconds since the epoch, per cent) of each sample; one without a figure is left out."""
    pairs = [line.split(", ") for line in file.read_text().splitlines()]
    return [(datetime.strptime(when, "%Y/%m/%d %H:%M:%S.%f").timestamp(), float(use)) for when, use in pairs if use.isdigit()]
