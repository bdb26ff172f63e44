"""Running another process: its time, its memory, what it prints, and that nothing of it is left behind."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


class ChildFailedError(Exception):
    """A process that a measurement needs has failed; the message is one line, and names its log."""


@dataclass(frozen=True)
class Memory:
    """Bytes of a process and all that it started, as /proc/PID/smaps_rollup has them (Linux alone).

    Attributes:
        proportional: a page that n processes share counts 1/n for each, so that the sum is what they really take.
        anonymous: what they have written themselves. A page that a forked worker shares with its parent counts twice.
        resident: all that is in memory, libraries and mapped files included, once for each process.
    """

    proportional: int = 0
    anonymous: int = 0
    resident: int = 0

    @classmethod
    def of_session(cls, session: int) -> "Memory":
        """The memory of a session's processes now; one that ends meanwhile counts for nothing."""
        total = dict.fromkeys(("Pss:", "Anonymous:", "Rss:"), 0)
        for folder in PROC.glob("[0-9]*"):
            with suppress(OSError):  # it has ended, or is another user's
                if os.getsid(int(folder.name)) == session:
                    for line in (folder / "smaps_rollup").read_text().splitlines()[1:]:
                        name, kib, *_ = line.split()
                        if name in total:
                            total[name] += int(kib) * 1024
        return cls(*total.values())

    def highest(self, other: "Memory") -> "Memory":
        """The higher of two, figure by figure."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Memory(*map(max, pairs))


@dataclass(frozen=True)
class Finished:
    """A process that has ended.

    Attributes:
        began: when it was started, in seconds since the epoch.
        seconds: how long it ran.
        memory: the peaks, where it was sampled.
        log: the file of what it printed, after a line with its command.
    """

    began: float
    seconds: float
    memory: Memory
    log: Path


def run_child(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str],
    folder: Path,
    *,
    sample: bool = False,
    until: Callable[[], bool] | None = None,
) -> Finished:
    """Run a command to its end.

    Args:
        command: what to run.
        log: the file for what it prints.
        environment: added to this process's own.
        folder: in which it runs.
        sample: read its memory twice a second.
        until: asked every 20 ms; once it says yes, the process has done what was wanted of it, and is ended.

    Raises:
        ChildFailedError: where it ends with another code than 0, or before `until` says yes.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as written:
        print(
            f"$ {shlex.join([*(f'{key}={value}' for key, value in environment.items()), *command])}", file=written, flush=True
        )
        clock, began, memory = time.perf_counter(), time.time(), Memory()
        child = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that it can be ended, and its memory found, with all that it started
        )
        try:
            while (sample or until) and child.poll() is None and not (until and until()):
                if sample:
                    memory = memory.highest(Memory.of_session(child.pid))
                time.sleep(0.5 if sample else 0.02)
            reached = until is not None and until()
            code = 0 if reached else child.wait()
            seconds = time.perf_counter() - clock
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # also what it left running
            child.wait()
    if code or (until and not reached):
        printed = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[1:] if line.strip()]
        last = f" ({printed[-1][:160]})" if printed else ""
        raise ChildFailedError(f"ended with code {code}{'' if code else ' before its time'}{last}: {log}")
    return Finished(began, seconds, memory, log)
