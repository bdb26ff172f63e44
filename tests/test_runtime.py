import gc
import os
import subprocess
import sys

import pytest

from artclf.runtime import garbage_left_alone, wait_asleep


def printed_by(code: str) -> list[str]:
    """What a Python of its own prints, in words."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_what_is_loaded_is_never_gone_through_again() -> None:
    code = (
        "import gc; from artclf.runtime import garbage_left_alone\n"
        "with garbage_left_alone():\n    assert not gc.isenabled(); import torch\n"
        "assert gc.isenabled(); print(gc.get_freeze_count())"
    )
    assert int(*printed_by(code)) > 50_000


def test_it_is_on_again_after_a_failure() -> None:
    code = (
        "import gc; from artclf.runtime import garbage_left_alone\n"
        "try:\n    with garbage_left_alone(): raise ImportError\n"
        "except ImportError: print(gc.isenabled(), gc.get_freeze_count())"
    )
    assert printed_by(code) == ["True", "0"]


def test_where_torch_is_loaded_nothing_is_frozen() -> None:
    import torch  # noqa: F401

    before = gc.get_freeze_count()
    with garbage_left_alone():
        assert gc.isenabled()
    assert gc.get_freeze_count() == before


@pytest.mark.parametrize(
    ("chosen", "found"), [({}, "1000"), ({"OMP_WAIT_POLICY": "active"}, None), ({"GOMP_SPINCOUNT": "7"}, "7")]
)
def test_threads_sleep_while_they_wait_unless_the_user_has_chosen(
    monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str], found: str | None
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    wait_asleep()
    assert os.environ.get("GOMP_SPINCOUNT") == found
