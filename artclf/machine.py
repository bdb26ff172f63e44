"""What this machine has, as far as this process may use it."""

import ctypes
import os
import signal
import sys
from pathlib import Path

UNKNOWN_MEMORY = 4 * 2**30
PARENT = "ARTCLF_PARENT"  # the process that starts the others of a run on several devices
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


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


def end_with_parent() -> None:
    """Let Linux end this process when the one that started it ends, however that ends; elsewhere nothing is done.

    A process of a run on several devices would else wait for the others, for half an hour, with all its memory.
    """
    if "LOCAL_RANK" not in os.environ:  # the only process, or the one that will start the others
        os.environ[PARENT] = str(os.getpid())
        return
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.environ.get(PARENT, str(os.getppid())) != str(os.getppid()):  # it ended before
        os.kill(os.getpid(), signal.SIGKILL)
