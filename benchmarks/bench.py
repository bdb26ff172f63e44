"""What all rows share: the folder they work in, the images, the weights, and how artclf and its peers are run.

`python -m benchmarks.bench FUNCTION ARGUMENTS FILE` calls a function of benchmarks in a process of its own.
"""

import importlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from artclf.config.command import quoted
from benchmarks.machine import REPOSITORY
from benchmarks.processes import ChildFailedError, Finished, run_child

TRAIN = REPOSITORY / "train.py"
REAL_IMAGES = REPOSITORY.parent / "shared" / "data" / "ai_artbench_mini"
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
    def temporary(self) -> Iterator[Path]:
        """A folder that is removed afterwards, on the disk of the workdir."""
        base = self.workdir / "temporary"
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

    @cached_property
    def weights(self) -> Path:
        """A checkpoint of a ResNet-50 that has learned something: a short run on the demo images, all layers."""
        file = self.workdir / "resnet50.ckpt"
        if not file.exists():
            words = ["model=resnet50", "model.weights=none", f"stages.head.max_epochs={1 if self.quick else 3}"]
            small = ["data.demo.train_per_folder=2", "data.demo.test_per_folder=1", "data.image_size=32"]
            run = self.train("weights", [*words, *(small if self.quick else [])], checkpoints=True)
            (run.folder / "checkpoints" / "best.ckpt").rename(file)
            shutil.rmtree(run.folder)
        return file

    @cached_property
    def peer(self) -> dict[str, Any]:
        """The peers' arguments: the same splits (a run's manifest.csv), weights and size as in `job`."""
        run = self.workdir / "runs" / "split"
        if not (run / "metrics.json").exists():
            small = ["model=resnet50", "model.weights=none", "stages.head.unfreeze=0", "stages.head.max_epochs=1"]
            small += ["data=ai_artbench", f"data.root={quoted(str(self.data))}", "data.image_size=32", "report=false"]
            made = self.train("split", small)
            made.folder.rename(run)
        root = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["data"]["root"]
        return {"manifest": run / "manifest.csv", "root": root, "weights": self.weights, "image_size": self.image_size}

    def prepare(self) -> str:
        """Make all of these, and read images and libraries once, so that no side finds them colder. A line on the images."""
        files = [file for file in self.data.rglob("*") if file.is_file()]
        size = sum(len(file.read_bytes()) for file in files)
        self.child("imports", [sys.executable, "-c", IMPORTS])
        _ = self.job, self.peer
        kind = "drawn" if self.images is None else f"of {self.data.name}"
        return f"{len(files)} images {kind}, {size / len(files) / 1000:.0f} kB each on average."

    @cached_property
    def job(self) -> list[str]:
        """train.py's words for ResNet-50 on the images, without its stages, and without the audit, which no peer makes."""
        data = ["data=ai_artbench", f"data.root={quoted(str(self.data))}", f"data.image_size={self.image_size}"]
        model = ["model=resnet50", f"model.weights={quoted(str(self.weights))}"]
        return [*data, *model, "callbacks.early_stopping=null", "audit.images=0"]

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
