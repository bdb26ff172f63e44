"""Running another process: its time, its memory, what it prints, and nothing of it left behind."""

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
class Finished:
    """A process that has ended."""

    began: float  # seconds since the epoch
    seconds: float
    memory: int  # bytes at the peak, where it was sampled


def memory_of(session: int) -> int:
    """Proportional memory (PSS) of a session's processes in bytes: a page that n processes share counts 1/n for each."""
    total = 0
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if os.getsid(int(folder.name)) == session:
                lines = (folder / "smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def run_child(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str],
    folder: Path,
    *,
    sample: bool = False,
    until: Callable[[], bool] | None = None,
) -> Finished:
    """Run a command in a folder, and write what it prints to a log.

    Args:
        command: what to run.
        log: the file.
        environment: added to this process's own.
        folder: in which it runs.
        sample: whether to read its memory twice a second.
        until: asked every 20 ms; once it is true, the process is ended. Else it runs to its end.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as written:
        print(shlex.join([*(f"{key}={value}" for key, value in environment.items()), *command]), file=written, flush=True)
        clock, began, memory = time.perf_counter(), time.time(), 0
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
                memory = max(memory, memory_of(child.pid)) if sample else 0
                time.sleep(0.5 if sample else 0.02)
            reached = until is not None and until()
            code = 0 if reached else child.wait()
            seconds = time.perf_counter() - clock
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # also what it left running
            child.wait()
    if code or (until and not reached):
        printed = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1]
        raise ChildFailedError(f"ended with code {code}{'' if code else ' before its time'} ({printed[:160]}): {log}")
    return Finished(began, seconds, memory)
