"""Running another process: how long it takes, how much memory, what it prints, and that nothing of it is left behind."""

import os
import resource
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.memory import Memory, Sampler, can_sample

PEAK_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in a unit of ru_maxrss: man 2 getrusage
PATIENCE = 3 * 3600.0  # seconds after which a process is taken for one that hangs
LOOK_EVERY = 0.02  # seconds


class ChildFailedError(Exception):
    """A process that a measurement needs has failed; the message is one line, and names its log."""


@dataclass(frozen=True)
class Finished:
    """A process that has ended.

    Attributes:
        began: when it was started, in seconds since the epoch.
        seconds: how long it ran.
        max_rss: ru_maxrss in bytes, of the largest of its processes. On Linux it begins at the peak of the process that
            started it, so benchmarks' own process imports nothing large.
        memory: the peaks, where it was sampled.
        log: the file of what it printed, after a line with its command.
    """

    began: float
    seconds: float
    max_rss: int
    memory: Memory | None
    log: Path


def run_child(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    folder: Path,
    sample: bool = False,
    until: Callable[[], bool] | None = None,
    patience: float = PATIENCE,
) -> Finished:
    """Run a command to its end.

    Args:
        command: what to run.
        log: the file for what it prints.
        environment: added to this process's own.
        folder: in which it runs.
        sample: whether its memory is sampled.
        until: looked at every 20 ms; once it says yes, the process has done what was wanted of it, and is ended.
        patience: seconds after which it is ended, and has failed.

    Raises:
        ChildFailedError: where it ends with another code than 0, before `until` says yes, or runs too long.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as written:
        words = [*(f"{key}={value}" for key, value in environment.items()), *command]
        print(f"$ {shlex.join(words)}", file=written, flush=True)
        clock, began = time.perf_counter(), time.time()
        child = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that it can be ended, and its memory found, with all that it started
        )
    sampler = Sampler(child.pid) if sample and can_sample() else None
    late = threading.Timer(patience, end_session, args=[child.pid])
    try:
        late.start()
        if sampler:
            sampler.start()
        reached, status, usage = _wait(child.pid, until)
        seconds = time.perf_counter() - clock
    finally:
        hung = not late.is_alive()
        late.cancel()
        end_session(child.pid)  # also what it left running
        memory = sampler.stop() if sampler and sampler.is_alive() else None
        with suppress(ChildProcessError):  # where `_wait` was interrupted, by Ctrl-C say
            os.waitpid(child.pid, 0)
        child.returncode = 0  # it has been waited for, which Popen does not know
    code = os.waitstatus_to_exitcode(status)
    if hung:
        raise ChildFailedError(f"ended after {patience:,.0f} s without an end: {log}")
    if until and not reached:
        raise ChildFailedError(f"ended with code {code} before its time{_last_line(log)}: {log}")
    if code and not reached:
        raise ChildFailedError(f"ended with code {code}{_last_line(log)}: {log}")
    return Finished(began, seconds, usage.ru_maxrss * PEAK_UNIT, memory, log)


def end_session(pid: int) -> None:
    """Kill a process that began a session, and all in its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _wait(pid: int, until: Callable[[], bool] | None) -> tuple[bool, int, resource.struct_rusage]:
    """Whether `until` said yes, the process's status, and what it used (getrusage would tell of all children there were)."""
    reached = False
    while until is not None:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            return reached or until(), status, usage
        if until():
            reached = True
            end_session(pid)
            break
        time.sleep(LOOK_EVERY)
    _, status, usage = os.wait4(pid, 0)
    return reached, status, usage


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[1:]]
    last = next((line for line in reversed(lines) if line), "")
    return f" ({last[:160]})" if last else ""
