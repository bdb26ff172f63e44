import pytest
import torch

from artclf.data.transforms import alter, build_augmentation
from tests.conftest import config_of


@pytest.mark.parametrize("name", ["basic", "strong"])
def test_an_alteration_is_a_function_of_its_key(name: str) -> None:
    augmentation = build_augmentation(config_of(f"augment={name}").augment, 48)
    assert augmentation is not None
    pixels = torch.randint(256, (3, 48, 48), dtype=torch.uint8)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = alter(pixels, augmentation, 7)
    assert torch.equal(torch.get_rng_state(), state)  # the run's own random numbers are untouched
    torch.manual_seed(2)
    assert torch.equal(alter(pixels, augmentation, 7), first)
    assert not torch.equal(alter(pixels, augmentation, 8), first)
    assert first.shape == pixels.shape
    assert first.dtype == torch.uint8


def test_a_rotation_leaves_no_black_corners() -> None:
    augmentation = build_augmentation(config_of("augment=basic", "augment.rotation=45", "augment.zoom=0.5").augment, 64)
    assert augmentation is not None
    white = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    assert min(int(alter(white, augmentation, key).min()) for key in range(30)) == 255


def test_none_alters_nothing() -> None:
    assert build_augmentation(config_of("augment=none", "balance=none").augment, 64) is None


@pytest.mark.parametrize("option", ["crop=0.5", "rotation=20", "zoom=0.3", "flip=1", "color=0.5", "blur=1", "jpeg=[5,10]"])
def test_every_option_alters_the_picture(option: str) -> None:
    augmentation = build_augmentation(config_of("augment=none", "balance=none", f"augment.{option}").augment, 64)
    assert augmentation is not None
    pixels = torch.randint(256, (3, 64, 64), dtype=torch.uint8)
    assert any(not torch.equal(alter(pixels, augmentation, key), pixels) for key in range(5))
