"""What a process sets up for itself: memory, threads, the garbage collector, log lines, and its end."""

import ctypes
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

UNKNOWN_MEMORY = 4 * 2**30
PARENT = "ARTCLF_PARENT"  # the process that starts the others, of a run on several devices or of a multirun

# mallopt's numbers: malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3

_LARGEST_KEPT = 2**30
"""Blocks up to here are kept: ResNet-50's largest tensor of 256 pictures at 224 pixels has 0.8 GB in 32 bits."""

_OLD_LIMIT = 2**25  # what older glibcs take at most
_ALL = -1  # no free memory at the heap's end is too much

_USERS_OWN = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")
_TUNABLES = ("glibc.malloc.mmap_", "glibc.malloc.trim_", "glibc.malloc.top_pad")


@contextmanager
def garbage_left_alone() -> Iterator[None]:
    """Let Python look for no garbage among what is imported within, nor ever after.

    It would go through half a million objects of torch and lightning, which stay for good, several times meanwhile: a fifth of
    the whole time, and then again and again in every run. Where torch has been loaded before, nothing is done: garbage of the
    caller's own may be there.
    """
    if "torch" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
    gc.freeze()


def wait_asleep() -> None:
    """Let OpenMP's threads go to sleep soon when they wait for each other. Call it before torch is loaded.

    GNU's OpenMP lets them spin for milliseconds: beside another process, the thread that is waited for does not get the core.
    On 2 cores, beside one busy process, a network computes 1.4 times as fast so; alone, as fast as before. What the user has
    chosen (OMP_WAIT_POLICY, GOMP_SPINCOUNT) stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def keep_freed_memory() -> bool:
    """Let malloc keep what is freed. Call it early: blocks that are there already are not changed.

    What it costs: the process stays at its peak until it ends, apart from single blocks of more than a gigabyte. It does not
    go on growing: what is kept is used again, by blocks of other sizes too.

    It does nothing without glibc (macOS, Windows, musl), under another allocator (LD_PRELOAD), and where the user has chosen
    thresholds of their own (MALLOC_…, GLIBC_TUNABLES). Processes forked from this one inherit it.

    Returns:
        Whether freed memory is kept now.
    """
    if not _has_glibc() or _chosen_otherwise():
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    mapped = any(mallopt(_M_MMAP_THRESHOLD, size) == 1 for size in (_LARGEST_KEPT, _OLD_LIMIT))
    return mapped and mallopt(_M_TRIM_THRESHOLD, _ALL) == 1


def _has_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (AttributeError, ValueError, OSError):  # no POSIX; no such name; not answered
        return False


def _chosen_otherwise() -> bool:
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    return (
        any(name in os.environ for name in _USERS_OWN)
        or any(name in tunables for name in _TUNABLES)
        or "malloc" in os.environ.get("LD_PRELOAD", "")  # jemalloc, tcmalloc, mimalloc: their names all have it
    )


class PlainFormatter(logging.Formatter):
    """The message alone; warnings and errors say that they are."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line to print for one log record."""
        text = super().format(record)
        return text if record.levelno < logging.WARNING else f"{record.levelname.lower()}: {text}"


def cores() -> int:
    """How many CPU cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """The memory in bytes: the machine's, or a container's limit; where the system does not tell, 4 GiB."""
    try:
        found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, ValueError, OSError):
        found = [UNKNOWN_MEMORY]
    for file in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        if file.is_file() and (limit := file.read_text().strip()).isdigit():
            found.append(int(limit))
    return min(found)


@cache
def end_with_parent() -> None:
    """Let this process end when the one that started it ends, however that ends; the first process of all is only noted.

    A process of a run on several devices would else wait for the others, for half an hour, with all its memory; a worker of a
    multirun would train on.
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
