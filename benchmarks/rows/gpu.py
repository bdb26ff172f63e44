"""Training all layers on a GPU: images a second, and how busy it is. Nothing to measure where torch finds none."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import mean

from benchmarks.bench import Bench, quoted
from benchmarks.processes import ChildFailedError
from benchmarks.results import Figure, Findings, SkippedError, Spread, interleaved, ratios, text
from benchmarks.rows.all_layers import FAIR, artclf_speed, bare_speed
from benchmarks.table import write_table

EVERY = 200  # milliseconds
BATCH = 256


def measure(bench: Bench) -> Findings:
    """artclf and the bare loop in turn, on many small images."""
    try:
        bench.child("is-there", [sys.executable, "-c", "import torch, sys; sys.exit(not torch.cuda.is_available())"])
    except ChildFailedError as error:
        raise SkippedError("no GPU here") from error
    count, epochs = (600, 2) if bench.quick else (20_000, 4)
    busy: list[float] = []
    with bench.temporary() as folder:
        pictures, table, cache = bench.distinct(folder, count, 256), folder / "images.csv", folder / "cache"
        write_table(table, {"train": count * 18 // 20, "val": count // 20, "test": count // 20})
        job = ["data=csv", f"data.csv={quoted(table)}", f"data.root={quoted(pictures)}", "balance=none", "trainer=gpu"]
        job += ["model=resnet50", f"model.weights={quoted(bench.weights)}", "callbacks.early_stopping=null"]
        job += [f"data.batch_size={BATCH}", f"data.image_size={bench.image_size}"]
        # the peer balances what it is given, and so trains on a few more images than artclf, which a rate does not mind
        peer = {"manifest": table, "root": pictures, "weights": bench.weights, "image_size": bench.image_size}

        def artclf() -> float:
            with sampled_use(folder / "use.csv"):
                speed, epochs_run, _ = artclf_speed(bench, epochs, job=job, cache=cache)
            used = read_use(folder / "use.csv")
            later = [use for when, use in used if any(e["start"] <= when <= e["trained"] for e in epochs_run[1:])]
            busy.append(mean(later or [float("nan")]))
            return speed

        sides = interleaved(bench.repeat, artclf=artclf, bare=lambda: bare_speed(bench, epochs, **peer, batch_size=BATCH))
    ours, bare = sides["artclf"], sides["bare"]
    texts = (text(ours, "/s"), f"bare loop: {text(bare, '/s')}")
    figures = [
        Figure("on a GPU, images a second", Spread.of(ours), "/s"),
        Figure("on a GPU, share of the bare loop's speed", ratios(ours, bare), "", None, *texts),
        Figure("on a GPU, share of the time that it is busy", Spread.of(busy), "%"),
    ]
    note = (
        f"All layers of ResNet-50 at {bench.image_size} px, batch {BATCH}, {count * 18 // 20:,} images of 256 px, from the "
        "store (the first epoch, which fills it in the first round, is left out). Busy: nvidia-smi's utilization.gpu, "
        f"each {EVERY} ms while steps are taken."
    )
    return Findings(figures, [note, FAIR])


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
