"""From files to squares: scaling, cropping, and the canonical form."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from artclf.data.canonical import Canonical
from artclf.data.images import UnreadableImage, read_image, reencode
from artclf.data.reader import ImageReader, PillowReader
from tests.conftest import config_of


def soft(size: tuple[int, int], seed: int = 0) -> Image.Image:
    """Soft colours with a little grain."""
    rng = np.random.default_rng(seed)
    colours = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    return Image.fromarray(np.clip(np.asarray(colours) + rng.normal(0, 6, (size[1], size[0], 3)), 0, 255).astype(np.uint8))


def pixels_of(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def distance(first: Image.Image, second: Image.Image) -> float:
    return float((pixels_of(first).float() - pixels_of(second)).abs().mean())


@pytest.mark.parametrize("reader", [ImageReader, PillowReader])
@pytest.mark.parametrize(("shape", "lit", "size"), [((32, 96), slice(32, 64), 32), ((1, 40_000), slice(19_990, 20_010), 224)])
def test_the_centre_is_kept(shape: tuple[int, int], lit: slice, size: int, reader: type[ImageReader]) -> None:
    """Scaled whole, the second one would take 5 GB."""
    pixels = np.zeros((*shape, 3), dtype=np.uint8)
    pixels[:, lit] = 200
    for image in (pixels, pixels.swapaxes(0, 1)):
        assert np.array_equal(reader(size).square(Image.fromarray(image)), np.full((3, size, size), 200))


@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("name", "size"), [("a.jpg", (121, 90)), ("c.png", (200, 151)), ("d.jpg", (32, 32)), ("e.png", (9, 7))]
)
def test_a_file_is_read_as_the_square_of_its_pixels(tmp_path: Path, name: str, size: tuple[int, int], method: str) -> None:
    soft(size).save(tmp_path / name)
    square = ImageReader(32, method).read(tmp_path / name)
    assert square.flags.c_contiguous
    with Image.open(tmp_path / name) as image:
        resize = v2.Compose([v2.Resize(32, v2.InterpolationMode(method), antialias=True), v2.CenterCrop(32)])
        assert np.array_equal(square, resize(pixels_of(image)))
    assert np.array_equal(square, ImageReader(32, method).read("gone", (tmp_path / name).read_bytes()))
    difference = np.abs(PillowReader(32, method).read(tmp_path / name).astype(int) - square)  # without torch
    assert difference.max() <= 2
    assert difference.mean() < 0.01


def large_jpeg(mode: str, size: tuple[int, int], orientation: int) -> bytes:
    """A JPEG with edges and some grain."""
    width, height = size
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    waves = [127 + 80 * np.sin(9 * x + 4 * k) * np.cos(7 * y - k) + 40 * (np.hypot(x - 0.3, y) < 0.5) for k in range(3)]
    pixels = np.stack(waves, axis=2) + np.random.default_rng(0).normal(0, 4, (height, width, 1))
    file, exif = BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert(mode).save(file, "JPEG", quality=90, exif=exif)
    return file.getvalue()


# decoded at 1/2, 1/4 and 1/8; the sizes are odd: the last decoded row and column then hold only a part of a pixel
@pytest.mark.parametrize(
    ("mode", "size", "orientation", "interpolation"),
    [
        ("RGB", (257, 401), 1, "bilinear"),
        ("L", (523, 611), 4, "bicubic"),
        ("CMYK", (517, 383), 6, "bilinear"),
        ("RGB", (1031, 1029), 8, "bicubic"),
    ],
)
def test_a_large_jpeg_decoded_smaller_is_nearly_the_same(
    mode: str, size: tuple[int, int], orientation: int, interpolation: str
) -> None:
    reader, data = ImageReader(64, interpolation), large_jpeg(mode, size, orientation)
    whole = reader.square(read_image("x", content=data)).astype(int)
    difference = np.abs(reader.read("x", data) - whole)
    assert difference.mean() < 0.6
    assert difference.max() <= 4  # a last row or column taken for a whole one would shift all, and make 5 to 13 of it
    for cut in (2, 40, len(data) // 2):
        with pytest.raises(UnreadableImage, match="truncated"):
            reader.read("x", data[:-cut])
    smaller = ImageReader(64, interpolation, max_pixels=size[0] * size[1] - 1)
    assert np.array_equal(smaller.read("x", data), reader.read("x", data))
    with pytest.raises(UnreadableImage, match=r"is over the limit of 1,000; data.max_pixels="):
        ImageReader(64, max_pixels=1000).read("x", data)


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (40, 40)])
def test_the_canonical_form_has_one_size_and_one_encoding(size: tuple[int, int]) -> None:
    image = soft(size)
    form = Canonical(48, 75)(image)
    assert (form.size, form.mode) == ((48, 48), "RGB")
    side = min(size)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    square = image.crop((left, top, left + side, top + side)).resize((48, 48), Image.Resampling.BICUBIC)
    assert distance(reencode(square, "JPEG", quality=75), form) == 0  # Pillow's default is 4:2:0 too
    assert distance(reencode(square, "JPEG", quality=95), form) > 1


def test_a_configuration_describes_the_canonical_form() -> None:
    assert Canonical.from_config(config_of("data.image_size=96").data) == Canonical(72, 75)
    words = ("data.canonical_side=40", "data.canonical_quality=60")
    assert Canonical.from_config(config_of(*words).data) == Canonical(40, 60)


def test_the_canonical_form_is_made_of_the_whole_image(tmp_path: Path) -> None:
    """Without it, libjpeg decodes a file this large at a smaller size, which small files are not."""
    soft((400, 400)).save(tmp_path / "large.jpg", quality=95)
    form = Canonical(40, 75)
    expected = pixels_of(form(Image.open(tmp_path / "large.jpg").convert("RGB")))
    assert np.array_equal(ImageReader(40, canonical=form).read(tmp_path / "large.jpg"), expected)
