"""Every kind of hostile image once; more by `python -m tests.trials --images 5000 --seed 3`."""

import pytest

from tests.trials.images import run


@pytest.mark.filterwarnings(r"ignore::UserWarning:PIL\.(Png|Tiff)ImagePlugin")
def test_every_kind_of_hostile_image_gives_pixels_or_one_refusal() -> None:
    tried, failures = run(450, seed=0)
    assert (tried, failures) == (450, [])
