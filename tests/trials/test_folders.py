"""Damaged run folders and caches; more by `python -m tests.trials --folders 1000 --seed 3`."""

import pytest

from tests.trials.folders import run

pytestmark = pytest.mark.filterwarnings("default")  # of libraries


@pytest.mark.parametrize("count", [6, pytest.param(30, marks=pytest.mark.slow)])
def test_damaged_folders_end_no_command_in_a_traceback(count: int) -> None:
    tried, failed = run(count, seed=count)
    assert tried == count
    assert not failed, "\n\n".join(failed)
