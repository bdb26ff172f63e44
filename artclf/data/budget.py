"""How much the threads of a process hold in memory at a time: pixels being decoded, contents of files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Budget:
    """Lets threads hold at most `limit` together; what is larger waits until nothing else is held."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._begin()
        if hasattr(os, "register_at_fork"):  # a forked process has none of the threads that would give back what they hold
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self.held = 0
        self._changed = Condition()

    @contextmanager
    def hold(self, amount: int) -> Iterator[None]:
        """Wait until so much fits in, and hold its place. Not to be called inside itself."""
        with self._changed:
            self._changed.wait_for(lambda: not self.held or self.held + amount <= self.limit)
            self.held += amount
        try:
            yield
        finally:
            with self._changed:
                self.held -= amount
                self._changed.notify_all()
