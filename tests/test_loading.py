import gc
import subprocess
import sys

from artclf.loading import garbage_left_alone


def test_what_is_loaded_is_never_gone_through_again() -> None:
    code = (
        "import gc; from artclf.loading import garbage_left_alone\n"
        "with garbage_left_alone():\n    assert not gc.isenabled(); import torch\n"
        "assert gc.isenabled(); print(gc.get_freeze_count())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(printed) > 50_000


def test_it_is_on_again_after_a_failure() -> None:
    code = (
        "import gc; from artclf.loading import garbage_left_alone\n"
        "try:\n    with garbage_left_alone(): raise ImportError\n"
        "except ImportError: print(gc.isenabled(), gc.get_freeze_count())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["True", "0"]


def test_where_torch_is_loaded_nothing_is_frozen() -> None:
    import torch  # noqa: F401

    before = gc.get_freeze_count()
    with garbage_left_alone():
        assert gc.isenabled()
    assert gc.get_freeze_count() == before
