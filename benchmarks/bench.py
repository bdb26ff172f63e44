"""What all rows share: the folder they work in, the images, the weights, and how artclf and its peers are run.

`python -m benchmarks.bench FUNCTION ARGUMENTS FILE` calls a function of benchmarks in a process of its own.
"""

import importlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from artclf.config.command import quoted
from benchmarks.machine import REPOSITORY
from benchmarks.pictures import write_table
from benchmarks.processes import ChildFailedError, Finished, run_child

TRAIN = REPOSITORY / "train.py"
REAL_IMAGES = REPOSITORY.parent / "shared" / "data" / "ai_artbench_mini"
MEMORY = Path("/dev/shm")  # in memory, on Linux: many small files cost a disk ten times as long
IMPORTS = (  # what any such program has to import before it can begin
    "import hydra, lightning.pytorch, matplotlib.figure, pandas, PIL.Image, pydantic, sklearn.metrics, torch, "
    "torchmetrics.classification, torchvision.transforms.v2"
)


@dataclass(frozen=True)
class Run:
    """A run of train.py: its folder, and its process."""

    folder: Path
    process: Finished

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Its metrics.json."""
        found: dict[str, Any] = json.loads((self.folder / "metrics.json").read_text(encoding="utf-8"))
        return found

    @property
    def trained_images(self) -> int:
        """The training images of an epoch, copies included."""
        return sum(self.metrics["balance"]["train_counts_after"].values())


@dataclass(frozen=True)
class Bench:
    """How the rows are measured."""

    workdir: Path  # each child's output in logs/, each run folder in runs/, and what is made once
    images: Path | None = None  # real images in AI-ArtBench's layout; None: they are drawn
    repeat: int = 3  # rounds of each comparison
    quick: bool = False  # a smoke run: everything tiny, so that its figures mean nothing
    plain_epochs: int | None = None  # epochs of each stage that plain Lightning runs in the seed's job; None: all
    row: str = "preparation"  # for the names of logs and runs
    made: dict[str, int] = field(default_factory=dict)

    @property
    def image_size(self) -> int:
        """Pixels a side that networks see."""
        return 32 if self.quick else 224

    @property
    def epochs(self) -> int:
        """Epochs of each stage of the seed's job."""
        return 1 if self.quick else 10

    def child(self, side: str, command: Sequence[str], cache: Path | None = None, **options: Any) -> Finished:
        """Run a command in the repository, and print how long it took.

        `side` names its log; `cache` is its ARTCLF_CACHE (None: that of all preparations); `options` are those of `run_child`.
        """
        name = f"{self.row}-{side}"
        self.made[name] = self.made.get(name, 0) + 1
        kept = cache or self.workdir / "cache"
        environment = {
            "ARTCLF_CACHE": str(kept),
            "TORCHINDUCTOR_CACHE_DIR": str(kept / "inductor"),  # else what one run has compiled another would find
            "PYTHONPATH": str(REPOSITORY),
        }
        log = self.workdir / "logs" / f"{name}-{self.made[name]}.log"
        try:
            done = run_child(command, log, environment, REPOSITORY, **options)
        except ChildFailedError as error:
            raise ChildFailedError(f"{side} {error}") from error
        print(f"  {name} {self.made[name]}: {done.seconds:.2f} s", flush=True)
        return done

    def call(self, function: str, cache: Path | None = None, *, sample: bool = False, **arguments: Any) -> tuple[Any, Finished]:
        """Call a function of benchmarks, by its dotted name, in a Python of its own; what it returns, and the process."""
        with self.temporary() as folder:
            given, file = json.dumps(arguments, default=str), folder / "found.json"
            command = [sys.executable, "-m", "benchmarks.bench", f"benchmarks.{function}", given, str(file)]
            done = self.child(function.rpartition(".")[2], command, cache, sample=sample)
            return json.loads(file.read_text(encoding="utf-8")), done

    def train(
        self, side: str, words: Sequence[str], cache: Path | None = None, *, checkpoints: bool = False, **options: Any
    ) -> Run:
        """Run train.py with these words, in a run folder of its own; `checkpoints` are kept, or removed."""
        name = f"{self.row}-{side}"
        folder = self.workdir / "runs" / f"{name}-{self.made.get(name, 0) + 1}"
        shutil.rmtree(folder, ignore_errors=True)  # an earlier invocation's
        where = "hydra.sweep.dir" if "-m" in words else "hydra.run.dir"
        try:
            command = [sys.executable, str(TRAIN), *words, f"{where}={quoted(str(folder))}"]
            return Run(folder, self.child(side, command, cache, **options))
        finally:
            for unwanted in [] if checkpoints else folder.rglob("checkpoints"):
                shutil.rmtree(unwanted)

    @contextmanager
    def temporary(self, in_memory: float = 0) -> Iterator[Path]:
        """A folder that is removed afterwards: on the workdir's disk, or in memory where that many bytes are free."""
        base = self.workdir / "temporary"
        if in_memory and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > in_memory:
            base = MEMORY
        base.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f"{self.row}-", dir=base, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    @cached_property
    def data(self) -> Path:
        """The images: those that were given, else drawn ones."""
        if self.images is not None:
            return self.images
        folder = self.workdir / "images"
        if not folder.exists():
            with self.temporary() as beside:
                self.call("pictures.draw_artbench", root=beside / "drawn", side=48 if self.quick else 512)
                (beside / "drawn").rename(folder)
        return folder

    def distinct(self, folder: Path, count: int, side: int) -> Path:
        """Different images of `side` pixels, in a folder below."""
        self.call("pictures.draw_distinct", root=folder / "distinct", count=count, side=side)
        return folder / "distinct"

    def table(self, folder: Path, splits: Mapping[str, int], side: int) -> list[str]:
        """train.py's words for so many different images of `side` pixels in each split, with images.csv in the folder."""
        images, table = self.distinct(folder, sum(splits.values()), side), folder / "images.csv"
        write_table(table, splits)
        words = ["data=csv", f"data.csv={quoted(str(table))}", f"data.root={quoted(str(images))}", "balance=none"]
        return [*words, "callbacks.early_stopping=null", "audit.images=0", "report=false"]

    @cached_property
    def trained(self) -> Path:
        """A short run on the images at few pixels, all layers of a ResNet-50: the weights and the splits of both sides."""
        folder = self.workdir / "runs" / "trained"
        if not folder.exists():
            words = [*self.source(32 if self.quick else 64), "model=resnet50", "model.weights=none", "report=false"]
            epochs = f"stages.head.max_epochs={1 if self.quick else 3}"
            self.train("trained", [*words, epochs, "audit.images=0"], checkpoints=True).folder.rename(folder)
        return folder

    @cached_property
    def peer(self) -> dict[str, Any]:
        """The peers' arguments: the splits, weights and size as in `job`."""
        metrics = json.loads((self.trained / "metrics.json").read_text(encoding="utf-8"))
        paths = {"manifest": self.trained / "manifest.csv", "weights": self.trained / "checkpoints" / "best.ckpt"}
        return {**paths, "root": metrics["data"]["root"], "image_size": self.image_size}

    @cached_property
    def about_images(self) -> str:
        """A line on the images, all of which are read for it: no side finds them colder."""
        sizes = [len(file.read_bytes()) for file in self.data.rglob("*") if file.is_file()]
        kind = "drawn" if self.images is None else f"of {self.data.name}"
        return f"{len(sizes)} images {kind}, {mean(sizes) / 1000:.0f} kB each on average."

    def prepare(self) -> str:
        """Make images, weights and splits, and read images and libraries once. A line on the images."""
        self.child("imports", [sys.executable, "-c", IMPORTS])
        _ = self.trained
        return self.about_images

    def source(self, size: int | None = None) -> list[str]:
        """train.py's words for the images, at `size` pixels or those of the benchmark."""
        return ["data=ai_artbench", f"data.root={quoted(str(self.data))}", f"data.image_size={size or self.image_size}"]

    @cached_property
    def job(self) -> list[str]:
        """train.py's words for ResNet-50 on the images, without its stages, and without the audit, which no peer makes."""
        model = ["model=resnet50", f"model.weights={quoted(str(self.trained / 'checkpoints' / 'best.ckpt'))}"]
        return [*self.source(), *model, "callbacks.early_stopping=null", "audit.images=0"]

    def two_stages(self, epochs: int | None = None) -> list[str]:
        """The seed study's two stages: the head on a frozen backbone, then the last ten layers."""
        number = epochs or self.epochs
        head = ["stages.head.unfreeze=0", f"stages.head.max_epochs={number}"]
        return [*head, "+finetune=last10", f"stages.last10.max_epochs={number}"]


if __name__ == "__main__":
    module, _, function = sys.argv[1].rpartition(".")
    given = {key: Path(value) if isinstance(value, str) else value for key, value in json.loads(sys.argv[2]).items()}
    result = getattr(importlib.import_module(module), function)(**given)
    Path(sys.argv[3]).write_text(json.dumps(result), encoding="utf-8")
