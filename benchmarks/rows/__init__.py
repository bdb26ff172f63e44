"""The rows of the table. A new row is a function and a line in ROWS."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.bench import Bench
from benchmarks.results import Figure
from benchmarks.rows import data, predict, speed, start


@dataclass(frozen=True)
class Row:
    """A row."""

    title: str
    minutes: str  # of a round on 2 cores
    measure: Callable[[Bench], tuple[list[Figure], list[str]]]  # figures and notes; may raise SkippedError


ROWS = {
    "start_up": Row("From the shell to help, and to the end of the demo's first training step.", "1", start.start_up),
    "second_run": Row("How much sooner a second run on the same images takes its first training step.", "1", start.second_run),
    "seed_job": Row(
        "The seed study's job (ResNet-50, the head, then the last ten layers), from the process's start to metrics.json, "
        "against plain Lightning.",
        "1 of artclf, 15–25 of plain Lightning (--plain-epochs 2: 4)",
        speed.seed_job,
    ),
    "floor": Row("The same job against the least that it can cost, part by part.", "2", speed.floor),
    "all_layers": Row("Training all layers of ResNet-50 against plain Lightning and the bare loop.", "7", speed.all_layers),
    "sweep": Row("Twenty settings of head and learning rate on a frozen backbone, against one run.", "3", speed.sweep),
    "predict": Row("`artclf predict` on a folder, against the network alone.", "2", predict.predict),
    "compile": Row("What trainer.compile=true gains when all layers are trained.", "8", speed.compiled),
    "pixel_store": Row("What the first pass over new images costs, by their number.", "4", data.pixel_store),
    "manifest_memory": Row("How much more memory 185,015 images take than 1,000.", "10", data.manifest_memory),
    "listing": Row("Listing AI-ArtBench's 185,015 files: seconds and peak memory.", "1", data.listing),
    "gpu": Row("Training all layers of ResNet-50 on a GPU from stored images, and how busy the GPU is.", "–", speed.gpu),
}
