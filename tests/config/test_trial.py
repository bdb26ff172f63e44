"""Hostile command lines; more by `python -m tests.trials --commandline 1000 --seed 3`."""

import pytest

from tests.trials.commandline import run


@pytest.mark.parametrize("count", [18, pytest.param(60, marks=pytest.mark.slow)])
def test_every_hostile_command_line_is_refused_in_our_words(count: int) -> None:
    assert run(count, seed=count) == (count, [])
