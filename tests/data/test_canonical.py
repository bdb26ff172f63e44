from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from artclf.data.canonical import Canonical
from artclf.data.pixels import PixelStore
from artclf.data.reader import ImageReader
from tests.conftest import config_of


def painting(size: tuple[int, int], seed: int = 0) -> Image.Image:
    """Soft colours with a little grain."""
    rng = np.random.default_rng(seed)
    soft = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    return Image.fromarray(np.clip(np.asarray(soft) + rng.normal(0, 6, (size[1], size[0], 3)), 0, 255).astype(np.uint8))


def stored(image: Image.Image, kind: str, **options: int) -> Image.Image:
    file = BytesIO()
    image.save(file, kind, **options)
    return Image.open(file).convert("RGB")


def distance(first: Image.Image, second: Image.Image) -> float:
    return float(np.abs(np.asarray(first, dtype=float) - np.asarray(second, dtype=float)).mean())


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (48, 48), (40, 40)])
def test_one_size_and_one_encoding(size: tuple[int, int]) -> None:
    image = painting(size)
    form = Canonical(48, 75)(image)
    assert (form.size, form.mode) == ((48, 48), "RGB")
    side = min(size)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    square = image.crop((left, top, left + side, top + side)).resize((48, 48), Image.Resampling.BICUBIC)
    # Pillow's default is 4:2:0 too
    assert distance(stored(square, "JPEG", quality=75), form) == 0
    assert distance(stored(square, "JPEG", quality=95), form) > 1


def test_the_centre_is_kept() -> None:
    image = Image.new("RGB", (300, 100), "red")
    image.paste("blue", (100, 0, 200, 100))
    assert distance(Canonical(50, 90)(image), Image.new("RGB", (50, 50), "blue")) < 3


@pytest.mark.parametrize(
    "otherwise",
    [lambda image: stored(image, "JPEG", quality=75), lambda image: image.resize((96, 96), Image.Resampling.LANCZOS)],
)
def test_what_was_stored_otherwise_comes_nearer(otherwise) -> None:
    """Two files of one painting differ less once both are in the form than when both are merely scaled."""
    images = [painting((144, 144), seed) for seed in range(8)]
    form = Canonical(60, 75)
    scaled = [distance(image.resize((60, 60)), otherwise(image).resize((60, 60))) for image in images]
    # re-encoded, two that are all but the same may fall on two sides of a rounding: the form is to do no worse than twice that
    assert np.mean([distance(form(image), form(otherwise(image))) for image in images]) < 2 * np.mean(scaled) + 1


def test_a_configuration_says_which_form() -> None:
    words = ("data.image_size=96", "data.num_workers=0")
    assert Canonical.of(config_of(*words).data) is None
    assert Canonical.of(config_of(*words, "data.canonical=true").data) == Canonical(72, 75)
    asked = config_of(*words, "data.canonical=true", "data.canonical_side=40", "data.canonical_quality=60").data
    assert Canonical.of(asked) == Canonical(40, 60)


def test_files_are_read_in_it_and_kept_apart(tmp_path: Path) -> None:
    file = tmp_path / "large.jpg"
    painting((400, 400)).save(file, quality=95)
    form = Canonical(40, 75)
    plain, square = ImageReader(60).read(file), ImageReader(60, canonical=form).read(file)
    assert square.shape == plain.shape == (3, 60, 60)
    expected = form(Image.open(file).convert("RGB"))
    assert torch.equal(ImageReader(40, canonical=form).read(file), torch.from_numpy(np.array(expected)).permute(2, 0, 1))
    assert not torch.equal(square, plain)
    for canonical, pixels in ((None, plain), (form, square)):
        store = PixelStore(tmp_path, ImageReader(60, canonical=canonical), max_gb=None)
        digest = bytes.fromhex(store.inspect(["large.jpg"], workers=0)["sha256"][0])
        assert torch.equal(store.read(store.find([digest]))[0], pixels)


def test_large_files_are_not_decoded_otherwise_than_small_ones(tmp_path: Path) -> None:
    """Reading at a fourth of the size and less lets libjpeg decode smaller, which small files are not."""
    file = tmp_path / "large.jpg"
    painting((400, 400)).save(file, quality=95)
    image = Image.open(file).convert("RGB")
    assert torch.equal(
        ImageReader(48, canonical=Canonical(48, 75)).read(file),
        torch.from_numpy(np.array(Canonical(48, 75)(image))).permute(2, 0, 1),
    )
