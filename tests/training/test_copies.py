"""What training leaves for the report: the layers of the network, and augmented copies of an image."""

from pathlib import Path

import pytest
from PIL import Image

from artclf.data.module import ArtData
from artclf.training.record import COPIES, draw_copies
from tests.conftest import TINY, config_of


@pytest.mark.parametrize("words", [["balance=augment"], ["balance=sampler", "augment=strong"]])
def test_copies_stand_beside_the_original(pictures: Path, tmp_path: Path, words: list[str]) -> None:
    config = config_of("data=folder", f"data.root={pictures}", *TINY, *words)
    data = ArtData(config.data, config.augment, config.balance.name, config.seed)
    data.read()
    draw_copies(tmp_path / "figures" / "copies.png", data)
    with Image.open(tmp_path / "figures" / "copies.png") as image:
        assert image.size == (config.data.image_size * (1 + COPIES), config.data.image_size)


def test_without_augmentation_there_are_none(pictures: Path, tmp_path: Path) -> None:
    config = config_of("data=folder", f"data.root={pictures}", *TINY, "augment=none", "balance=none")
    data = ArtData(config.data, config.augment, config.balance.name, config.seed)
    data.read()
    draw_copies(tmp_path / "figures" / "copies.png", data)
    assert not list(tmp_path.iterdir())
