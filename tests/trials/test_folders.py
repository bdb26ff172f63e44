"""Damaged run folders and caches; more by `python -m tests.trials --folders 1000 --seed 3`."""

import pytest

from tests.trials.folders import run


@pytest.mark.filterwarnings("default")  # of libraries
def test_damaged_folders_end_no_command_in_a_traceback() -> None:
    tried, failed = run(8, seed=0)
    assert tried == 8
    assert not failed, "\n\n".join(failed)
