"""Augmented copies of an image, for the report."""

from pathlib import Path

import pytest
from PIL import Image

from artclf.data.module import ArtData
from artclf.training.experiment import COPIES, draw_copies
from tests.conftest import TINY, config_of


@pytest.mark.parametrize(
    ("words", "drawn"),
    [(["balance=augment"], True), (["balance=sampler", "augment=strong"], True), (["balance=none", "augment=none"], False)],
)
def test_copies_stand_beside_the_original(pictures: Path, tmp_path: Path, words: list[str], drawn: bool) -> None:
    config = config_of("data=folder", f"data.root={pictures}", *TINY, *words)
    data = ArtData(config)
    data.read()
    draw_copies(tmp_path / "figures" / "copies.png", data)
    assert (tmp_path / "figures" / "copies.png").exists() == drawn
    if drawn:
        with Image.open(tmp_path / "figures" / "copies.png") as image:
            assert image.size == (config.data.image_size * (1 + COPIES), config.data.image_size)
