"""What all rows share: the folder they work in, the pictures, the weights, and how artclf and its peers are run."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.machine import REPOSITORY
from benchmarks.processes import ChildFailedError, Finished, run_child

TRAIN = REPOSITORY / "train.py"
REAL_PICTURES = REPOSITORY.parent / "shared" / "data" / "ai_artbench_mini"
TINY_MODEL = (
    "model=timm",
    "model.name=test_byobnet",
    "model.weights=none",
    "stages.head.unfreeze=0",
    "stages.head.max_epochs=1",
)
"""A frozen backbone that costs next to nothing, for what is about pictures."""


@dataclass(frozen=True)
class Bench:
    """How the rows are measured.

    Attributes:
        workdir: keeps each child's output in logs/, each run folder, without checkpoints, in runs/, and what is made once.
        pictures: real pictures in AI-ArtBench's layout; None: they are drawn.
        repeat: rounds of each comparison.
        quick: a smoke run: everything tiny, so that its figures mean nothing.
        plain_epochs: epochs of each stage that plain Lightning really runs in the seed's job; None: all.
        row: the row that is measured, for the names of logs and runs.
    """

    workdir: Path
    pictures: Path | None = None
    repeat: int = 3
    quick: bool = False
    plain_epochs: int | None = None
    row: str = "preparation"
    made: dict[str, int] = field(default_factory=dict)

    # ---- sizes

    @property
    def image_size(self) -> int:
        """Pixels a side that networks see."""
        return 32 if self.quick else 224

    @property
    def epochs(self) -> int:
        """Epochs of each stage of the seed's job."""
        return 1 if self.quick else 10

    # ---- processes

    def child(
        self,
        side: str,
        command: Sequence[str],
        *,
        cache: Path | None = None,
        sample: bool = False,
        until: Callable[[], bool] | None = None,
    ) -> Finished:
        """Run a command in the repository, and say on the terminal how long it took.

        Args:
            side: what it is, for the log's name.
            command: what to run.
            cache: ARTCLF_CACHE; without, one that all preparations share.
            sample: as in `run_child`.
            until: as in `run_child`.

        Raises:
            ChildFailedError: with the side's name before it.
        """
        name = f"{self.row}-{side}"
        serial = self.made[name] = self.made.get(name, 0) + 1
        log = self.workdir / "logs" / f"{name}-{serial}.log"
        kept = cache or self.workdir / "cache"
        environment = {
            "ARTCLF_CACHE": str(kept),
            "TORCHINDUCTOR_CACHE_DIR": str(kept / "inductor"),  # else what one run has compiled another would find
            "PYTHONPATH": str(REPOSITORY),
        }
        try:
            done = run_child(command, log=log, environment=environment, folder=REPOSITORY, sample=sample, until=until)
        except ChildFailedError as error:
            raise ChildFailedError(f"{side} {error}") from error
        print(f"  {name} {serial}: {done.seconds:.2f} s", flush=True)
        return done

    def module(self, side: str, name: str, *words: str | Path) -> Finished:
        """Run a module of benchmarks in a Python of its own."""
        return self.child(side, [sys.executable, "-m", f"benchmarks.{name}", *map(str, words)])

    def train(
        self,
        side: str,
        words: Sequence[str],
        *,
        cache: Path | None,
        keep_checkpoints: bool = False,
        sample: bool = False,
        until: Callable[[], bool] | None = None,
    ) -> "Run":
        """Run train.py with these words, in a run folder of its own."""
        name = f"{self.row}-{side}"
        folder = self.workdir / "runs" / f"{name}-{self.made.get(name, 0) + 1}"
        shutil.rmtree(folder, ignore_errors=True)  # an earlier invocation's
        where = "hydra.sweep.dir" if "-m" in words else "hydra.run.dir"
        command = [sys.executable, str(TRAIN), *words, f"{where}={quoted(folder)}"]
        try:
            return Run(folder, self.child(side, command, cache=cache, sample=sample, until=until))
        finally:
            if not keep_checkpoints:
                for kept in [*folder.glob("checkpoints"), *folder.glob("*/checkpoints")]:
                    shutil.rmtree(kept, ignore_errors=True)

    def knows(self, *words: str) -> bool:
        """Whether train.py's configuration has these keys."""
        done = subprocess.run(
            [sys.executable, str(TRAIN), "--cfg", "job", *words], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        return done.returncode == 0

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """A folder that is removed afterwards, on the disk of the workdir."""
        base = self.workdir / "temporary"
        base.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f"{self.row}-", dir=base, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    # ---- what is prepared once, and not counted

    @cached_property
    def data(self) -> Path:
        """The pictures: those that were given, else drawn ones."""
        if self.pictures is not None:
            return self.pictures
        folder = self.workdir / "pictures"
        if not folder.exists():
            with self.temporary() as beside:
                side, divide_by = (48, 6) if self.quick else (512, 1)
                drawn = beside / "drawn"
                self.module("pictures", "pictures", "artbench", drawn, "--side", str(side), "--divide-by", str(divide_by))
                drawn.rename(folder)
        return folder

    @cached_property
    def weights(self) -> Path:
        """A state dict of ResNet-50 that has learned something: a short run on the demo pictures, all layers."""
        file = self.workdir / "resnet50.pt"
        if not file.exists():
            tiny = ["data.demo.train_per_folder=2", "data.demo.test_per_folder=1", "data.image_size=32"] if self.quick else []
            epochs = 1 if self.quick else 3
            words = ["model=resnet50", "model.weights=none", f"stages.head.max_epochs={epochs}", *tiny]
            run = self.train("weights", words, cache=None, keep_checkpoints=True)
            half = file.with_suffix(".new")
            self.module("state", "weights", run.folder / "checkpoints" / "best.ckpt", half)
            half.rename(file)
            shutil.rmtree(run.folder / "checkpoints")
        return file

    @cached_property
    def split(self) -> tuple[Path, Path]:
        """Which pictures are in which split, for the peers: a run's manifest.csv, and the folder its paths are relative to.

        The splits are a function of the files and of data.split_seed, so that every run has the same. The run also brings the
        pictures and artclf's own files into the system's cache, where all sides then find them.
        """
        if not (self.workdir / "split.csv").exists():
            small = ["model=resnet50", "model.weights=none", "stages.head.unfreeze=0", "stages.head.max_epochs=1"]
            words = [*small, "data=ai_artbench", f"data.root={quoted(self.data)}", "data.image_size=32"]
            run = self.train("split", words, cache=None)
            (self.workdir / "split.json").write_text(json.dumps({"root": run.metrics["data"]["root"]}), encoding="utf-8")
            shutil.copyfile(run.folder / "manifest.csv", self.workdir / "split.csv")
        return self.workdir / "split.csv", Path(json.loads((self.workdir / "split.json").read_text(encoding="utf-8"))["root"])

    def prepare(self) -> str:
        """Make all of these, and bring pictures and libraries into the system's cache, so that no side finds it colder.

        Returns:
            A line on the pictures.
        """
        files = [file for file in self.data.rglob("*") if file.is_file()]
        size = sum(len(file.read_bytes()) for file in files)
        self.module("imports", "peers.imports")
        _ = self.job, self.peer
        kind = "drawn by benchmarks.pictures" if self.pictures is None else f"of {self.data.name}"
        return f"{len(files)} pictures {kind}, {size / len(files) / 1000:.0f} kB each on average."

    # ---- the seed's job

    @cached_property
    def job(self) -> list[str]:
        """train.py's words for ResNet-50 on the pictures, without its stages; no audit, which the others don't make either."""
        return [
            "data=ai_artbench",
            f"data.root={quoted(self.data)}",
            f"data.image_size={self.image_size}",
            "model=resnet50",
            f"model.weights={quoted(self.weights)}",
            "callbacks.early_stopping=null",
            "audit.pictures=0",
        ]

    @cached_property
    def peer(self) -> list[str | Path]:
        """The same for the peers, which take the same weights, splits and size."""
        manifest, root = self.split
        return ["--manifest", manifest, "--root", root, "--weights", self.weights, "--image-size", str(self.image_size)]

    def two_stages(self, epochs: int | None = None) -> list[str]:
        """The seed study's two stages: the head on a frozen backbone, then the last ten layers."""
        number = epochs or self.epochs
        head = ["stages.head.unfreeze=0", f"stages.head.max_epochs={number}"]
        return [*head, "+finetune=last10", f"stages.last10.max_epochs={number}"]


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
    def seconds_to_metrics(self) -> float:
        """From the process's start to metrics.json."""
        return (self.folder / "metrics.json").stat().st_mtime - self.process.began


def quoted(path: Path) -> str:
    """A path as a value in Hydra's grammar, where spaces, commas and brackets mean something."""
    text = str(path)
    if all(letter.isalnum() or letter in "/._-+" for letter in text):
        return text
    return "'" + text.replace("'", "\\'") + "'"
