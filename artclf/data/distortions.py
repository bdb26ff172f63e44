"""What happens to images on their way to a viewer: stored smaller, scaled, cropped, photographed off a screen.

`--robustness` scores images at fixed levels of these; `augment` draws random levels of some. Each distortion takes a decoded
image, in `--robustness` at its own size, before it is scaled to the network's input, and returns an image as it would have been
decoded afterwards. The same image, path and seed give the same pixels.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from artclf.data.images import reencode

LONGEST = 2048  # pixels of the longer side to which larger images are scaled first, as most image-sharing sites do
REENCODED_QUALITY = 95  # JPEG quality at which all images are re-encoded alike: high enough to leave their look as it is
SCREEN = 1080  # pixels across of what shows an image in full width: a phone, or half of a desktop screen
SCREENSHOT_QUALITY = 85  # what messengers and sites make of an upload

NOTHING = "none"  # in tables: not distorted
REENCODED = f"jpeg_{REENCODED_QUALITY}"  # in tables: first re-encoded at REENCODED_QUALITY, so that all were last stored alike

Distort = Callable[[Image.Image, float, np.random.Generator], Image.Image]


@dataclass(frozen=True)
class Distortion:
    """One way of distorting an image, at several levels."""

    name: str  # in tables
    title: str  # in text
    levels: tuple[float, ...]  # from the weakest on
    unit: str
    note: str  # what it does to an image that is then scaled to the network's S × S pixels
    apply: Distort  # RGB image, level, random generator → RGB image
    names: tuple[str, ...] = ()  # of levels that are not plain numbers

    def named(self, level: float) -> str:
        """A level as an axis shows it."""
        return self.names[self.levels.index(level)] if self.names else f"{level:g}"


@dataclass(frozen=True)
class Version:
    """One of the versions in which an image is scored."""

    first: str  # what is done before: `NOTHING` or `REENCODED`
    distortion: str  # the name of a distortion, or `NOTHING`
    level: float | None  # None without a distortion


def bounded(image: Image.Image) -> Image.Image:
    """Scale an image down whose longer side is over `LONGEST`; any other is returned as it is."""
    longer = max(image.size)
    return image if longer <= LONGEST else _scale(image, LONGEST / longer)


def _encode(kind: str) -> Distort:
    return lambda image, level, _: reencode(image, kind, quality=int(level))


def _scale(image: Image.Image, factor: float, _: object = None) -> Image.Image:
    """Scale with Pillow's bicubic filter, which is antialiased."""
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    return image.resize(size, Image.Resampling.BICUBIC)


def _scale_and_back(image: Image.Image, level: float, _: object) -> Image.Image:
    return _scale(image, level).resize(image.size, Image.Resampling.BICUBIC)


def _blur(image: Image.Image, level: float, _: object) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(level))


def _noise(image: Image.Image, level: float, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float32)
    noisy = pixels + np.float32(level) * rng.standard_normal(pixels.shape, dtype=np.float32)
    return Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))


def _crop(image: Image.Image, level: float, _: object) -> Image.Image:
    width, height = max(1, round(image.width * level)), max(1, round(image.height * level))
    left, upper = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, upper, left + width, upper + height))


def _screenshot(image: Image.Image, level: float, _: object) -> Image.Image:
    """Scale to the screen's width bilinearly, as browsers do; gamma, colour profiles and frames around it are left out."""
    seen = min(image.height, 4 * image.width)  # of a very tall image, its middle
    upper = (image.height - seen) // 2
    size = SCREEN, max(1, round(seen * SCREEN / image.width))
    shown = image.resize(size, Image.Resampling.BILINEAR, box=(0, upper, image.width, upper + seen))
    return shown if level >= 100 else reencode(shown, "JPEG", quality=int(level))


_FACTORS = (0.75, 0.5, 0.25)
_BACK = "scaled down and back; no loss where factor × shorter side is S or more"
_SHOWN, _STORED = f"scaled to {SCREEN} pixels across, and stored", ("PNG", f"JPEG {SCREENSHOT_QUALITY}")
DISTORTIONS = (
    Distortion("jpeg", "JPEG", (90, 75, 50, 30), "quality", "stored as JPEG, colour at half size", _encode("JPEG")),
    Distortion("webp", "WebP", (90, 75, 50, 30), "quality", "stored as WebP", _encode("WEBP")),
    Distortion("down_and_up", "scaling down and up", _FACTORS, "factor", _BACK, _scale_and_back),
    Distortion("down", "scaling down", _FACTORS, "factor", "scaled down; blurred where it is then smaller than S", _scale),
    Distortion("up", "scaling up", (2.0,), "factor", "scaled up, and down again to S", _scale),
    Distortion("blur", "blur", (0.5, 1.0, 2.0), "sigma, pixels", "Gaussian, in the file's pixels", _blur),
    Distortion("noise", "noise", (4, 8, 16), "sigma, levels of 256", "Gaussian, for each pixel and colour", _noise),
    Distortion("crop", "crop", (0.9, 0.75, 0.5), "share of each side", "the centre, which is then shown larger", _crop),
    Distortion("screenshot", "screenshot", (100, SCREENSHOT_QUALITY), "stored as", _SHOWN, _screenshot, _STORED),
)
BY_NAME = {distortion.name: distortion for distortion in DISTORTIONS}
# what a site or messenger makes of an upload, the mildest and most frequent first: name, distortion, level
DELIVERIES = (
    ("JPEG of quality 75", "jpeg", 75),
    ("scaled to 3/4", "down", 0.75),
    ("cropped by 5%", "crop", 0.95),
    ("WebP of quality 75", "webp", 75),
    ("JPEG of quality 50", "jpeg", 50),
    ("screenshot", "screenshot", SCREENSHOT_QUALITY),
)


def list_versions(*, reencoded: bool = False) -> list[Version]:
    """List the versions of an image: itself, each level of each distortion, and the image re-encoded alike.

    Args:
        reencoded: also list each level of the image re-encoded alike.
    """
    levels = [(NOTHING, None), *((distortion.name, level) for distortion in DISTORTIONS for level in distortion.levels)]
    alike = levels if reencoded else levels[:1]
    return [Version(NOTHING, *level) for level in levels] + [Version(REENCODED, *level) for level in alike]


def deliver(image: Image.Image, number: int) -> dict[str, Image.Image]:
    """The first deliveries of an RGB image, by their names; a large one is `bounded` first."""
    image, rng = bounded(image), np.random.default_rng(0)
    return {name: BY_NAME[distortion].apply(image, level, rng) for name, distortion, level in DELIVERIES[:number]}


def make_versions(image: Image.Image, *, path: str, seed: int = 0, reencoded: bool = False) -> Iterator[Image.Image]:
    """Make the versions of an RGB image, decoded at full size, in the order of `list_versions`; large ones are `bounded`.

    The path and the seed determine the noise, which is the same for all levels but for its strength.
    """
    plain = bounded(image)
    starts = {NOTHING: plain, REENCODED: reencode(plain, "JPEG", quality=REENCODED_QUALITY)}
    digest = hashlib.blake2b(f"{seed}/{path}".encode(), digest_size=8).digest()
    for version in list_versions(reencoded=reencoded):
        start = starts[version.first]
        if version.level is None:
            yield start
        else:
            yield BY_NAME[version.distortion].apply(start, version.level, np.random.default_rng(int.from_bytes(digest, "big")))
