from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from artclf.data.images import UnreadableImage, read_pixels
from artclf.data.transforms import alter, build_augmentation, read_square, to_square
from tests.conftest import config_of


@pytest.mark.parametrize(("height", "width"), [(50, 100), (100, 50), (64, 64), (33, 1)])
def test_to_square_scales_the_shorter_side_and_cuts_out_the_centre(height: int, width: int) -> None:
    pixels = torch.zeros(3, height, width, dtype=torch.uint8)
    pixels[:, height // 2, width // 2] = 255
    square = to_square(pixels, 64)
    assert square.shape == (3, 64, 64)
    assert square.dtype == torch.uint8


def test_to_square_keeps_the_centre_and_loses_the_ends() -> None:
    pixels = torch.zeros(3, 32, 96, dtype=torch.uint8)
    pixels[:, :, 32:64] = 200
    assert (to_square(pixels, 32) == 200).all()


def test_a_line_of_pixels_is_cut_before_it_is_scaled() -> None:
    """Scaled whole, this one would take 5 GB."""
    pixels = torch.zeros(3, 1, 40_000, dtype=torch.uint8)
    pixels[:, :, 19_990:20_010] = 200
    assert (to_square(pixels, 224) == 200).all()
    assert (to_square(pixels.mT, 224) == 200).all()


def test_bicubic_is_not_bilinear() -> None:
    pixels = torch.randint(256, (3, 64, 64), dtype=torch.uint8)
    assert not torch.equal(to_square(pixels, 32, "bilinear"), to_square(pixels, 32, "bicubic"))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("name", "size"), [("a.jpg", (120, 90)), ("b.jpg", (90, 127)), ("c.png", (200, 150)), ("d.jpg", (32, 32))]
)
def test_read_square_is_to_square_of_the_pixels(tmp_path: Path, name: str, size: tuple[int, int], interpolation: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / name)
    square = read_square(tmp_path / name, 32, interpolation)
    assert square.is_contiguous()
    assert torch.equal(square, to_square(torch.from_numpy(read_pixels(tmp_path / name)).permute(2, 0, 1), 32, interpolation))
    content = (tmp_path / name).read_bytes()
    assert torch.equal(square, read_square("gone", 32, interpolation, content=content))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(301, 222), (222, 301), (700, 555)])
def test_read_square_of_a_large_jpeg_is_within_a_few_levels(tmp_path: Path, size: tuple[int, int], interpolation: str) -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)) // 2 + rng.integers(
        0, 16, (size[1], size[0], 1), np.uint8
    )
    Image.fromarray(pixels).save(tmp_path / "large.jpg", quality=92)
    whole = to_square(torch.from_numpy(read_pixels(tmp_path / "large.jpg")).permute(2, 0, 1), 32, interpolation)
    apart = (read_square(tmp_path / "large.jpg", 32, interpolation).int() - whole).abs()
    assert apart.float().mean() < 0.6
    assert apart.max() <= 4


def test_read_square_refuses_as_read_image_does(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    Image.new("RGB", (20, 20)).save(tmp_path / "large.png")
    with pytest.raises(UnreadableImage, match=r"text\.jpg: not an image"):
        read_square(tmp_path / "text.jpg", 32)
    with pytest.raises(UnreadableImage, match="over the limit of 399"):
        read_square(tmp_path / "large.png", 32, max_pixels=399)


def test_a_picture_that_the_memory_cannot_hold_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise MemoryError

    Image.new("RGB", (20, 20)).save(tmp_path / "large.png")
    monkeypatch.setattr("artclf.data.transforms.np.array", fail)
    with pytest.raises(UnreadableImage, match=r"large\.png: not enough memory for this picture"):
        read_square(tmp_path / "large.png", 32)


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
