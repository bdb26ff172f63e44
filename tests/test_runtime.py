"""Most cases run in a process of their own: what malloc and the garbage collector are told lasts until the process ends."""

import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from artclf import runtime
from artclf.runtime import quick_imports

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is configured")

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
IMPORTS = """
import gc
from artclf.runtime import quick_imports
before = gc.get_freeze_count()  # more than 0 from Python 3.12 on
try:
    with quick_imports(): raise ImportError
except ImportError: print(gc.isenabled(), gc.get_freeze_count() == before)
with quick_imports():
    assert not gc.isenabled()
    import torch
count = gc.get_freeze_count()
with quick_imports():  # torch is loaded already
    assert gc.isenabled()
print(gc.isenabled(), count > 50_000, gc.get_freeze_count() == count)
"""


def printed_by(code: str, *words: str, **environment: str) -> list[str]:
    """What a Python of its own prints, in words."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_", "LD_PRELOAD"))}
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, env={**own, **environment}, capture_output=True, text=True, check=True).stdout.split()


def test_imports_are_exempt_from_garbage_collection() -> None:
    assert printed_by(IMPORTS) == ["True"] * 5


@pytest.mark.parametrize(
    ("chosen", "found"), [({}, "1000"), ({"OMP_WAIT_POLICY": "active"}, None), ({"GOMP_SPINCOUNT": "7"}, "7")]
)
def test_openmp_threads_sleep_unless_the_user_has_chosen(
    monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str], found: str | None
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(runtime, "gc", SimpleNamespace(disable=int, enable=int, freeze=int))
    with quick_imports():
        pass
    assert os.environ.get("GOMP_SPINCOUNT") == found


@glibc
def test_a_freed_block_is_used_again() -> None:
    left_kept, left = printed_by(FAULTS, "leave")
    kept, faults = printed_by(FAULTS, "keep", MALLOC_ARENA_MAX="2")  # which is no choice of thresholds
    assert (left_kept, kept) == ("False", "True")
    assert int(left) >= 10 * 16  # 2 MB pages at the largest; with 4 kB pages there are 163,840
    assert int(faults) < int(left) / 10


@pytest.fixture
def mallopt_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What malloc is told, under an old glibc, in an environment without settings."""
    for name in [name for name in os.environ if name.startswith(("MALLOC_", "GLIBC_", "LD_PRELOAD"))]:
        monkeypatch.delenv(name)
    calls: list[tuple[int, int]] = []

    def mallopt(what: int, value: int) -> int:
        calls.append((what, value))
        return int(what == -1 or value <= 2**25)

    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=mallopt))
    return calls


@glibc
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MALLOC_TRIM_THRESHOLD_", "1000000"),
        ("GLIBC_TUNABLES", "glibc.rtld.optional_static_tls=512:glibc.malloc.mmap_threshold=1000000"),
        ("LD_PRELOAD", "/nowhere/libjemalloc.so.2"),
    ],
)
def test_what_a_user_has_chosen_is_left_alone(
    name: str, value: str, mallopt_calls: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert not runtime.keep_freed_memory()
    assert not mallopt_calls


@glibc
def test_an_old_glibc_gets_its_largest_threshold(mallopt_calls: list[tuple[int, int]]) -> None:
    assert runtime.keep_freed_memory()
    assert mallopt_calls == [(-3, 2**30), (-3, 2**25), (-1, -1)]
