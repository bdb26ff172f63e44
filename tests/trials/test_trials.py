"""A few of each kind; more by `python -m tests.trials`."""

import pytest

from tests.trials import commandline, folders, images


@pytest.mark.filterwarnings(r"ignore::UserWarning:PIL\.(Png|Tiff)ImagePlugin")
def test_every_kind_of_hostile_image_gives_pixels_or_one_refusal() -> None:
    assert images.run(450, seed=0) == (450, [])


def test_every_hostile_command_line_is_refused_in_our_words() -> None:
    assert commandline.run(40, seed=0) == (40, [])


@pytest.mark.slow  # and so this file, the last by its name, is among the first that are begun
@pytest.mark.filterwarnings("default")  # of libraries
def test_damaged_folders_end_no_command_in_a_traceback() -> None:
    tried, failed = folders.run(8, seed=0)
    assert tried == 8
    assert not failed, "\n\n".join(failed)
