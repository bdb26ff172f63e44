"""Memory that the process has once had is kept for its next batch, instead of going back to the system after each.

glibc's malloc maps every large block anew and unmaps it when it is freed. A convolutional network frees and asks for the same
few hundred megabytes with each batch, and the kernel has to find, clear and map their pages each time.
"""

import ctypes
import os

# mallopt's numbers: malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3

_LARGEST_KEPT = 2**30
"""Blocks up to here are kept: ResNet-50's largest tensor of 256 pictures at 224 pixels has 0.8 GB in 32 bits."""

_OLD_LIMIT = 2**25  # what older glibcs take at most
_ALL = -1  # no free memory at the heap's end is too much

_USERS_OWN = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")
_TUNABLES = ("glibc.malloc.mmap_", "glibc.malloc.trim_", "glibc.malloc.top_pad")


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
