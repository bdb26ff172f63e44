"""How heavy libraries are loaded: torch and lightning make half a million objects that stay for good."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def garbage_left_alone() -> Iterator[None]:
    """Let Python look for no garbage among what is imported within, nor ever after.

    It would go through all of these objects several times meanwhile, which takes a fifth of the whole, and then again and again
    in every run. Where torch has been loaded before, nothing is done: garbage of the caller's own may be there.
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
