"""What happens to pictures between their maker and whoever judges them: stored smaller, scaled, cut, photographed off a screen.

Each takes the decoded picture at its own size, before it is scaled to what the network is shown, and gives a picture as it
would have been decoded afterwards. Pillow does the work. The same picture, path and seed give the same pixels.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageFilter

LONGEST = 2048
"""Pixels of the longer side to which larger pictures are scaled first, as most sites do on which pictures are shared."""

ALIKE_QUALITY = 95
"""JPEG quality of `make_alike`: high enough to leave a picture's looks as they are."""

SCREEN = 1080  # pixels across of what shows a picture in full width: a phone, or half of a desk's screen
SCREENSHOT_QUALITY = 85  # what messengers and sites make of an upload

Distort = Callable[[Image.Image, float, np.random.Generator], Image.Image]


@dataclass(frozen=True)
class Distortion:
    """One way of altering a picture, in several strengths.

    Attributes:
        name: as tables have it.
        title: as people read it in the midst of a sentence.
        levels: from the weakest on, in `unit`.
        unit: of the levels.
        note: what it does, and what is left of it once the picture is scaled to the network's S × S pixels.
        apply: alters an RGB picture: picture, level, and where chance comes from.
        names: what levels are called that are no plain numbers.
    """

    name: str
    title: str
    levels: tuple[float, ...]
    unit: str
    note: str
    apply: Distort
    names: tuple[str, ...] = ()

    def named(self, level: float) -> str:
        """A level as an axis has it."""
        return self.names[self.levels.index(level)] if self.names else f"{level:g}"


def distort(image: Image.Image, distortion: Distortion, level: float, *, path: str, seed: int = 0) -> Image.Image:
    """Alter an RGB image, decoded at full size (see `bounded`), by one of a distortion's levels.

    The path and the seed decide the random draws; a stronger level has the same draws as a weaker one.
    """
    digest = hashlib.blake2b(f"{seed}/{path}".encode(), digest_size=8).digest()
    return distortion.apply(image, level, np.random.default_rng(int.from_bytes(digest, "big")))


def bounded(image: Image.Image) -> Image.Image:
    """Scale a picture down whose longer side is over `LONGEST`; any other is returned as it is."""
    longer = max(image.size)
    return image if longer <= LONGEST else _scaled(image, LONGEST / longer)


def make_alike(image: Image.Image) -> Image.Image:
    """Give a picture the same last step of its history as all others: JPEG of quality `ALIKE_QUALITY`, colour at half size."""
    return _encoded(image, "JPEG", quality=ALIKE_QUALITY)


def _encoded(image: Image.Image, kind: str, **options: int) -> Image.Image:
    file = BytesIO()
    image.save(file, kind, **options)
    with Image.open(file, formats=[kind]) as opened:
        return opened.convert("RGB")


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    """Scale with Pillow's bicubic filter, which takes the whole area of a pixel into account when it scales down."""
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    return image.resize(size, Image.Resampling.BICUBIC)


def _jpeg(image: Image.Image, level: float, _: np.random.Generator) -> Image.Image:
    return _encoded(image, "JPEG", quality=int(level))


def _webp(image: Image.Image, level: float, _: np.random.Generator) -> Image.Image:
    return _encoded(image, "WEBP", quality=int(level))


def _scale(image: Image.Image, level: float, _: np.random.Generator) -> Image.Image:
    return _scaled(image, level)


def _down_and_up(image: Image.Image, level: float, _: np.random.Generator) -> Image.Image:
    return _scaled(image, level).resize(image.size, Image.Resampling.BICUBIC)


def _blur(image: Image.Image, level: float, _: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(level))


def _noise(image: Image.Image, level: float, chance: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float32)
    noisy = pixels + np.float32(level) * chance.standard_normal(pixels.shape, dtype=np.float32)
    return Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))


def _crop(image: Image.Image, level: float, _: np.random.Generator) -> Image.Image:
    width, height = max(1, round(image.width * level)), max(1, round(image.height * level))
    left, upper = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, upper, left + width, upper + height))


def _screenshot(image: Image.Image, level: float, _: np.random.Generator) -> Image.Image:
    """Scale to the screen's width bilinearly, as browsers do; gamma, colour profiles and frames around it are left out."""
    seen = min(image.height, 4 * image.width)  # of a picture many times as high as wide, what some screens hold: its middle
    upper = (image.height - seen) // 2
    size = SCREEN, max(1, round(seen * SCREEN / image.width))
    shown = image.resize(size, Image.Resampling.BILINEAR, box=(0, upper, image.width, upper + seen))
    return shown if level >= 100 else _encoded(shown, "JPEG", quality=int(level))


_NOTES = {
    "jpeg": "Stored as JPEG with colour at half size. Scaling down to S averages part of the damage away.",
    "webp": "Stored as WebP. Scaling down to S averages part of the damage away.",
    "down_and_up": "Scaled down and back to its size. Details finer than that are gone; where factor × shorter side is still S "
    "or more, hardly any that the network would have seen.",
    "down": "Scaled down and left so. Where it is smaller than S then, the network is shown it scaled up: blurred.",
    "up": "Scaled up. Scaling to S undoes it but for a slight softness.",
    "blur": "Gaussian blur in the file's pixels: of sigma × S / shorter side in those that the network is shown.",
    "noise": "Gaussian noise, apart for each pixel and colour. Scaling down to S averages it: by about S / shorter side.",
    "crop": "The centre alone, so that the network is shown less of the picture, larger.",
    "screenshot": f"Scaled to {SCREEN} pixels across, as a screen shows it, and stored anew: as PNG, and as JPEG of quality "
    f"{SCREENSHOT_QUALITY}. The screen's own gamma and colours are left out.",
}

_STORED, _FACTORS, _SHOT = (90, 75, 50, 30), (0.75, 0.5, 0.25), (100, SCREENSHOT_QUALITY)

DISTORTIONS = (
    Distortion("jpeg", "JPEG", _STORED, "quality", _NOTES["jpeg"], _jpeg),
    Distortion("webp", "WebP", _STORED, "quality", _NOTES["webp"], _webp),
    Distortion("down_and_up", "scaling down and up", _FACTORS, "factor", _NOTES["down_and_up"], _down_and_up),
    Distortion("down", "scaling down", _FACTORS, "factor", _NOTES["down"], _scale),
    Distortion("up", "scaling up", (2.0,), "factor", _NOTES["up"], _scale),
    Distortion("blur", "blur", (0.5, 1.0, 2.0), "sigma, pixels", _NOTES["blur"], _blur),
    Distortion("noise", "noise", (4, 8, 16), "sigma, levels of 256", _NOTES["noise"], _noise),
    Distortion("crop", "crop", (0.9, 0.75, 0.5), "share of each side", _NOTES["crop"], _crop),
    Distortion("screenshot", "screenshot", _SHOT, "stored as", _NOTES["screenshot"], _screenshot, ("PNG", f"JPEG {_SHOT[1]}")),
)

NOTHING = "none"  # in tables: nothing is done first; not altered
ALIKE = f"jpeg_{ALIKE_QUALITY}"  # in tables: `make_alike` first


@dataclass(frozen=True)
class Version:
    """One of the versions in which a picture is judged.

    Attributes:
        first: what is done before all else: `NOTHING` or `ALIKE`.
        distortion: a distortion's name, or `NOTHING`.
        level: its level; None without a distortion.
    """

    first: str
    distortion: str
    level: float | None


def list_versions(*, all_alike: bool = False) -> list[Version]:
    """List the versions of a picture: itself, made alike, and each level of each distortion.

    Args:
        all_alike: list each level a second time, of the picture made alike.
    """
    levels = [(distortion.name, level) for distortion in DISTORTIONS for level in distortion.levels]
    plain = [Version(NOTHING, NOTHING, None), *(Version(NOTHING, name, level) for name, level in levels)]
    alike = [Version(ALIKE, name, level) for name, level in levels] if all_alike else []
    return [*plain, Version(ALIKE, NOTHING, None), *alike]


def make_versions(image: Image.Image, *, path: str, seed: int = 0, all_alike: bool = False) -> Iterator[Image.Image]:
    """Make the versions of a picture, in the order of `list_versions`. Larger pictures are `bounded` first.

    Args:
        image: in mode RGB, decoded whole.
        path: as in `distort`.
        seed: as in `distort`.
        all_alike: as in `list_versions`.
    """
    whole = bounded(image)
    alike = make_alike(whole)
    named = {distortion.name: distortion for distortion in DISTORTIONS}
    for version in list_versions(all_alike=all_alike):
        start = alike if version.first == ALIKE else whole
        if version.level is None:
            yield start
        else:
            yield distort(start, named[version.distortion], version.level, path=path, seed=seed)
