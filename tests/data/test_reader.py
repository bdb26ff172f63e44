from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from artclf.data.images import UnreadableImage, read_pixels
from artclf.data.reader import ImageReader, to_square


@pytest.mark.parametrize(("height", "width"), [(50, 100), (100, 50), (64, 64), (33, 1)])
def test_any_shape_becomes_a_square(height: int, width: int) -> None:
    square = to_square(torch.zeros(3, height, width, dtype=torch.uint8), 64)
    assert (square.shape, square.dtype) == ((3, 64, 64), torch.uint8)


@pytest.mark.parametrize(("shape", "lit", "size"), [((32, 96), slice(32, 64), 32), ((1, 40_000), slice(19_990, 20_010), 224)])
def test_the_centre_is_kept(shape: tuple[int, int], lit: slice, size: int) -> None:
    """Scaled whole, the second one would take 5 GB."""
    pixels = torch.zeros(3, *shape, dtype=torch.uint8)
    pixels[:, :, lit] = 200
    assert (to_square(pixels, size) == 200).all()
    assert (to_square(pixels.mT, size) == 200).all()


def test_bicubic_is_not_bilinear() -> None:
    pixels = torch.randint(256, (3, 64, 64), dtype=torch.uint8)
    assert not torch.equal(to_square(pixels, 32, "bilinear"), to_square(pixels, 32, "bicubic"))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("name", "size"), [("a.jpg", (120, 90)), ("c.png", (200, 150)), ("d.jpg", (32, 32))])
def test_a_file_is_read_as_the_square_of_its_pixels(
    tmp_path: Path, name: str, size: tuple[int, int], interpolation: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / name)
    reader = ImageReader(32, interpolation)
    square = reader.read(tmp_path / name)
    assert square.is_contiguous()
    assert torch.equal(square, to_square(torch.from_numpy(read_pixels(tmp_path / name)).permute(2, 0, 1), 32, interpolation))
    assert torch.equal(square, reader.read("gone", (tmp_path / name).read_bytes()))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(301, 222), (222, 301), (700, 555)])
def test_a_large_jpeg_is_within_a_few_levels(tmp_path: Path, size: tuple[int, int], interpolation: str) -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(coarse) // 2 + rng.integers(0, 16, (size[1], size[0], 1), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.jpg", quality=92)
    whole = to_square(torch.from_numpy(read_pixels(tmp_path / "large.jpg")).permute(2, 0, 1), 32, interpolation)
    apart = (ImageReader(32, interpolation).read(tmp_path / "large.jpg").int() - whole).abs()
    assert apart.float().mean() < 0.6
    assert apart.max() <= 4


def test_what_gives_no_image_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    Image.new("RGB", (20, 20)).save(tmp_path / "large.png")
    with pytest.raises(UnreadableImage, match=r"text\.jpg: not an image"):
        ImageReader(32).read(tmp_path / "text.jpg")
    with pytest.raises(UnreadableImage, match="over the limit of 399"):
        ImageReader(32, max_pixels=399).read(tmp_path / "large.png")

    def fail(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("artclf.data.reader.np.array", fail)
    with pytest.raises(UnreadableImage, match=r"large\.png: not enough memory for this picture"):
        ImageReader(32).read(tmp_path / "large.png")
