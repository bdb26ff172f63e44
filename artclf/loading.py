"""How heavy libraries are loaded: torch and lightning make half a million objects that stay for good."""

import gc
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
