"""The real train.py in a process of its own, which may be killed at a moment that a test names."""

import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
from importlib import import_module
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
KILLED = -signal.SIGKILL
Moment = tuple[str, int, str]  # module:function, which of its calls, and "before", "after" or "half" of it


def begin(folder: Path, words: list[str], printed: Path, moment: Moment | None = None) -> ForkServerProcess:
    """Start train.py in a folder; the process is forked from one that has loaded everything, which saves seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["artclf.training.experiment", "hydra._internal.hydra", "tests.apart", "timm"])
    process = context.Process(target=_run, args=(folder, words, printed, dict(os.environ), moment))
    process.start()
    return process


def train_apart(folder: Path, words: list[str], *, code: int = 0, moment: Moment | None = None) -> str:
    """Run train.py in a folder to its end, which has this exit code. Returns what it printed."""
    with tempfile.NamedTemporaryFile() as file:
        process = begin(folder, words, Path(file.name), moment)
        process.join(timeout=300)
        printed = Path(file.name).read_text(encoding="utf-8")
    assert process.exitcode == (KILLED if moment else code), f"{process.exitcode}, {moment}: {printed}"
    return printed


def _run(folder: Path, words: list[str], printed: Path, environment: dict[str, str], moment: Moment | None) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    with printed.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = [str(REPOSITORY / "train.py"), *words]
    if moment:
        _die_at(*moment)
    runpy.run_path(sys.argv[0], run_name="__main__")


def _die_at(target: str, count: int, when: str) -> None:
    """Let this process be killed at the count-th call of a function: before it, after it, or with half of it written."""
    module, path = target.split(":")
    *owners, name = path.split(".")
    owner: Any = import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    function, calls = getattr(owner, name), 0

    def watched(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = function(*args, **kwargs)
        if calls == count:
            if when == "half":
                args[1].truncate(args[1].tell() // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(owner, name, watched)
