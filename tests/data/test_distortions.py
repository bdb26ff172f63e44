from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from artclf.data.distortions import DISTORTIONS, LONGEST, SCREEN, Distortion, Version, bounded, list_versions, make_versions
from artclf.data.images import reencode
from artclf.data.reader import ImageReader


def textured() -> Image.Image:
    """Waves from coarse to fine, and some grain: something for each distortion to take away."""
    y, x = np.mgrid[0:240, 0:300]
    waves = np.stack([np.sin(x**2 / 900), np.cos((x + y) / 5), np.sin(y**2 / 700)], axis=-1)
    grain = np.random.default_rng(0).normal(0, 6, waves.shape)
    return Image.fromarray(np.clip(128 + 70 * waves + grain, 0, 255).astype(np.uint8))


def versions(image: Image.Image, *, path: str = "a", seed: int = 0, reencoded: bool = False) -> dict[Version, Image.Image]:
    made = make_versions(image, path=path, seed=seed, reencoded=reencoded)
    return dict(zip(list_versions(reencoded=reencoded), made, strict=True))


@pytest.mark.parametrize("distortion", DISTORTIONS, ids=lambda distortion: distortion.name)
def test_each_level_takes_the_network_further_from_the_image(distortion: Distortion) -> None:
    square = ImageReader(96).square
    # of waves, a smaller part is as far from the whole as another: what is cropped is a slope
    clean = Image.linear_gradient("L").convert("RGB") if distortion.name == "crop" else textured()
    made = versions(clean)
    levels = [made[Version("none", distortion.name, level)] for level in distortion.levels]
    distances = [float(((square(image).astype(float) - square(clean)) ** 2).mean()) for image in levels]
    assert distances[0] > 0
    assert all(weaker < stronger for weaker, stronger in pairwise(distances)), distances


def test_the_versions_are_those_that_are_listed() -> None:
    listed = list_versions(reencoded=True)
    levels = sum(len(distortion.levels) for distortion in DISTORTIONS)
    assert len(listed) == len(set(listed)) == 2 * (1 + levels)
    assert listed[: 2 + levels] == list_versions()
    clean, alike = textured(), reencode(textured(), "JPEG", quality=95)
    made = versions(clean, reencoded=True)
    for first, start in (("none", clean), ("jpeg_95", alike)):
        expected = {
            ("none", None): start,
            ("jpeg", 30): reencode(start, "JPEG", quality=30),
            ("webp", 50): reencode(start, "WEBP", quality=50),
            ("crop", 0.5): start.crop((75, 60, 225, 180)),
        }
        for (name, level), image in expected.items():
            assert np.array_equal(np.array(made[Version(first, name, level)]), np.array(image))
    sizes = {("down", 0.25): (75, 60), ("up", 2.0): (600, 480), ("screenshot", 100): (SCREEN, 864)}
    assert {key: made[Version("none", *key)].size for key in sizes} == sizes


def test_noise_has_its_level_and_depends_on_path_and_seed() -> None:
    def noise(level: float, path: str = "a", seed: int = 0) -> np.ndarray:
        grey = Image.new("RGB", (200, 200), (128, 128, 128))
        return np.array(versions(grey, path=path, seed=seed)[Version("none", "noise", level)]).astype(float) - 128

    found = noise(8)
    assert found.std() == pytest.approx(8, rel=0.02)
    assert np.corrcoef(found[..., 0].ravel(), found[..., 1].ravel())[0, 1] == pytest.approx(0, abs=0.02)
    assert np.abs(noise(16) - 2 * found).max() <= 2  # the same noise, twice as strong, and rounding
    assert np.array_equal(noise(8), found)
    for other in (noise(8, path="b"), noise(8, seed=1)):
        assert not np.array_equal(other, found)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1)])
def test_the_smallest_and_the_thinnest_images_pass(size: tuple[int, int]) -> None:
    made = list(make_versions(Image.new("RGB", size, (90, 80, 70)), path="a"))
    assert all(min(image.size) >= 1 and max(image.size) <= 4 * SCREEN for image in made)
    assert all(ImageReader(32).square(image).shape == (3, 32, 32) for image in made)


def test_only_larger_images_are_bounded() -> None:
    small = textured()
    assert bounded(small) is small
    assert bounded(Image.new("RGB", (3 * LONGEST, LONGEST))).size == (LONGEST, round(LONGEST / 3))
