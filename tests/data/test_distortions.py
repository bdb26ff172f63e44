from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from artclf.data import distortions
from artclf.data.distortions import (
    DISTORTIONS,
    LONGEST,
    SCREEN,
    Distortion,
    Version,
    bounded,
    distort,
    list_versions,
    make_alike,
    make_versions,
)
from artclf.data.jpeg import estimate_quality
from artclf.data.reader import ImageReader

SIZE = 96
BY_NAME = {distortion.name: distortion for distortion in DISTORTIONS}


def painting(width: int = 300, height: int = 240) -> Image.Image:
    """Waves from coarse to fine, and some canvas: something for each distortion to take away."""
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(x**2 / 900), np.cos((x + y) / 5), np.sin(y**2 / 700)], axis=-1)
    canvas = np.random.default_rng(0).normal(0, 6, waves.shape)
    return Image.fromarray(np.clip(128 + 70 * waves + canvas, 0, 255).astype(np.uint8))


def square(image: Image.Image) -> torch.Tensor:
    return ImageReader(SIZE).square(image).float()


@pytest.mark.parametrize("distortion", DISTORTIONS, ids=lambda distortion: distortion.name)
def test_each_level_takes_the_network_further_from_the_picture(distortion: Distortion) -> None:
    # of waves, a smaller part is as far from the whole as another: what is cut is a slope
    clean = Image.linear_gradient("L").convert("RGB") if distortion.name == "crop" else painting()
    before = np.array(clean)
    distances = []
    for level in distortion.levels:
        altered = distort(clean, distortion, level, path="a.png")
        assert altered.mode == "RGB"
        assert np.array_equal(np.array(altered), np.array(distort(clean, distortion, level, path="a.png")))
        distances.append(float((square(altered) - square(clean)).pow(2).mean()))
    assert distances[0] > 0
    assert all(weaker < stronger for weaker, stronger in pairwise(distances)), distances
    assert np.array_equal(np.array(clean), before)


@pytest.mark.parametrize(
    ("name", "level", "size"),
    [
        ("jpeg", 30, (300, 240)),
        ("webp", 30, (300, 240)),
        ("down_and_up", 0.25, (300, 240)),
        ("down", 0.25, (75, 60)),
        ("up", 2.0, (600, 480)),
        ("blur", 2.0, (300, 240)),
        ("noise", 16, (300, 240)),
        ("crop", 0.75, (225, 180)),
        ("screenshot", 100, (SCREEN, 864)),
        ("screenshot", 85, (SCREEN, 864)),
    ],
)
def test_sizes(name: str, level: float, size: tuple[int, int]) -> None:
    assert distort(painting(), BY_NAME[name], level, path="a").size == size


def test_noise_is_as_strong_as_said_and_another_for_each_path_and_seed() -> None:
    grey = Image.new("RGB", (200, 200), (128, 128, 128))

    def noise(level: float, path: str, seed: int = 0) -> np.ndarray:
        return np.array(distort(grey, BY_NAME["noise"], level, path=path, seed=seed)).astype(float) - 128

    assert noise(8, "a").std() == pytest.approx(8, rel=0.02)
    assert abs(noise(8, "a").mean()) < 0.1
    assert np.corrcoef(noise(8, "a")[..., 0].ravel(), noise(8, "a")[..., 1].ravel())[0, 1] == pytest.approx(0, abs=0.02)
    assert np.abs(noise(16, "a") - 2 * noise(8, "a")).max() <= 2  # the same draws, twice as strong, and rounding
    assert not np.array_equal(noise(8, "a"), noise(8, "b"))
    assert not np.array_equal(noise(8, "a"), noise(8, "a", seed=1))


def test_jpeg_has_the_quality_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    opened = distortions.Image.open

    def look(*words: object, **options: object) -> Image.Image:
        image = opened(*words, **options)
        assert isinstance(image, JpegImageFile)
        seen.append(estimate_quality(image))
        return image

    monkeypatch.setattr(distortions.Image, "open", look)
    for level in BY_NAME["jpeg"].levels:
        distort(painting(), BY_NAME["jpeg"], level, path="a")
    make_alike(painting())
    assert seen == [(90, True), (75, True), (50, True), (30, True), (95, True)]


def test_a_crop_shows_the_centre() -> None:
    image = Image.new("RGB", (101, 60))
    image.putpixel((50, 30), (255, 0, 0))
    cut = distort(image, BY_NAME["crop"], 0.5, path="a")
    assert cut.size == (50, 30)
    assert cut.getpixel((25, 15)) == (255, 0, 0)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 900), (900, 1)])
def test_the_smallest_and_the_thinnest_pictures_pass(size: tuple[int, int]) -> None:
    made = list(make_versions(Image.new("RGB", size, (90, 80, 70)), path="a"))
    assert all(min(image.size) >= 1 and max(image.size) <= 4 * SCREEN for image in made)
    assert all(ImageReader(32).square(image).shape == (3, 32, 32) for image in made)


def test_only_larger_pictures_are_bounded() -> None:
    small = painting()
    assert bounded(small) is small
    assert bounded(Image.new("RGB", (3 * LONGEST, LONGEST))).size == (LONGEST, round(LONGEST / 3))


def test_the_versions_are_those_that_are_listed() -> None:
    listed = list_versions(all_alike=True)
    levels = sum(len(distortion.levels) for distortion in DISTORTIONS)
    assert len(listed) == len(set(listed)) == 2 * (1 + levels)
    assert listed[: 2 + levels] == list_versions()
    made = list(make_versions(painting(), path="a", all_alike=True))
    pixels = {version: np.array(image) for version, image in zip(listed, made, strict=True)}
    assert np.array_equal(pixels[Version("none", "none", None)], np.array(painting()))
    alike = make_alike(painting())
    assert np.array_equal(pixels[Version("jpeg_95", "none", None)], np.array(alike))
    assert np.array_equal(pixels[Version("none", "crop", 0.5)], np.array(distort(painting(), BY_NAME["crop"], 0.5, path="a")))
    assert np.array_equal(pixels[Version("jpeg_95", "crop", 0.5)], np.array(distort(alike, BY_NAME["crop"], 0.5, path="a")))
