"""What the demo images show: hills, a sea, a still life, as fields of colour that any technique can follow."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.floating[Any]]
"""A plane [n, n], an image [3, n, n] or a colour [3, 1, 1], as floats; colours go from 0 to 1."""

# sky above, sky at the horizon, light, far, middle, near, accent, dark
PALETTES = (
    ("3f6fa8", "f3d9a4", "fff1c1", "8fa9c4", "5f8f6b", "2f5d46", "d9603b", "24323f"),  # morning
    ("26345e", "e98a5b", "ffd36e", "7a5c86", "4b4a7c", "232a4d", "c9374a", "161a33"),  # dusk
    ("7fb6b0", "f6ead0", "fffbe6", "b7c9a8", "d8a657", "8f6b3a", "b8433a", "3b3428"),  # harvest
    ("16324f", "3f7f93", "f5e663", "2d5d7b", "1d4e63", "0f2b3f", "e3b23c", "081826"),  # night
    ("9bc4e2", "eef5f0", "ffffff", "8fbf9f", "4f9d69", "2c6e49", "f2a65a", "1c3d2e"),  # spring
    ("b5532a", "f2b86b", "fff0b3", "a86f52", "7c4a3a", "4a2c2a", "2f6f73", "221615"),  # desert
)


@dataclass
class Scene:
    """A square canvas of n by n pixels, x to the right and y downwards, both from 0 to 1.

    Attributes:
        rng: the source of all randomness.
        x: [n, n].
        y: [n, n].
        palette: [8, 3, 1, 1], in the order of PALETTES.
        colour: [3, n, n], what is painted so far.
    """

    rng: np.random.Generator
    x: Field
    y: Field
    palette: Field
    colour: Field

    def paint(self, where: Field, colour: Field) -> None:
        """Lay a colour or an image where the soft mask `where` [n, n] is 1."""
        self.colour += where * (colour - self.colour)

    def soft(self, distance: Field) -> Field:
        """The mask of what a signed distance (in units of the canvas) calls inside, with an edge one pixel wide."""
        inside: Field = np.clip(distance * len(self.x) + 0.5, 0, 1)
        return inside

    def below(self, height: Field | float) -> Field:
        """The mask of what lies under a line."""
        return self.soft(self.y - height)

    def ellipse(self, cx: float, cy: float, rx: float, ry: float) -> Field:
        """The mask of an ellipse."""
        return self.soft((1 - np.sqrt(((self.x - cx) / rx) ** 2 + ((self.y - cy) / ry) ** 2)) * min(rx, ry))

    def cloud(self, cells: int, octaves: int = 3) -> Field:
        """Smooth noise over the canvas, see `cloud`."""
        return cloud(self.rng, len(self.x), cells, octaves)


def cloud(rng: np.random.Generator, n: int, cells: int, octaves: int = 3) -> Field:
    """Smooth noise [n, n] of mean 0 and standard deviation about 1; its largest blots measure n / cells pixels."""
    total: Field = np.zeros((n, n), np.float32)
    for octave in range(octaves):
        side = min(cells * 2**octave + 3, n)
        layer = rng.standard_normal((side, side), np.float32) * np.float32(1.25 * 0.5**octave)
        total += np.asarray(Image.fromarray(layer).resize((n, n), Image.Resampling.BICUBIC))
    return total


def compose(subject: str, rng: np.random.Generator, n: int) -> Scene:
    """A new scene of a subject (a key of SUBJECTS) on a canvas of n by n pixels."""
    axis = (np.arange(n, dtype=np.float32) + 0.5) / n
    x, y = np.meshgrid(axis, axis)
    codes = PALETTES[rng.integers(len(PALETTES))]
    palette = np.array([list(bytes.fromhex(code)) for code in codes]) / 255
    palette = np.clip(palette + rng.normal(0, 0.025, palette.shape) + rng.normal(0, 0.02, 3), 0.02, 1)
    scene = Scene(rng, x, y, palette.astype(np.float32)[..., None, None], np.zeros((3, n, n), np.float32))
    SUBJECTS[subject](scene)
    scene.colour = np.clip(scene.colour * (1 + 0.06 * scene.cloud(2, 2)), 0, 1)  # light is never even
    return scene


def _sky(scene: Scene, horizon: float) -> float:
    """A sky with clouds, and a sun or a moon whose x is returned."""
    rng, (above, low, light) = scene.rng, scene.palette[:3]
    x, y, r = rng.uniform(0.15, 0.85), rng.uniform(0.14, horizon * 0.75), rng.uniform(0.05, 0.1)
    scene.colour += above + np.clip(scene.y / horizon, 0, 1) ** 1.3 * (low - above)
    scene.paint(0.75 * np.exp(-np.hypot(scene.x - x, scene.y - y) / (2.2 * r)), light)
    banks = scene.cloud(3) - rng.uniform(0.2, 0.9) + 0.5 * scene.y / horizon
    scene.paint(np.clip(banks, 0, 0.8), 0.45 * light + 0.55 * low)
    scene.paint(scene.ellipse(x, y, r, r), light)
    return x


def _ridge(scene: Scene, base: float, height: float) -> Field:
    """A line of hills [n] as heights over x."""
    rng, line = scene.rng, np.full(len(scene.x), base)
    for frequency in rng.uniform(0.5, 3.5, 3):
        line += height * rng.uniform(0.4, 1) / frequency * np.sin(2 * np.pi * (frequency * scene.x[0] + rng.random()))
    return line.astype(np.float32)


def _hills(scene: Scene) -> None:
    rng, n = scene.rng, len(scene.x)
    horizon = rng.uniform(0.4, 0.55)
    _sky(scene, horizon)
    light, far, _, near, accent, dark = scene.palette[2:]
    for nearness in (0.0, 0.33, 0.67, 1.0):
        line = _ridge(scene, horizon + nearness * (0.88 - horizon), 0.035 + 0.03 * nearness)
        depth = np.clip((scene.y - line) / 0.22, 0, 1)
        body = far + nearness * (near - far)
        scene.paint(scene.below(line), body + (1 - depth) * 0.35 * (light - body))
        for _ in range(int(rng.integers(1, 5)) if nearness else 0):  # trees
            x, tall = rng.uniform(0.05, 0.95), rng.uniform(0.05, 0.1) * (0.6 + nearness)
            y, wide = line[int(x * n)] - tall * 0.6, tall * rng.choice([0.25, 0.7])
            scene.paint(scene.ellipse(x, y, wide, tall), dark + 0.25 * (near - dark))
            scene.paint(scene.ellipse(x - wide / 3, y - tall / 3, wide / 2, tall / 2), near + 0.3 * (accent - near))


def _sea(scene: Scene) -> None:
    rng, horizon = scene.rng, scene.rng.uniform(0.35, 0.55)
    sun = _sky(scene, horizon)
    above, low, light, far, middle, near, accent, dark = scene.palette
    if rng.random() < 0.6:
        scene.paint(scene.below(_ridge(scene, horizon - 0.03, 0.04)), far)
    depth = np.clip((scene.y - horizon) / (1 - horizon), 0, 1)
    swell = 0.5 + 0.5 * np.sin(22 * np.sqrt(depth + 0.02) * np.pi + 2.2 * scene.cloud(2, 2) + 5 * scene.x)
    water = above + depth * (near - above)
    sea = scene.below(horizon)
    scene.paint(sea, water + (0.4 * swell * depth + 0.1) * (middle - water))
    glitter = np.exp(-(((scene.x - sun) / (0.04 + 0.12 * depth)) ** 2)) * np.clip(4 * swell - 1.5, 0, 1)
    scene.paint(0.75 * sea * glitter, 0.6 * light + 0.4 * low)
    for y in np.sort(rng.uniform(horizon + 0.06, 0.85, rng.integers(1, 4))):  # boats
        x, tall, dye = rng.uniform(0.12, 0.88), 0.12 + 0.35 * (y - horizon), (accent, light)[rng.integers(2)]
        rise, across = (y - scene.y) / tall, (scene.x - x) / tall
        sail = np.minimum(across, 0.5 * (1.1 - rise) - across)
        scene.paint(scene.soft(np.minimum(sail, rise - 0.12) * tall), dye)
        scene.paint(np.minimum(scene.ellipse(x, y, 0.5 * tall, 0.18 * tall), scene.below(y)), dark)


def _still_life(scene: Scene) -> None:
    rng = scene.rng
    above, low, light, far, middle, near, accent, dark = scene.palette
    side = rng.choice([-1.0, 1.0])  # where the light comes from
    scene.colour += low + scene.y * 0.6 * (far - low)
    scene.paint(0.55 * np.clip(0.5 - side * (scene.x - 0.5) + 0.4 * scene.cloud(1, 1), 0, 1), above)
    cloth = 0.5 + 0.5 * np.sin(9 * scene.x + 14 * scene.y + 1.5 * scene.cloud(1, 1))
    scene.paint(scene.below(rng.uniform(0.55, 0.68)), middle + 0.5 * cloth * (near - middle))
    x, foot, tall, belly = rng.uniform(0.3, 0.7), rng.uniform(0.76, 0.84), rng.uniform(0.4, 0.55), rng.uniform(0.11, 0.17)
    for _ in range(int(rng.integers(2, 9))):  # flowers
        cx, cy, r = x + rng.normal(0, 0.12), foot - tall + rng.normal(-0.05, 0.06), rng.uniform(0.035, 0.065)
        scene.paint(scene.ellipse(cx + r * rng.normal(), cy + r, r * 0.8, r * 1.3), near)
        scene.paint(scene.ellipse(cx, cy, r, r * 0.85), (accent, light, low)[rng.integers(3)])
    rise = (foot - scene.y) / tall
    width = belly * (0.35 + 0.65 * np.exp(-(((rise - rng.uniform(0.25, 0.45)) / 0.3) ** 2)))
    vase = scene.soft(np.minimum(width - np.abs(scene.x - x), np.minimum(rise, 1 - rise) * tall))
    shade = np.clip(0.5 + side * (scene.x - x) / (2 * belly), 0, 1)
    scene.paint(vase, dark + (0.25 + 0.75 * shade) * ((near, above, accent)[rng.integers(3)] - dark))
    for cy in np.sort(rng.uniform(0.76, 0.9, rng.integers(2, 5))):  # fruit
        cx, r = rng.uniform(0.12, 0.88), rng.uniform(0.06, 0.095)
        skin = accent + 0.5 * rng.random() * (light - accent)
        lit = np.clip(0.6 + 0.6 * (side * (scene.x - cx) - (scene.y - cy)) / r, 0.1, 1.15)
        scene.paint(0.6 * scene.ellipse(cx - side * r / 2, cy + r * 0.75, r * 1.3, r * 0.4), dark)
        scene.paint(scene.ellipse(cx, cy, r, r), dark + lit * (skin - dark))


SUBJECTS: dict[str, Callable[[Scene], None]] = {"hills": _hills, "sea": _sea, "still_life": _still_life}
