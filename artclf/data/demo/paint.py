"""The demo's images: a landscape or a sea, painted in watercolour or pointillism."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter

Colours = NDArray[np.floating[Any]]
"""An image [n, n, 3] or a colour [3], from 0 to 1."""

ZOOM = 2  # images are painted this many times larger and then reduced, so that strokes have soft edges
GRAIN = 0.03  # standard deviation of the grain of paper or canvas, from pixel to pixel

# sky above, sky at the horizon, light, far, near, dark
PALETTES = (
    "3f6fa8 f3d9a4 fff1c1 8fa9c4 2f5d46 24323f",  # morning
    "26345e e98a5b ffd36e 7a5c86 232a4d 161a33",  # dusk
    "16324f 3f7f93 f5e663 2d5d7b 0f2b3f 081826",  # night
    "b5532a f2b86b fff0b3 a86f52 4a2c2a 221615",  # desert
)


def draw_image(style: str, rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """A new image in one of STYLES: [size, size, 3], 0 to 255."""
    painted = Image.fromarray(to_bytes(STYLES[style](_scene(rng, ZOOM * size), rng)))
    reduced = np.asarray(painted.resize((size, size), Image.Resampling.BICUBIC), np.float32) / 255
    grain = 0.93 * rng.standard_normal((size, size, 1), np.float32) + 0.37 * rng.standard_normal((size, size, 3), np.float32)
    return to_bytes(reduced + GRAIN * grain)


def to_bytes(image: Colours) -> NDArray[np.uint8]:
    """From 0..1 to 0..255, rounded."""
    rounded: NDArray[np.uint8] = np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
    return rounded


def luma(image: Colours) -> Colours:
    """Rec. 601 luma [n, n]."""
    return image @ np.array([0.299, 0.587, 0.114], np.float32)


def _noise(rng: np.random.Generator, n: int, cells: int) -> Colours:
    """Smooth noise [n, n] of mean 0 and standard deviation about 1, in blots of n / cells pixels and smaller."""
    total = np.zeros((n, n), np.float32)
    for octave in range(3):
        coarse = rng.standard_normal((cells * 2**octave + 3,) * 2, np.float32) * np.float32(1.25 * 0.5**octave)
        total += np.asarray(Image.fromarray(coarse).resize((n, n), Image.Resampling.BICUBIC))
    return total


def _scene(rng: np.random.Generator, n: int) -> Colours:
    """A sky with clouds and a sun above hills with trees, or above a sea with waves; [n, n, 3]."""
    palette = np.array([list(bytes.fromhex(code)) for code in rng.choice(PALETTES).split()], np.float32) / 255
    above, low, light, far, near, dark = np.clip(palette + 0.025 * rng.standard_normal(palette.shape, np.float32), 0.02, 1)
    y, x = np.mgrid[:n, :n].astype(np.float32) / n
    horizon = rng.uniform(0.35, 0.6)
    scene = _mix(above, low, np.clip(y / horizon, 0, 1)[..., None])
    scene = _mix(scene, light, 0.5 * np.clip(_noise(rng, n, 3), 0, 1)[..., None])

    def spot(at_x: float, at_y: float, width: float, height: float, colour: Colours) -> None:
        middles = ((at_y, height), (at_x, width))
        box = tuple(slice(max(0, int((at - reach) * n)), int((at + reach) * n) + 2) for at, reach in middles)
        scene[box][((x[box] - at_x) / width) ** 2 + ((y[box] - at_y) / height) ** 2 < 1] = colour

    sun, radius = rng.uniform(0.15, 0.85), rng.uniform(0.05, 0.1)
    spot(sun, rng.uniform(0.14, 0.75 * horizon), radius, radius, light)
    if rng.random() < 0.5:
        sea = y > horizon
        scene[sea] = _mix(above, near, ((y - horizon) / (1 - horizon))[..., None])[sea]
        for at_y in np.sort(rng.uniform(horizon, 1, 80)):  # waves, brighter below the sun
            at_x, depth = rng.random(), (at_y - horizon) / (1 - horizon)
            glitter = abs(at_x - sun) < 0.04 + 0.12 * depth
            spot(at_x, at_y, 0.02 + 0.09 * depth, 0.004 + 0.008 * depth, _mix(far, light, 0.7 if glitter else 0.1))
    else:
        for nearness in (0.0, 0.33, 0.67, 1.0):
            ridge = horizon + nearness * (0.88 - horizon) + 0.03 * _noise(rng, n, 2)[0]
            scene[y > ridge] = _mix(far, near, nearness)
            for at in rng.integers(n, size=rng.integers(1, 5)) if nearness else ():  # trees
                height = rng.uniform(0.05, 0.1) * (0.6 + nearness)
                spot(at / n, ridge[at] - 0.6 * height, height * rng.uniform(0.25, 0.7), height, _mix(dark, near, 0.3))
    return np.clip(scene * (1 + 0.06 * _noise(rng, n, 2)[..., None]), 0, 1)  # light is never quite even


def _mix(first: Colours, second: Colours, share: float | Colours) -> Colours:
    """The first colour with this share of the second."""
    mixed: Colours = first + share * (second - first)
    return mixed


def _watercolour(scene: Colours, rng: np.random.Generator) -> Colours:
    """Thin washes whose rims dry darker, on paper in whose grain pigment settles."""
    n, tone = len(scene), luma(scene)
    rim = np.clip(3 * np.abs(gaussian_filter(tone, n / 80) - tone), 0, 0.5)
    tooth = _noise(rng, n, n // 5)
    pigment = 1 + 0.17 * _noise(rng, n, 4) + 0.9 * rim + 0.16 * np.clip(tooth, -2, 2)
    paper: Colours = np.array([0.98, 0.965, 0.93], np.float32) * (1 + 0.012 * tooth[..., None])
    paper *= np.clip(0.08 + 0.95 * scene, 0.05, 1) ** (0.85 * pigment[..., None])  # Beer-Lambert law
    return paper


def _pointillism(scene: Colours, rng: np.random.Generator) -> Colours:
    """Dots of purer colours than the scene's, in layers of ever smaller ones, over a ground that shows between them."""
    n, grey = len(scene), luma(scene)[..., None]
    vivid = _mix(grey, scene, 1.25)
    canvas = Image.fromarray(to_bytes(0.5 * vivid + 0.4)).filter(ImageFilter.GaussianBlur(n / 12))
    draw = ImageDraw.Draw(canvas)
    for cells, size, spread in ((18, 0.66, 0.03), (25, 0.54, 0.06), (32, 0.44, 0.08)):
        cell = np.stack(np.divmod(rng.permutation(cells**2), cells), axis=-1)
        at = (cell + rng.random((cells**2, 2))) / cells * n
        colours = to_bytes(vivid[tuple(at.astype(int).T)] + rng.normal(0, spread, (cells**2, 3)))
        radii = size * rng.uniform(0.7, 1.1, cells**2) / cells * n
        for (y, x), radius, colour in zip(at.tolist(), radii.tolist(), colours.tolist(), strict=True):
            draw.circle((x, y), radius, tuple(colour))
    return np.asarray(canvas, np.float32) / 255


STYLES: dict[str, Callable[[Colours, np.random.Generator], Colours]] = {
    "pointillism": _pointillism,
    "watercolour": _watercolour,
}
"""From a scene [n, n, 3] to its image of the same shape."""
