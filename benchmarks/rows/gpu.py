"""Training all layers on a GPU: pictures a second, and how busy it is. Nothing to measure where torch finds none."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean

from benchmarks.bench import Bench, quoted
from benchmarks.processes import ChildFailedError
from benchmarks.results import Figure, Findings, SkippedError
from benchmarks.rows.all_layers import FAIR, bare_speed, clocks, speed, words
from benchmarks.rows.pixel_store import make_pictures
from benchmarks.spread import Spread, interleaved, ratios
from benchmarks.table import write_table

EVERY = 200  # milliseconds
BATCH = 256
TRAINER = "trainer=gpu"


def measure(bench: Bench) -> Findings:
    """artclf and the bare loop in turn, on many small pictures."""
    try:
        bench.child("is-there", [sys.executable, "-c", "import torch, sys; sys.exit(not torch.cuda.is_available())"])
    except ChildFailedError as error:
        raise SkippedError("no GPU here") from error
    count, epochs = (600, 2) if bench.quick else (20_000, 4)
    busy: list[float] = []
    with bench.temporary() as folder:
        pictures = make_pictures(bench, folder, count, 256)
        table = folder / "pictures.csv"
        write_table(table, {"train": count * 18 // 20, "val": count // 20, "test": count // 20})
        job = [
            "data=csv",
            f"data.csv={quoted(table)}",
            f"data.root={quoted(pictures)}",
            f"data.batch_size={BATCH}",
            "balance=none",
        ]
        job += ["model=resnet50", f"model.weights={quoted(bench.weights)}", "callbacks.early_stopping=null"]
        job += [f"data.image_size={bench.image_size}", TRAINER]
        # the peer balances what it is given, and so trains on a few more pictures than artclf, which a rate does not mind
        peer: list[str | Path] = [
            "--manifest",
            table,
            "--root",
            pictures,
            "--weights",
            bench.weights,
            "--batch-size",
            str(BATCH),
            "--image-size",
            str(bench.image_size),
        ]
        cache = folder / "cache"

        def artclf(_: int) -> float:
            clock = folder / f"epochs-{len(busy)}.jsonl"
            watched = ["+callbacks.clock._target_=benchmarks.first_step.EpochClock", f"+callbacks.clock.file={clock}"]
            with sampled_use() as samples:
                run = bench.train("artclf", [*job, *words(epochs), *watched], cache=cache)
            later = clocks(clock)[1:]
            busy.append(
                mean([use for when, use in samples if any(e["start"] <= when <= e["trained"] for e in later)] or [float("nan")])
            )
            return speed(sum(run.metrics["balance"]["train_counts_after"].values()), clocks(clock))

        sides = interleaved(bench.repeat, artclf=artclf, bare=lambda _: bare_speed(bench, peer, epochs))
    texts = {name: Spread.of(found).text("/s") for name, found in sides.items()}
    figures = [
        Figure("on a GPU, pictures a second", Spread.of(sides["artclf"]), "/s"),
        Figure(
            "on a GPU, share of the bare loop's speed",
            ratios(sides["artclf"], sides["bare"]),
            "",
            None,
            texts["artclf"],
            f"bare loop: {texts['bare']}",
        ),
        Figure("on a GPU, share of the time that it is busy", Spread.of(busy), "%"),
    ]
    note = (
        f"All layers of ResNet-50 at {bench.image_size} px, batch {BATCH}, {count * 18 // 20:,} pictures of 256 px, from the "
        "store (the first epoch, which fills it in the first round, is left out). Busy: nvidia-smi's utilization.gpu, "
        f"each {EVERY} ms while steps are taken."
    )
    return Findings(figures, [note, FAIR])


@contextmanager
def sampled_use() -> Iterator[list[tuple[float, float]]]:
    """(seconds since the epoch, per cent) of the first GPU's use, filled in meanwhile; nothing where there is no nvidia-smi."""
    samples: list[tuple[float, float]] = []
    if shutil.which("nvidia-smi") is None:
        yield samples
        return
    query = ["nvidia-smi", "-i", "0", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", f"--loop-ms={EVERY}"]
    with subprocess.Popen(query, stdout=subprocess.PIPE, text=True) as watcher:

        def read() -> None:
            samples.extend((time.time(), float(line)) for line in watcher.stdout or () if line.strip().isdigit())

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            yield samples
        finally:
            watcher.terminate()
            reader.join()
