"""What the demo images show: hills, a sea or a still life, drawn with Pillow."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colours = NDArray[np.floating[Any]]
"""An image [n, n, 3] or a colour [3], from 0 to 1."""

# sky above, sky at the horizon, light, far, near, accent, dark
PALETTES = (
    "3f6fa8 f3d9a4 fff1c1 8fa9c4 2f5d46 d9603b 24323f",  # morning
    "26345e e98a5b ffd36e 7a5c86 232a4d c9374a 161a33",  # dusk
    "16324f 3f7f93 f5e663 2d5d7b 0f2b3f e3b23c 081826",  # night
    "b5532a f2b86b fff0b3 a86f52 4a2c2a 2f6f73 221615",  # desert
)


class Canvas:
    """A square image and a random palette; coordinates go from 0 to 1, y downwards."""

    def __init__(self, rng: np.random.Generator, side: int) -> None:
        self.rng, self.side = rng, side
        codes = PALETTES[rng.integers(len(PALETTES))].split()
        palette = np.array([list(bytes.fromhex(code)) for code in codes]) / 255
        palette += rng.normal(0, 0.025, palette.shape) + rng.normal(0, 0.02, 3)
        self.palette = np.clip(palette, 0.02, 1).astype(np.float32)
        self.image = Image.new("RGB", (side, side))
        self._draw = ImageDraw.Draw(self.image)

    def polygon(self, points: Iterable[tuple[float, float]], colour: Colours) -> None:
        """Fill a polygon of points (x, y)."""
        self._draw.polygon([(x * self.side, y * self.side) for x, y in points], _fill(colour))

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colours) -> None:
        """Fill an ellipse around (x, y)."""
        box = np.array([x - rx, y - ry, x + rx, y + ry]) * self.side
        self._draw.ellipse(tuple(box.tolist()), _fill(colour))

    def gradient(self, top: float, bottom: float, upper: Colours, lower: Colours) -> None:
        """Fill a band from one colour at its top to another at its bottom."""
        first, last = int(top * self.side), int(np.ceil(bottom * self.side))
        for row, share in zip(range(first, last), np.linspace(0, 1, last - first), strict=True):
            self._draw.line([(0, row), (self.side, row)], _fill(mix(upper, lower, share)))


def mix(first: Colours, second: Colours, share: float) -> Colours:
    """The first colour with this share of the second."""
    return first + np.float32(share) * (second - first)


def _fill(colour: Colours) -> tuple[int, int, int]:
    red, green, blue = (np.clip(colour, 0, 1) * 255).round().astype(int).tolist()
    return red, green, blue


def compose(rng: np.random.Generator, side: int) -> Colours:
    """A scene of a random subject, [side, side, 3]."""
    canvas = Canvas(rng, side)
    SUBJECTS[int(rng.integers(len(SUBJECTS)))](canvas)
    light = 1 + np.float32(0.06) * cloud(rng, side, 2)[..., None]  # never quite even
    scene: Colours = np.clip(np.asarray(canvas.image, np.float32) / 255 * light, 0, 1)
    return scene


def cloud(rng: np.random.Generator, side: int, cells: int) -> Colours:
    """Smooth noise [side, side] of mean 0 and standard deviation about 1, in blots of side / cells pixels and smaller."""
    total = np.zeros((side, side), np.float32)
    for octave in range(3):
        coarse = rng.standard_normal((cells * 2**octave + 3,) * 2, np.float32) * np.float32(1.25 * 0.5**octave)
        total += np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))
    return total


def _sky(canvas: Canvas, horizon: float) -> float:
    """A sky with a sun or a moon, whose x is returned."""
    rng, (above, low, light) = canvas.rng, canvas.palette[:3]
    x, y, radius = rng.uniform(0.15, 0.85), rng.uniform(0.14, 0.75 * horizon), rng.uniform(0.05, 0.1)
    canvas.gradient(0, horizon, above, low)
    for _ in range(int(rng.integers(3, 9))):
        cx, cy, width = rng.random(), rng.uniform(0, horizon), rng.uniform(0.1, 0.3)
        canvas.ellipse(cx, cy, width, rng.uniform(0.15, 0.3) * width, mix(low, light, 0.45))
    canvas.ellipse(x, y, radius, radius, light)
    return x


def _hills(canvas: Canvas) -> None:
    rng, horizon = canvas.rng, canvas.rng.uniform(0.4, 0.55)
    _sky(canvas, horizon + 0.1)
    far, near, _, dark = canvas.palette[3:]
    x = np.linspace(0, 1, 65)
    for nearness in (0.0, 0.33, 0.67, 1.0):
        line = np.full(len(x), horizon + nearness * (0.88 - horizon))
        for frequency in rng.uniform(0.5, 3.5, 3):
            line += (0.03 + 0.02 * nearness) / frequency * np.sin(2 * np.pi * (frequency * x + rng.random()))
        canvas.polygon([(0, 1), *zip(x, line, strict=True), (1, 1)], mix(far, near, nearness))
        for _ in range(int(rng.integers(1, 5)) if nearness else 0):  # trees
            at, tall = int(rng.integers(3, 62)), rng.uniform(0.05, 0.1) * (0.6 + nearness)
            canvas.ellipse(x[at], line[at] - 0.6 * tall, tall * rng.uniform(0.25, 0.7), tall, mix(dark, near, 0.3))


def _sea(canvas: Canvas) -> None:
    rng, horizon = canvas.rng, canvas.rng.uniform(0.35, 0.55)
    above, low, light, far, near, accent, dark = canvas.palette
    sun = _sky(canvas, horizon)
    canvas.gradient(horizon, 1, above, near)
    for y in np.sort(horizon + (0.98 - horizon) * rng.random(120)):  # waves, brighter below the sun
        x, depth = rng.random(), (y - horizon) / (1 - horizon)
        glitter = mix(light, low, 0.4) if abs(x - sun) < 0.04 + 0.12 * depth else mix(far, near, 0.5)
        canvas.ellipse(x, y, 0.02 + 0.09 * depth, 0.003 + 0.008 * depth, glitter)
    for y in np.sort(rng.uniform(horizon + 0.06, 0.85, rng.integers(1, 4))):  # boats
        x, tall, sail = rng.uniform(0.12, 0.88), 0.12 + 0.35 * (y - horizon), (accent, light)[rng.integers(2)]
        canvas.polygon([(x, y - 1.1 * tall), (x - 0.2 * tall, y), (x + 0.5 * tall, y)], sail)
        canvas.polygon([(x - 0.5 * tall, y), (x + 0.6 * tall, y), (x, y + 0.3 * tall)], dark)


def _still_life(canvas: Canvas) -> None:
    rng = canvas.rng
    above, low, light, far, near, accent, dark = canvas.palette
    canvas.gradient(0, 1, mix(low, above, rng.random()), far)
    table, foot = rng.uniform(0.55, 0.68), rng.uniform(0.76, 0.84)
    canvas.polygon([(0, table), (1, table), (1, 1), (0, 1)], near)
    x, tall, belly = rng.uniform(0.3, 0.7), rng.uniform(0.4, 0.55), rng.uniform(0.11, 0.17)
    for _ in range(int(rng.integers(2, 9))):  # flowers
        cx, cy, radius = x + rng.normal(0, 0.12), foot - tall + rng.normal(-0.05, 0.06), rng.uniform(0.035, 0.065)
        canvas.ellipse(cx, cy, radius, 0.85 * radius, (accent, light, low)[rng.integers(3)])
    rise = np.linspace(0, 1, 33)
    width = belly * (0.35 + 0.65 * np.exp(-(((rise - rng.uniform(0.25, 0.45)) / 0.3) ** 2)))
    for share, glaze in ((1.0, dark), (0.7, (above, accent)[rng.integers(2)])):  # a vase, brighter in the middle
        outline = np.concatenate([x - share * width, (x + share * width)[::-1]])
        canvas.polygon(zip(outline, foot - tall * np.concatenate([rise, rise[::-1]]), strict=True), mix(dark, glaze, 0.7))
    for cy in np.sort(rng.uniform(0.76, 0.9, rng.integers(2, 5))):  # fruit
        cx, radius, skin = rng.uniform(0.12, 0.88), rng.uniform(0.06, 0.095), mix(accent, light, 0.5 * rng.random())
        canvas.ellipse(cx + radius / 3, cy + 0.75 * radius, 1.2 * radius, 0.4 * radius, dark)
        canvas.ellipse(cx, cy, radius, radius, mix(dark, skin, 0.7))
        canvas.ellipse(cx - 0.2 * radius, cy - 0.2 * radius, 0.7 * radius, 0.7 * radius, skin)


SUBJECTS: tuple[Callable[[Canvas], None], ...] = (_hills, _sea, _still_life)
