"""How much memory a process and all that it started take, sampled from /proc while they run (Linux alone).

All processes of one session are taken together: a child that is started in a session of its own, as `benchmarks.processes`
does, is found with its workers, whoever their parent is by then.

- anonymous: the sum of RssAnon, what the processes have written themselves. Pages that a forked worker still shares with its
  parent count for each, so it is an upper bound.
- resident: the sum of VmRSS. Libraries and mapped files count for each process that has them in memory; an upper bound again.
- proportional: the sum of PSS, where a page that n processes share counts 1/n for each. That is the memory the processes really
  take, mapped files included (which the system may drop at any time). Reading it is slow, so it is sampled more seldom.

A peak shorter than the interval can be missed; `ru_maxrss` of the main process (in `benchmarks.processes`) can't.
"""

import threading
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
SESSION = 3  # in /proc/PID/stat, counted from the field after the name: state, parent, group, session
KIB = 1024


@dataclass(frozen=True)
class Memory:
    """Bytes of all processes of a session: see the module's own words."""

    anonymous: int = 0
    resident: int = 0
    proportional: int = 0

    def highest(self, other: "Memory") -> "Memory":
        """The higher of two, figure by figure."""
        return Memory(
            max(self.anonymous, other.anonymous),
            max(self.resident, other.resident),
            max(self.proportional, other.proportional),
        )


class Sampler(threading.Thread):
    """Samples a session's memory until it is stopped.

    Args:
        session: its id, which is the process id of the process that began it.
        interval: seconds between samples.
        seldom: every how many samples the proportional memory is read as well.
    """

    def __init__(self, session: int, interval: float = 0.2, seldom: int = 4) -> None:
        super().__init__(daemon=True)
        self.session = session
        self.interval = interval
        self.seldom = seldom
        self.peak = Memory()
        self.samples = 0
        self._ended = threading.Event()

    def run(self) -> None:
        """Sample; called by `start`."""
        while not self._ended.is_set():
            found = session_memory(self.session, proportional=self.samples % self.seldom == 0)
            self.peak = self.peak.highest(found)
            self.samples += 1
            self._ended.wait(self.interval)

    def stop(self) -> Memory:
        """End it, and return the peaks."""
        self._ended.set()
        self.join()
        return self.peak


def can_sample() -> bool:
    """Whether this system has what is sampled."""
    return (PROC / "self" / "stat").exists()


def session_memory(session: int, *, proportional: bool) -> Memory:
    """The memory of a session's processes now; one that ends meanwhile counts for nothing."""
    total = [0, 0, 0]
    for process in session_processes(session):
        status = _kib(process / "status", "RssAnon", "VmRSS")
        shared = _kib(process / "smaps_rollup", "Pss") if proportional else [0]
        total = [sum(pair) for pair in zip(total, (*status, *shared), strict=True)]
    return Memory(*total)


def session_processes(session: int) -> list[Path]:
    """The folders in /proc of a session's processes."""
    found = []
    for folder in PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it has ended
        if int(stat.rpartition(")")[2].split()[SESSION]) == session:  # the name, in brackets, may hold anything
            found.append(folder)
    return found


def _kib(file: Path, *names: str) -> list[int]:
    """The named lines of a file such as /proc/PID/status, in bytes; 0 for what is not there."""
    try:
        lines = dict(line.split(":", 1) for line in file.read_text(encoding="utf-8").splitlines() if ":" in line)
    except OSError:
        lines = {}
    return [int(lines[name].split()[0]) * KIB if name in lines else 0 for name in names]
