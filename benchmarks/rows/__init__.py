"""The rows of the table. A new row is a function in ROWS; the first line of its docstring is its title."""

from collections.abc import Callable
from typing import TypeAlias

from benchmarks.bench import Bench
from benchmarks.results import Figure
from benchmarks.rows import data, exported, gpu, predict, speed, start

Measure: TypeAlias = Callable[[Bench], tuple[list[Figure], list[str]]]  # figures and notes; may raise SkippedError
ROWS: dict[str, Measure] = {
    "start_up": start.start_up,
    "second_run": start.second_run,
    "seed_job": speed.seed_job,
    "floor": speed.floor,
    "small_job": speed.small_job,
    "step": speed.step,
    "all_layers": speed.all_layers,
    "sweep": speed.sweep,
    "predict": predict.predict,
    "onnx": exported.onnx,
    "predict_memory": predict.predict_memory,
    "decode": data.decode,
    "pixel_store": data.pixel_store,
    "manifest_memory": data.manifest_memory,
    "gpu_all_layers": gpu.gpu_all_layers,
    "gpu_seed_job": gpu.gpu_seed_job,
    "gpu_small": gpu.gpu_small,
    "gpu_step": gpu.gpu_step,
}
GROUPS = {"gpu": [name for name in ROWS if name.startswith("gpu_")]}
TITLES = {name: str(measure.__doc__).split("\n", maxsplit=1)[0] for name, measure in ROWS.items()}
