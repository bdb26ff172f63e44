import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.memory import can_sample
from benchmarks.processes import ChildFailedError, Finished, run_child

# half of it is held by a child of its own, as a data loader's workers hold theirs
ALLOCATES = """
import subprocess, sys, time
mine = b"x" * (int(sys.argv[1]) << 20)
if len(sys.argv) == 3:
    subprocess.run([sys.executable, "-c", sys.argv[2], sys.argv[1]], check=True)
time.sleep(4)  # several of the sampler's looks, however busy the machine is
"""


def python(code: str, *words: str, log: Path, **options: object) -> Finished:
    return run_child([sys.executable, "-c", code, *words], log=log, environment={"WORD": "said"}, folder=log.parent, **options)  # type: ignore[arg-type]


def test_what_a_process_prints_is_kept_with_its_command(tmp_path: Path) -> None:
    before = time.time()
    done = python("import os, sys; print(os.environ['WORD']); print('loud', file=sys.stderr)", log=tmp_path / "logs" / "a.log")
    command, *printed = done.log.read_text().splitlines()
    assert command.startswith("$ WORD=said ")
    assert sorted(printed) == ["loud", "said"]
    assert before <= done.began <= time.time()
    assert done.max_rss > 1 << 20
    assert done.memory is None


def test_a_process_that_fails_is_one_line_that_names_its_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with pytest.raises(ChildFailedError) as caught:
        python("print('first'); raise SystemExit('no such thing')", log=log)
    assert str(caught.value) == f"ended with code 1 (no such thing): {log}"


def test_a_process_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ChildFailedError, match=r"ended after 0 s without an end: .*a\.log"):
        python("import time; time.sleep(60)", log=tmp_path / "a.log", patience=0.2)


def test_a_process_is_ended_once_it_has_done_what_was_wanted(tmp_path: Path) -> None:
    wanted = tmp_path / "wanted"
    code = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    done = python(code, str(wanted), log=tmp_path / "a.log", until=wanted.exists)
    assert done.seconds < 30
    with pytest.raises(ChildFailedError, match="ended with code 0 before its time"):
        python("pass", log=tmp_path / "b.log", until=(tmp_path / "never").exists)


def test_nothing_that_a_process_started_is_left(tmp_path: Path) -> None:
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)"
    done = python(code, log=tmp_path / "a.log")
    left = int(done.log.read_text().splitlines()[-1])
    for _ in range(100):
        with suppress(ChildProcessError):
            os.waitpid(left, os.WNOHANG)  # where it has become this process's child
        if not is_running(left):
            return
        time.sleep(0.05)
    pytest.fail("it still runs")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"  # dead, and waiting to be buried


@pytest.mark.skipif(not can_sample(), reason="memory is sampled from /proc")
def test_the_memory_of_a_process_and_its_children_is_sampled(tmp_path: Path) -> None:
    small = python(ALLOCATES, "0", log=tmp_path / "small.log", sample=True).memory
    large = python(ALLOCATES, "60", ALLOCATES, log=tmp_path / "large.log", sample=True).memory
    assert small
    assert large
    for figure in ("anonymous", "resident", "proportional"):
        more = getattr(large, figure) - getattr(small, figure)
        assert 120 << 20 <= more <= 180 << 20, figure  # and the second Python itself
    assert large.anonymous < large.resident
    assert large.proportional < large.resident
