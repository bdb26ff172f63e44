"""What this machine has, as far as this process may use it."""

import os
import threading
import time
from functools import cache
from pathlib import Path

UNKNOWN_MEMORY = 4 * 2**30
PARENT = "ARTCLF_PARENT"  # the process that starts the others, of a run on several devices or of a multirun


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
