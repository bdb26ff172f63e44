"""Hostile command lines; more by `python -m tests.trials --commandline 1000 --seed 3`."""

from tests.trials.commandline import run


def test_every_hostile_command_line_is_refused_in_our_words() -> None:
    assert run(40, seed=0) == (40, [])
