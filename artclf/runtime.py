"""How a process uses memory, threads, another process and the garbage collector, how it formats log lines, and when it ends."""

import atexit
import ctypes
import gc
import logging
import os
import pickle
import platform
import shutil
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, TypeVar

from artclf.errors import ArtclfError

log = logging.getLogger(__name__)

T = TypeVar("T")
PARENT = "ARTCLF_PARENT"  # the process that starts the others, of a run on several devices or of a multirun

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # mallopt's parameters, from malloc.h
KEPT_BLOCKS = (2**30, 2**25)  # the largest block to keep: ResNet-50 at batch 256 needs 0.8 GB; older glibcs allow 2**25
PACKAGES = ("artclf", "torch", "torchvision", "lightning", "timm", "numpy", "pillow", "scikit-learn")
_is_helper = False  # whether this process is another one's helper
THRESHOLDS = ("mmap_", "trim_", "top_pad")  # in names of malloc's environment variables and tunables


@contextmanager
def quick_imports() -> Iterator[None]:
    """Load torch and what needs it in less time, and let its OpenMP threads sleep when they wait.

    The garbage collector is off, and what was loaded is exempt from it later: a fifth of the import time. If torch is loaded
    already, nothing is done: the caller's own garbage would be exempt too. Threads that sleep instead of spinning let a
    network compute 1.4 times as fast on 2 cores beside a busy process; OMP_WAIT_POLICY and GOMP_SPINCOUNT choose otherwise.
    """
    if "torch" in sys.modules:
        yield
        return
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
    gc.freeze()


def keep_freed_memory() -> bool:
    """Let malloc keep freed memory for reuse, and return whether it does. Call it early: earlier blocks are not affected.

    Nothing is done without glibc, under another allocator (LD_PRELOAD), and where the user has chosen thresholds.
    """
    settings = [os.environ.get("GLIBC_TUNABLES", ""), *(name.lower() for name in os.environ if name.startswith("MALLOC_"))]
    chosen = any(threshold in setting for setting in settings for threshold in THRESHOLDS)
    other = "malloc" in os.environ.get("LD_PRELOAD", "")  # jemalloc, tcmalloc, mimalloc
    if chosen or other or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    kept = any(mallopt(M_MMAP_THRESHOLD, size) == 1 for size in KEPT_BLOCKS)
    return kept and mallopt(M_TRIM_THRESHOLD, -1) == 1  # -1: never give free memory back


class _Helper:
    """Another Python, which calls functions one after the other."""

    def __init__(self) -> None:
        # not multiprocessing: its children may run the caller's own script again, and it waits for them at its end
        command = [sys.executable, "-P", "-c", "from artclf.runtime import help_parent; help_parent()"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        # in a session of its own: Ctrl-C is for the process that it helps
        self.process = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)
        self.thread = ThreadPoolExecutor(1, "helper")
        self.calls: list[Future[Any]] = []
        atexit.register(self.end)  # once the calls are done: Python waits for threads first

    def call(self, function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        """Let the process call a function, and return what it returns, or raise what it raises."""
        assert self.process.stdin
        assert self.process.stdout
        try:
            pickle.dump((str(Path.cwd()), dict(os.environ), function, arguments), self.process.stdin)
            self.process.stdin.flush()
            value, error = pickle.load(self.process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            log.warning("the process that makes audits and pages has ended (too little memory?): it is done in this one")
            return function(*arguments)
        if error is not None:
            raise error
        result: T = value
        return result

    def end(self) -> None:
        """End the process, whatever it does."""
        atexit.unregister(self.end)
        self.process.kill()
        self.process.communicate()


@cache
def _helper(process: int) -> _Helper:  # noqa: ARG001 (a forked process has its own)
    return _Helper()


def help_parent() -> None:
    """Make the calls that come from stdin, until it is closed: then the process that is helped has ended."""
    global _is_helper  # noqa: PLW0603
    _is_helper = True
    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter())
    logging.getLogger().addHandler(handler)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a function prints must not be taken for a reply
    while True:
        try:
            folder, environment, function, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        try:
            reply: tuple[Any, Exception | None] = function(*arguments), None
        except (ArtclfError, OSError) as error:
            reply = None, error
        except Exception:  # noqa: BLE001 (raised there; it need not be one that can be sent)
            reply = None, RuntimeError(f"in the helper process:\n{traceback.format_exc()}")
        pickle.dump(reply, replies)
        replies.flush()


def beside(function: Callable[..., T], *arguments: Any) -> "Future[T]":
    """Call a function in one other process, the helper, where calls wait for each other.

    What needs no torch can be done there while this process loads torch, or trains. The helper works in this process's folder
    and environment. The function is found by its name; arguments, results and errors are pickled.
    """
    helper = _helper(os.getpid())
    helper.calls = [call for call in helper.calls if not call.done()]
    future: Future[T] = helper.thread.submit(helper.call, function, arguments)
    helper.calls.append(future)
    return future


def now(function: Callable[..., T], *arguments: Any) -> "Future[T]":
    """Call a function here and now, where the helper has not begun and would take longer."""
    future: Future[T] = Future()
    future.set_result(function(*arguments))
    return future


def load_beside(*modules: str) -> None:
    """Let the helper load modules."""
    for module in modules:
        beside(_load, module)


def _load(module: str) -> None:
    import_module(module)


def end_helper(keep: Collection["Future[Any]"] = ()) -> None:
    """End the helper, whatever it does, unless it is to `keep` calls that are not done; the next call starts another."""
    if not _helper.cache_info().currsize:
        return
    helper = _helper(os.getpid())
    for call in helper.calls:
        if call not in keep:
            call.cancel()
    if all(call.done() for call in keep):
        helper.end()
        _helper.cache_clear()


class PlainFormatter(logging.Formatter):
    """The message alone; warnings and errors are marked as such."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line to print for one log record."""
        text = super().format(record)
        return text if record.levelno < logging.WARNING else f"{record.levelname.lower()}: {text}"


def progress(items: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
    """Go through items with a progress bar on stderr, if that is a terminal; a pipe gets nothing, not even an empty line."""
    from rich.console import Console  # noqa: PLC0415 (`artclf --help` stays quick)
    from rich.markup import escape  # noqa: PLC0415 (so too)
    from rich.progress import track  # noqa: PLC0415

    terminal = Console(stderr=True)
    return track(items, escape(label), total, console=terminal, transient=True, disable=_is_helper or not terminal.is_terminal)


def speed(images: int, seconds: float) -> str:
    """Return how quickly images were processed, for the log."""
    return f"{images:,} images in {seconds:.1f} s: {images / seconds:,.0f} images a second"


def cores() -> int:
    """How many CPU cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """The memory in bytes: the machine's, or a container's limit; 4 GiB where it is unknown."""
    try:
        found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, ValueError, OSError):
        found = [4 * 2**30]
    for file in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        if file.is_file() and (limit := file.read_text().strip()).isdigit():
            found.append(int(limit))
    return min(found)


def shared_memory() -> int | None:
    """Free bytes of the memory through which processes hand each other batches; None where that is unknown."""
    folder = Path("/dev/shm")
    return shutil.disk_usage(folder).free if folder.is_dir() else None


def fitting_workers(asked: int, free: int | None, batch: int, each: int) -> int:
    """How many of these processes find room in `shared_memory` for `each` batches of so many bytes, with as many in use."""
    return asked if free is None else min(asked, max(0, free // batch - each) // each)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that figures depend on; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def git_commit() -> str | None:
    """The commit of the source tree, with "-dirty" where tracked files are changed; None where it is in no repository."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()


def is_main_process() -> bool:
    """Whether this process writes files: the only one, or the first of a run on several devices."""
    from lightning.pytorch.utilities import rank_zero_only  # noqa: PLC0415 (loads torch)

    return int(getattr(rank_zero_only, "rank", 0)) == 0


@cache
def end_with_parent() -> None:
    """End this process when the one that started it ends; the first process of all is only noted.

    Otherwise a process of a run on several devices would wait half an hour for the others, and a worker of a multirun would
    train on.
    """
    parent, first = os.getppid(), os.environ.get(PARENT)
    os.environ[PARENT] = str(os.getpid())
    if "LOCAL_RANK" in os.environ and "TORCHELASTIC_RUN_ID" not in os.environ and first:
        parent = int(first)  # even where it has ended already
    elif "LOCAL_RANK" not in os.environ and first != str(parent):
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()
