import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artclf.data.demo.draw import STYLES, draw_picture
from artclf.data.manifest import Manifest
from artclf.data.statistics import NAMES, measure, measure_files, perceptual_hash
from artclf.data.survey import survey_files
from tests.conftest import draw


def plain(red: int, green: int, blue: int, size: tuple[int, int] = (80, 50)) -> Image.Image:
    return Image.new("RGB", size, (red, green, blue))


def painting(seed: int, size: int = 256) -> Image.Image:
    return Image.fromarray(draw_picture(list(STYLES)[seed % len(STYLES)], np.random.default_rng(seed), size))


def saved(image: Image.Image, quality: int) -> Image.Image:
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def apart(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_plain_pictures_have_the_statistics_of_their_colour() -> None:
    red = measure(plain(255, 0, 0))
    assert red.brightness == pytest.approx(0.299, abs=1e-6)
    assert (red.contrast, red.saturation, red.saturation_spread) == (0.0, 1.0, 0.0)
    assert (red.red, red.green, red.blue) == pytest.approx((0.701, -0.299, -0.299), abs=1e-6)
    grey = measure(plain(102, 102, 102))
    assert (grey.brightness, grey.saturation, grey.red, grey.green, grey.blue) == (0.4, 0.0, 0.0, 0.0, 0.0)
    assert measure(plain(0, 0, 0)).saturation == 0.0


def test_half_black_half_white_is_all_contrast() -> None:
    image = plain(0, 0, 0, (64, 64))
    image.paste((255, 255, 255), (0, 0, 32, 64))
    assert (measure(image).brightness, measure(image).contrast) == (0.5, 0.5)


def test_detail_is_left_out() -> None:
    """A grid of single pixels, such as upsampling leaves, is not seen: only how bright it is on average."""
    pixels = np.zeros((256, 256, 3), dtype=np.uint8)
    pixels[::2] = 200
    assert measure(Image.fromarray(pixels)).contrast < 0.005


@pytest.mark.parametrize("seed", range(4))
def test_a_copy_is_known_by_its_hash(seed: int) -> None:
    image = painting(seed)
    half = image.resize((128, 128), Image.Resampling.BICUBIC)
    own = perceptual_hash(image)
    assert len(own) == 16
    for copy in (half, saved(image, 40), saved(half, 75), image.point(lambda value: min(255, int(value * 1.1)))):
        assert apart(own, perceptual_hash(copy)) <= 4


def test_unrelated_pictures_have_hashes_far_apart() -> None:
    hashes = [perceptual_hash(painting(seed, 96)) for seed in range(16)]
    assert min(apart(one, other) for number, one in enumerate(hashes) for other in hashes[:number]) > 4


def test_a_picture_of_one_shade_has_no_hash() -> None:
    assert perceptual_hash(plain(90, 30, 60)) == ""


def test_files_are_measured_and_damaged_ones_told(tmp_path: Path) -> None:
    for number in range(3):
        draw(tmp_path / f"{number}.png", "ai", number)
    data = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(data[: len(data) // 2])
    rows = [{"path": f"{number}.png", "label": "ai", "generator": "sd", "style": "", "split": ""} for number in range(3)]
    survey = survey_files(Manifest.of(tmp_path, rows), quiet=True)
    assert len(survey.facts) == 3
    survey, measured, after = measure_files(survey, quiet=True)
    assert survey.facts["path"].tolist() == ["0.png", "2.png"]
    assert survey.unreadable["path"].tolist() == ["1.png"]
    assert "truncated" in survey.unreadable["reason"][0]
    assert list(measured.columns) == ["sha256", "hash", *NAMES]
    assert measured["sha256"][1] == hashlib.sha256((tmp_path / "2.png").read_bytes()).hexdigest()
    assert after is None


def test_canonical_pictures_are_measured_beside_them(tmp_path: Path) -> None:
    draw(tmp_path / "0.png", "ai", 0)
    rows = [{"path": "0.png", "label": "ai", "generator": "sd", "style": "", "split": ""}]
    survey = survey_files(Manifest.of(tmp_path, rows), quiet=True)
    _, measured, after = measure_files(survey, canonical=lambda image: plain(255, 0, 0), quiet=True)
    assert after is not None
    assert list(after.columns) == list(NAMES)
    assert after["saturation"][0] == 1.0
    assert measured["saturation"][0] < 1.0
