"""Damaged run folders and caches: every command on them ends with exit code 0, 1 or 2, and no traceback."""

import json
import os
import runpy
import shutil
import stat
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from itertools import product
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from unittest.mock import patch

import torch
from hydra.core.global_hydra import GlobalHydra
from typer.testing import CliRunner

from artclf.cli import app
from artclf.model.classifier import ArtClassifier
from tests.conftest import FAST, REPOSITORY, draw

STAGES = ["stages.head.max_epochs=1", "+finetune=last10", "stages.last10.max_epochs=2", "callbacks.progress=null"]
SEARCH = ["-m", "sweep=optuna", "hydra.sweeper.n_trials=1", "head.dropout=choice(0,0.5)"]
STORE = ("about.json", "0000.keys.npy", "0000.rows.npy")
RUN = ["config.yaml", "metrics.json", "metrics.csv", "manifest.csv", "checkpoints"]
FILES = {  # where → the files that are damaged, and the commands that read them
    "finished": (
        [*RUN, "predictions.csv", "groups.csv", "layers.csv", "audit.json", "rejected.csv", "checkpoints/best.ckpt"],
        ("predict", "evaluate", "report", "compare"),
    ),
    "multirun": (
        [
            "multirun.yaml",
            *(f"0/{name}" for name in ("config.yaml", "metrics.json", "pruned.json", "error.txt", "progress.json")),
        ],
        ("again", "compare"),
    ),
    "search": (["sweep.journal", "multirun.yaml", "0/metrics.json"], ("search",)),
    "interrupted": (
        [*RUN, "progress.json", "pruned.json", "error.txt", "checkpoints/last.ckpt", "checkpoints/head.ckpt"],
        ("resume",),
    ),
    "cache": (
        ["pixels/*/files.jsonl", *(f"{kind}/*/{file}" for kind in ("pixels", "prefix") for file in STORE)],
        ("train", "list"),
    ),
}


def _deeper(value: object, rng: Random) -> object:
    """A JSON value with one of its parts replaced by one of another type."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        return {**value, key: _deeper(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        return [_deeper(value[0], rng), *value[1:]]
    return rng.choice([None, "x", -1, 1e300, [], {}, [[]], {"x": None}, True])


def _changed(file: Path, rng: Random) -> None:
    """JSON with another type inside; a table with another word in a cell; else a line twice."""
    text = file.read_bytes()
    try:
        file.write_text(json.dumps(_deeper(json.loads(text), rng)))
    except ValueError:
        lines = text.splitlines(keepends=True) or [b""]
        place = rng.randrange(len(lines))
        lines[place] = rng.choice(
            [lines[place].replace(b",", b",x", 1), lines[place].replace(b": ", b": [", 1), lines[place] * 2]
        )
        file.write_bytes(b"".join(lines))


def _checkpoint(file: Path, rng: Random) -> None:
    """A checkpoint that can be read, with another type inside; another file is cut."""
    try:
        content = torch.load(file, weights_only=True)
    except Exception:  # noqa: BLE001 (it is none)
        _cut(file, rng)
        return
    content[rng.choice(list(content))] = rng.choice([None, "x", -1, [], {}, {"x": None}])
    torch.save(content, file)


def _cut(file: Path, rng: Random) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: rng.randrange(len(content) + 1)])


def _folder(file: Path, rng: Random) -> None:
    file.unlink()
    file.mkdir()
    if rng.random() < 0.5:
        (file / "x").touch()


def _loop(file: Path, rng: Random) -> None:
    file.unlink()
    file.symlink_to(file.name)


def _forbidden(file: Path, rng: Random) -> None:
    file.chmod(0)


def _writes(content: bytes) -> Callable[[Path, Random], None]:
    return lambda file, rng: file.write_bytes(content) and None


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
DAMAGES: dict[str, Callable[[Path, Random], None]] = {
    "cut": _cut,
    "missing": lambda file, rng: file.unlink(),
    "a folder": _folder,
    "a loop": _loop,
    "forbidden": _forbidden,
    "changed inside": _changed,
    "a changed checkpoint": _checkpoint,
    "random bytes": lambda file, rng: file.write_bytes(rng.randbytes(rng.randrange(1, 500))) and None,
    "nested": _writes(b"[" * 100_000),
    "bomb": _writes(BOMB.encode()),
    **{
        repr(content): _writes(content)
        for content in (b"", b"\n", b"\0" * 64, b"[]", b"{}", b"null", b"3", b'"x"', b"a: {", b"NaN", b"\xff\xfe\0", b"PK\3\4")
    },
}


@contextmanager
def _quiet(home: Path, cache: Path) -> Iterator[StringIO]:
    """What is printed; in a folder of its own, without a network."""
    printed = StringIO()
    settings = {"ARTCLF_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    before = Path.cwd()
    os.chdir(home)
    try:
        with patch.dict(os.environ, settings), redirect_stdout(printed), redirect_stderr(printed):
            yield printed
    finally:
        os.chdir(before)


def _train(*words: str) -> int:
    """The real train.py, in this process."""
    GlobalHydra.instance().clear()
    with patch.object(sys, "argv", [str(REPOSITORY / "train.py"), *words]):
        try:
            runpy.run_path(str(REPOSITORY / "train.py"), run_name="__main__")
        except SystemExit as end:
            return int(end.code or 0)
    return 0


class Folders:
    """A finished run, one in a multirun, an interrupted one and a cache, made once in a folder; each trial damages a copy."""

    def __init__(self, home: Path) -> None:
        self.home, self.pictures = home, home / "pictures"
        for number, (split, label) in enumerate([*product(("train", "test"), ("ai", "human"))] * 8):
            draw(self.pictures / split / label / f"{number}.png", label, number)
        self.words = ["data=folder", f"data.root={self.pictures}", *FAST, *STAGES, "audit.images=20"]
        with _quiet(home, home / "cache") as printed:
            codes = [_train("-m", *self.words, "hydra.sweep.dir=multirun")]
            codes.append(_train(*SEARCH, *self.words, "hydra.sweep.dir=search"))
            with patch.object(ArtClassifier, "on_validation_epoch_end", self._interrupt):
                codes.append(_train(*self.words, "hydra.run.dir=interrupted"))
        assert codes == [0, 0, 130], printed.getvalue()
        shutil.copytree(home / "multirun" / "0", home / "finished")

    @staticmethod
    def _interrupt(model: ArtClassifier) -> None:
        if model.current_epoch == 1:  # of the second stage
            raise KeyboardInterrupt

    def do(self, command: str, place: Path) -> int:
        """Run a command on a damaged copy."""
        image = str(self.pictures / "test" / "ai" / "4.png")
        words: dict[str, list[str]] = {
            "predict": ["predict", str(place), image],
            "evaluate": ["evaluate", str(place), str(self.pictures)],
            "report": ["report", str(place)],
            "compare": ["compare", str(place), str(self.home / "finished")],
            "list": ["cache", "list"],
        }
        if command in words:
            done = CliRunner().invoke(app, words[command])
            print(done.output)  # noqa: T201 (to what _quiet keeps)
            if done.exception and not isinstance(done.exception, SystemExit):
                raise done.exception
            return done.exit_code
        return {
            "search": lambda: _train(*SEARCH, *self.words, f"hydra.sweep.dir={place}"),
            "again": lambda: _train("-m", *self.words, f"hydra.sweep.dir={place}"),
            "resume": lambda: _train(f"resume={place}"),
            "train": lambda: _train(*self.words, "hydra.run.dir=trained"),
        }[command]()

    def trial(self, where: str, name: str, damage: str, command: str, rng: Random) -> str:
        """Damage one file of a copy and run a command on it; return what is wrong with how it ended, or ""."""
        with TemporaryDirectory(dir=self.home) as copied:
            place = Path(shutil.copytree(self.home / where, Path(copied) / where))
            file = next(iter(sorted(place.glob(name))), place / name)
            if not file.exists():
                file.touch()
            if file.is_dir():
                shutil.rmtree(file)
                file.touch()
            DAMAGES[damage](file, rng)
            with _quiet(Path(copied), place if where == "cache" else self.home / "cache") as printed:
                try:
                    code, raised = self.do(command, place), ""
                except Exception:  # noqa: BLE001 (what the trial looks for)
                    code, raised = -1, traceback.format_exc()
            text = printed.getvalue() + raised
            left = [path.name for path in Path(copied).rglob("*.new")]
            for path in Path(copied).rglob("*"):  # so that it can be removed
                if not path.is_symlink() and not path.stat().st_mode & stat.S_IWUSR:
                    path.chmod(0o700)
        if code in {0, 1, 2} and "Traceback" not in text and not left:
            return ""
        return f"{command} after {where}/{name}: {damage}: exit code {code}, left {left}\n{text[-1500:]}"


def run(count: int, seed: int) -> tuple[int, list[str]]:
    """Try so many kinds of damage, of each command in turn; return how many were tried, and what failed."""
    rng = Random(seed)
    kinds = [
        (where, name, damage, command)
        for where, (names, commands) in FILES.items()
        for name, damage, command in product(names, DAMAGES, commands)
    ]
    rng.shuffle(kinds)
    before: Counter[tuple[str, str]] = Counter()
    turn = [before.update([(kind[0], kind[3])]) or before[kind[0], kind[3]] for kind in kinds]
    drawn = [kinds[number] for number in sorted(range(len(kinds)), key=turn.__getitem__)[:count]]
    with TemporaryDirectory() as home:
        folders = Folders(Path(home).resolve())
        failed = [found for kind in drawn if (found := folders.trial(*kind, rng))]
    return len(drawn), failed
