"""The rows of the table: what each means, how long it takes, what measures it. A new one is a file here and a line in ROWS."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.bench import Bench
from benchmarks.results import Findings
from benchmarks.rows import (
    all_layers,
    compiled,
    floor,
    gpu,
    listing,
    manifest_memory,
    pixel_store,
    predict,
    second_run,
    seed_job,
    start_up,
    sweep,
)


@dataclass(frozen=True)
class Row:
    """A row: what it means, the minutes that a round takes on 2 cores, and what measures it, or raises SkippedError."""

    title: str
    minutes: str
    measure: Callable[[Bench], Findings]


ROWS = {
    "start_up": Row(
        "From the shell to help, and to the end of the demo's first training step, in seconds.", "1", start_up.measure
    ),
    "second_run": Row(
        "How much sooner a second run on the same images takes its first training step.", "1", second_run.measure
    ),
    "seed_job": Row(
        "The seed study's job (ResNet-50, the head, then the last ten layers), from the process's start to metrics.json, "
        "against plain Lightning.",
        "1 of artclf, 15–25 of plain Lightning (--plain-epochs 2: 4)",
        seed_job.measure,
    ),
    "floor": Row("The same job against the least that it can cost, part by part.", "2", floor.measure),
    "all_layers": Row(
        "Training all layers of ResNet-50, images a second, against plain Lightning and the bare loop.",
        "7",
        all_layers.measure,
    ),
    "sweep": Row("Twenty settings of head and learning rate on a frozen backbone, against one run.", "3", sweep.measure),
    "predict": Row("`artclf predict` on a folder, against the network alone.", "2", predict.measure),
    "compile": Row("What trainer.compile=true brings to training all layers.", "8", compiled.measure),
    "pixel_store": Row("What the first pass over new images costs, by their number.", "4", pixel_store.measure),
    "manifest_memory": Row(
        "How much more memory 185,015 images take than 1,000.", "8, and 2 to make them", manifest_memory.measure
    ),
    "listing": Row("Listing AI-ArtBench's 185,015 files: seconds and peak memory.", "1", listing.measure),
    "gpu": Row(
        "Training all layers of ResNet-50 on a GPU, from stored images: images a second, and how busy it is.",
        "–",
        gpu.measure,
    ),
}
