"""Each case in a process of its own: what malloc is told holds until the process ends."""

import os
import subprocess
import sys

import pytest

from artclf import runtime

glibc = pytest.mark.skipif(not runtime._has_glibc(), reason="glibc's malloc alone is told")

FAULTS = """
import ctypes, resource, sys
from artclf.runtime import keep_freed_memory
print(keep_freed_memory() if sys.argv[1] == "keep" else False)
def use():
    block = ctypes.create_string_buffer(64 * 2**20)  # calloc: its pages are there, and zero
    ctypes.memset(block, 1, len(block))
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(word: str, **environment: str) -> tuple[bool, int]:
    """What `keep_freed_memory` returned, and the page faults of filling 64 MB ten times."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_", "LD_PRELOAD"))}
    command = [sys.executable, "-c", FAULTS, word]
    done = subprocess.run(command, env={**own, **environment}, capture_output=True, text=True, check=True)
    kept, faults = done.stdout.split()
    return kept == "True", int(faults)


@glibc
def test_a_block_that_was_freed_is_used_again() -> None:
    left_kept, left = run("leave")
    kept, faults = run("keep")
    assert (left_kept, kept) == (False, True)
    assert left >= 10 * 16  # 2 MB pages at the largest; with 4 kB pages there are 163,840
    assert faults < left / 10


@glibc
@pytest.mark.parametrize(
    "environment",
    [
        {"MALLOC_TRIM_THRESHOLD_": "1000000"},
        {"MALLOC_MMAP_THRESHOLD_": "1000000"},
        {"GLIBC_TUNABLES": "glibc.rtld.optional_static_tls=512:glibc.malloc.mmap_threshold=1000000"},
        {"LD_PRELOAD": "/nowhere/libjemalloc.so.2"},  # the loader says that it is not there, and goes on
    ],
    ids=str,
)
def test_what_a_user_has_chosen_is_left_alone(environment: dict[str, str]) -> None:
    kept, faults = run("keep", **environment)
    assert not kept
    assert faults >= 10 * 16


@glibc
def test_other_settings_of_malloc_are_no_choice_of_thresholds() -> None:
    assert run("keep", MALLOC_ARENA_MAX="2")[0]


@pytest.mark.parametrize(
    "missing", [None, "", AttributeError(), ValueError("unrecognized configuration name"), OSError(22, "")]
)
def test_without_glibc_nothing_is_done(missing: str | Exception | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def confstr(_: str) -> str | None:
        if isinstance(missing, Exception):
            raise missing
        return missing

    monkeypatch.setattr(os, "confstr", confstr, raising=False)
    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda _: pytest.fail("it was loaded"))
    assert runtime.keep_freed_memory() is False


@glibc
def test_an_old_glibc_is_told_its_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("MALLOC_", "GLIBC_", "LD_PRELOAD"))]:
        monkeypatch.delenv(name)
    told = []

    class Library:
        @staticmethod
        def mallopt(what: int, value: int) -> int:
            told.append((what, value))
            return int(what == -1 or value <= 2**25)

    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda _: Library)
    assert runtime.keep_freed_memory() is True
    assert told == [(-3, 2**30), (-3, 2**25), (-1, -1)]
