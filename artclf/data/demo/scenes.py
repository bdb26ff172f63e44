"""What the demo's pictures show: hills, a sea, a still life, a portrait, a town, as fields that any brush can follow."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.floating[Any]]
"""A plane [n, n], a picture [3, n, n] or a colour [3, 1, 1], as floats; colours go from 0 to 1."""

# sky above, sky at the horizon, light, far, middle, near, accent, dark
PALETTES = (
    ("3f6fa8", "f3d9a4", "fff1c1", "8fa9c4", "5f8f6b", "2f5d46", "d9603b", "24323f"),  # a morning in Provence
    ("26345e", "e98a5b", "ffd36e", "7a5c86", "4b4a7c", "232a4d", "c9374a", "161a33"),  # dusk
    ("7fb6b0", "f6ead0", "fffbe6", "b7c9a8", "d8a657", "8f6b3a", "b8433a", "3b3428"),  # harvest
    ("16324f", "3f7f93", "f5e663", "2d5d7b", "1d4e63", "0f2b3f", "e3b23c", "081826"),  # a starry night
    ("d8c3c9", "f7e7dc", "fff6ec", "b99bb0", "8a7fa0", "5a5678", "c65b7c", "332f4a"),  # mauve mist
    ("9bc4e2", "eef5f0", "ffffff", "8fbf9f", "4f9d69", "2c6e49", "f2a65a", "1c3d2e"),  # spring
    ("b5532a", "f2b86b", "fff0b3", "a86f52", "7c4a3a", "4a2c2a", "2f6f73", "221615"),  # desert
    ("5b6c8f", "c9d3df", "f7f3e3", "8794ab", "566b73", "36454f", "c2853d", "1d252c"),  # the north in winter
)


@dataclass
class Scene:
    """One subject on a square canvas of n by n pixels, x to the right and y downwards, both from 0 to 1."""

    rng: np.random.Generator
    x: Field
    y: Field
    palette: Field
    """[8, 3, 1, 1]: sky above, sky at the horizon, light, far, middle, near, accent, dark."""
    colour: Field
    """[3, n, n]."""
    angle: Field
    """[n, n], radians: where a brush would go."""

    def paint(self, where: Field, colour: Field, angle: Field | float | None = None) -> None:
        """Lay a colour or a picture where the soft mask `where` [n, n] is 1, and turn the brush there."""
        self.colour += where * (colour - self.colour)
        if angle is not None:
            np.copyto(self.angle, angle, where=where > 0.5)

    def strip(self, left: float, right: float) -> "Scene":
        """The same canvas between two values of x: painting a small thing there is cheaper."""
        inside = slice(*(int(np.clip(edge, 0, 1) * len(self.x)) for edge in (left, right)))
        names = ("x", "y", "colour", "angle")
        return replace(self, **{name: getattr(self, name)[..., inside] for name in names})

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

    def box(self, cx: float, cy: float, rx: float, ry: float) -> Field:
        """The mask of a rectangle with half its width and half its height."""
        return self.soft(np.minimum(rx - np.abs(self.x - cx), ry - np.abs(self.y - cy)))

    def around(self, cx: float, cy: float) -> Field:
        """The direction that circles a point: for round things and for skies."""
        direction: Field = np.arctan2(self.x - cx, cy - self.y)
        return direction

    def one_of(self, *colours: Field) -> Field:
        """One of some colours."""
        return colours[self.rng.integers(len(colours))]


def rgb(red: float, green: float, blue: float) -> Field:
    """A colour [3, 1, 1]."""
    return np.array([red, green, blue], np.float32).reshape(3, 1, 1)


def cloud(rng: np.random.Generator, n: int, cells: int, octaves: int = 3, stretch: int = 1) -> Field:
    """Smooth noise [n, n] of mean 0 and standard deviation about 1; its largest blots measure n / cells pixels.

    With stretch > 1 they are as many times flatter than wide.
    """
    total = np.zeros((1, 1), np.float32)
    for octave in range(octaves):
        wide = cells * 2**octave
        shape = (min(wide * stretch + 3, n), min(wide + 3, n))
        total = _enlarged(total, shape) + rng.standard_normal(shape, np.float32) * np.float32(1.25 * 0.5**octave)
    return _enlarged(total, (n, n))


def _enlarged(plane: Field, shape: tuple[int, int]) -> Field:
    return np.asarray(Image.fromarray(plane).resize(shape[::-1], Image.Resampling.BICUBIC))


def compose(subject: str, rng: np.random.Generator, n: int) -> Scene:
    """A new picture of a subject (a key of SUBJECTS) on a canvas of n by n pixels."""
    axis = (np.arange(n, dtype=np.float32) + 0.5) / n
    x, y = np.meshgrid(axis, axis)
    codes = PALETTES[rng.integers(len(PALETTES))]
    palette = np.array([list(bytes.fromhex(code)) for code in codes]) / 255
    palette = np.clip(palette + rng.normal(0, 0.025, palette.shape) + rng.normal(0, 0.02, 3), 0.02, 1)
    colours = palette.astype(np.float32)[..., None, None]
    scene = Scene(rng, x, y, colours, np.zeros((3, n, n), np.float32), np.zeros_like(x))
    SUBJECTS[subject](scene)
    light = 0.06 * cloud(rng, n, 2, 2)  # light is never even
    scene.colour = np.clip(scene.colour * (1 + light), 0, 1)
    return scene


def _sky(scene: Scene, horizon: float) -> float:
    """A sky with clouds, and a sun or a moon whose x is returned."""
    rng, n = scene.rng, len(scene.x)
    above, low, light = scene.palette[:3]
    x, y, r = rng.uniform(0.15, 0.85), rng.uniform(0.14, horizon * 0.75), rng.uniform(0.05, 0.1)
    scene.colour += above + np.clip(scene.y / horizon, 0, 1) ** 1.3 * (low - above)
    distance = np.hypot(scene.x - x, scene.y - y)
    scene.angle = 0.5 * scene.around(x, y) * np.exp(-distance * 2) + 0.35 * cloud(rng, n, 2, 2)
    scene.paint(0.75 * np.exp(-distance / (2.2 * r)), light)
    banks = cloud(rng, n, 2, 3, stretch=2) - rng.uniform(0.2, 0.9) + 0.5 * scene.y / horizon
    scene.paint(np.clip(banks, 0, 0.8), 0.45 * light + 0.55 * low)
    scene.paint(scene.ellipse(x, y, r, r), light, scene.around(x, y))
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
    light, far, middle, near, accent, dark = scene.palette[2:]
    count = int(rng.integers(3, 5))
    for step, base in enumerate(np.linspace(horizon, 0.88, count)):
        nearness = step / (count - 1)
        body = far + (middle - far) * min(1, 2 * nearness) + (near - middle) * max(0, 2 * nearness - 1)
        line = _ridge(scene, base, 0.035 + 0.03 * nearness)
        depth = np.clip((scene.y - line) / 0.22, 0, 1)
        scene.paint(scene.below(line), body + (1 - depth) * 0.35 * (light - body), np.arctan(np.gradient(line) * n))
        for _ in range(int(rng.integers(1, 5)) if step else 0):  # trees
            x, tall = rng.uniform(0.05, 0.95), rng.uniform(0.05, 0.1) * (0.6 + nearness)
            y, wide = line[int(x * n)] - tall * 0.6, tall * rng.choice([0.25, 0.7])
            scene.paint(scene.ellipse(x, y, wide, tall), dark + 0.25 * (near - dark), 1.5)
            scene.paint(scene.ellipse(x - wide / 3, y - tall / 3, wide / 2, tall / 2), near + 0.3 * (accent - near))
    if rng.random() < 0.5:  # a house
        x = rng.uniform(0.15, 0.85)
        y = line[int(x * n)] - 0.02
        scene.paint(scene.box(x, y, 0.065, 0.06), light, 1.57)
        scene.paint(scene.soft(np.minimum(scene.y - y + 0.13 - np.abs(scene.x - x), y - 0.05 - scene.y)), accent, 0.4)


def _sea(scene: Scene) -> None:
    rng, n = scene.rng, len(scene.x)
    horizon = rng.uniform(0.35, 0.55)
    sun = _sky(scene, horizon)
    above, low, light, far, middle, near, accent, dark = scene.palette
    if rng.random() < 0.6:
        scene.paint(scene.below(_ridge(scene, horizon - 0.03, 0.04)), far, 0.0)
    depth = np.clip((scene.y - horizon) / (1 - horizon), 0, 1)
    swell = 0.5 + 0.5 * np.sin(22 * np.sqrt(depth + 0.02) * np.pi + 2.2 * cloud(rng, n, 2, 2) + 5 * scene.x)
    water = above + depth * (near - above)
    sea = scene.below(horizon)
    scene.paint(sea, water + (0.4 * swell * depth + 0.1) * (middle - water), 0.25 * cloud(rng, n, 3, 2))
    scene.paint(sea * np.clip(3 * depth * (swell - 0.8), 0, 0.7), light)
    glitter = np.exp(-(((scene.x - sun) / (0.04 + 0.12 * depth)) ** 2)) * np.clip(4 * swell - 1.5, 0, 1)
    scene.paint(0.75 * sea * glitter, 0.6 * light + 0.4 * low)
    for y in np.sort(rng.uniform(horizon + 0.06, 0.85, rng.integers(1, 4))):  # boats
        x, tall = rng.uniform(0.12, 0.88), 0.12 + 0.35 * (y - horizon)
        rise, across = (y - scene.y) / tall, (scene.x - x) / tall
        for sail, dye in (
            (np.minimum(across, 0.5 * (1.1 - rise) - across), scene.one_of(accent, light)),
            (np.minimum(-0.04 - across, 0.35 * (0.85 - rise) + across), light),
        ):
            scene.paint(scene.soft(np.minimum(sail, rise - 0.12) * tall), dye, 1.4)
        scene.paint(np.minimum(scene.ellipse(x, y, 0.5 * tall, 0.18 * tall), scene.below(y)), dark, 0.0)


def _still_life(scene: Scene) -> None:
    rng, n = scene.rng, len(scene.x)
    above, low, light, far, middle, near, accent, dark = scene.palette
    side = rng.choice([-1.0, 1.0])  # where the light comes from
    scene.colour += low + scene.y * 0.6 * (far - low)
    scene.angle = 0.8 + 0.6 * cloud(rng, n, 2, 2)
    scene.paint(0.55 * np.clip(0.5 - side * (scene.x - 0.5) + 0.4 * cloud(rng, n, 1, 1), 0, 1), above)
    cloth = 0.5 + 0.5 * np.sin(9 * scene.x + 14 * scene.y + 1.5 * cloud(rng, n, 1, 1))
    table = rng.uniform(0.55, 0.68) + 0.05 * rng.normal() * (scene.x - 0.5)
    scene.paint(scene.below(table), middle + 0.5 * cloth * (near - middle), 0.1)
    x, foot, tall, belly = rng.uniform(0.3, 0.7), rng.uniform(0.76, 0.84), rng.uniform(0.4, 0.55), rng.uniform(0.11, 0.17)
    scene.paint(0.6 * scene.ellipse(x - side * 0.12, foot, 0.22, 0.045), dark, 0.0)
    for _ in range(int(rng.integers(0, 9))):  # flowers
        cx, cy, r = x + rng.normal(0, 0.12), foot - tall + rng.normal(-0.05, 0.06), rng.uniform(0.035, 0.065)
        scene.paint(scene.ellipse(cx + r * rng.normal(), cy + r, r * 0.8, r * 1.3), near, 1.2)
        scene.paint(scene.ellipse(cx, cy, r, r * 0.85), scene.one_of(accent, light, low), scene.around(cx, cy))
        scene.paint(scene.ellipse(cx, cy, r * 0.35, r * 0.3), 0.5 * (dark + accent))
    rise = (foot - scene.y) / tall
    width = belly * (0.35 + 0.65 * np.exp(-(((rise - rng.uniform(0.25, 0.45)) / 0.3) ** 2)))
    vase = scene.soft(np.minimum(width - np.abs(scene.x - x), np.minimum(rise, 1 - rise) * tall))
    shade, glaze = np.clip(0.5 + side * (scene.x - x) / (2 * belly), 0, 1), scene.one_of(near, above, accent)
    scene.paint(vase, dark + (0.25 + 0.75 * shade) * (glaze - dark) + 0.35 * shade**6 * (light - glaze), 1.57)
    for cy in np.sort(rng.uniform(0.76, 0.9, rng.integers(2, 5))):  # fruit
        cx, r = rng.uniform(0.12, 0.88), rng.uniform(0.06, 0.095)
        skin = scene.one_of(accent, 0.5 * (accent + light), 0.6 * middle + 0.4 * light)
        scene.paint(0.6 * scene.ellipse(cx - side * r / 2, cy + r * 0.75, r * 1.3, r * 0.4), dark, 0.0)
        lit = np.clip(0.6 + 0.6 * (side * (scene.x - cx) - (scene.y - cy)) / r, 0.1, 1.15)
        scene.paint(scene.ellipse(cx, cy, r, r), dark + lit * (skin - dark), scene.around(cx, cy))
        scene.paint(0.7 * scene.ellipse(cx + side * r * 0.35, cy - r * 0.4, r * 0.22, r * 0.2), light)


def _portrait(scene: Scene) -> None:
    rng, n = scene.rng, len(scene.x)
    above, low, light, far, middle, near, accent, dark = scene.palette
    x, y, r, side = rng.uniform(0.42, 0.58), rng.uniform(0.4, 0.46), rng.uniform(0.15, 0.19), rng.choice([-1.0, 1.0])
    scene.colour += scene.one_of(above, far, middle)
    scene.angle = scene.around(x, y) + 0.3 * cloud(rng, n, 2, 2)
    scene.paint(np.clip(0.35 + 0.5 * cloud(rng, n, 2), 0, 0.8), scene.one_of(low, near, above))
    skin = rgb(0.95, 0.78, 0.62) * rng.uniform(0.5, 0.85) + 0.2 * low
    shade = np.clip(0.55 + side * (scene.x - x) / (1.6 * r), 0, 1)
    flesh = skin * (0.5 + 0.5 * shade) + 0.12 * shade**3 * (light - skin)
    hair, middle_x = dark + rng.uniform(0, 0.5) * (accent - dark), x + side * r * 0.24
    if rng.random() < 0.6:  # long hair
        scene.paint(scene.ellipse(x, y + r * 0.5, r * 1.3, r * 2.0), hair, 1.4)
    coat = scene.one_of(accent, near, above, dark)
    folds = 0.5 * np.sin(25 * (scene.x - x) + 2 * cloud(rng, n, 1, 1))
    scene.paint(scene.ellipse(x, 1.12, rng.uniform(0.34, 0.44), 0.42), coat + folds * 0.6 * (dark - coat), scene.around(x, 1.1))
    scene.paint(scene.box(x, y + r * 1.2, r * 0.42, r * 0.7), flesh * 0.85, 1.5)
    scene.paint(scene.ellipse(x, y + r * 1.85, r * 0.62, r * 0.4), light if rng.random() < 0.5 else flesh, 0.0)
    scene.paint(scene.ellipse(x, y, r, r * 1.32), flesh, scene.around(x - side * r, y))
    face = scene.ellipse(x + side * r * 0.15, y + r * 0.45, r * 0.95, r * 1.25)
    cap = np.minimum(scene.ellipse(x, y - r * 0.35, r * 1.15, r * 1.15), 1 - face)
    scene.paint(np.minimum(cap, 1 - scene.below(y + r * 0.5)), hair, scene.around(x, y))
    if rng.random() < 0.4:  # a hat
        felt = scene.one_of(accent, light, near)
        crown = np.minimum(scene.ellipse(x, y - r * 0.85, r, r * 0.95), 1 - scene.below(y - r * 0.75))
        scene.paint(crown, felt, 0.3)
        scene.paint(scene.ellipse(x, y - r * 0.78, r * 1.75, r * 0.28), felt * 0.8, 0.0)
    for eye in (middle_x - r * 0.4, middle_x + r * 0.4):
        scene.paint(0.5 * scene.ellipse(eye, y - r * 0.02, r * 0.27, r * 0.2), skin * 0.55)
        scene.paint(scene.ellipse(eye, y + r * 0.02, r * 0.16, r * 0.09), dark, 0.0)
        scene.paint(0.8 * scene.ellipse(eye, y - r * 0.27, r * 0.27, r * 0.06), hair, 0.0)
    scene.paint(0.55 * scene.box(middle_x - side * r * 0.05, y + r * 0.22, r * 0.06, r * 0.22), skin * 0.5)
    scene.paint(scene.ellipse(middle_x, y + r * 0.78, r * 0.3, r * 0.09), 0.6 * accent + 0.25 * skin, 0.0)
    scene.paint(0.3 * scene.ellipse(x + side * r * 0.6, y + r * 0.42, r * 0.28, r * 0.22), 0.6 * accent + 0.4 * skin)


def _town(scene: Scene) -> None:
    rng, n = scene.rng, len(scene.x)
    horizon = rng.uniform(0.62, 0.75)
    _sky(scene, horizon)
    low, far, middle, near, dark = scene.palette[[1, 3, 4, 5, 7]]
    for row, (body, reach) in enumerate(((far, 0.42), (middle, 0.32), (near, 0.2))):
        left = -0.1 * rng.random()
        while left < 1:
            wide = rng.uniform(0.1, 0.18) * (1 + 0.2 * row)
            top = horizon + 0.06 * row - reach * rng.uniform(0.55, 1.1)
            _house(scene.strip(left - 0.03, left + wide + 0.03), body, left, top, wide)
            left += wide
    paving = np.clip(0.4 + 0.2 * cloud(rng, n, 2), 0, 1)
    scene.paint(scene.below(_ridge(scene, 0.91, 0.01)), dark + paving * (low - dark), 0.05)


def _house(scene: Scene, body: Field, left: float, top: float, wide: float) -> None:
    rng, light, accent, dark = scene.rng, *scene.palette[[2, 6, 7]]
    centre = left + wide / 2
    wall = np.clip(body + rng.normal(0, 0.05, (3, 1, 1)) + 0.18 * rng.random() * (light - body), 0, 1)
    front = scene.box(centre, top + 0.4, wide / 2, 0.4)
    scene.paint(front, wall * (1 - 0.3 * (scene.x > centre + 0.18 * wide)), 1.57)
    across, up = (scene.x - left) / wide * 3, (scene.y - top) / 0.085  # windows: three to a storey
    pane = np.minimum(0.24 - np.abs(across % 1 - 0.5), 0.27 - np.abs(up % 1 - 0.5)) * 0.1
    lit = (rng.random((10, 3)) < 0.4)[np.clip(up, 0, 9).astype(int), np.clip(across, 0, 2).astype(int)]
    scene.paint(front * scene.soft(pane), np.where(lit, 0.5 * (light + accent), 0.6 * dark + 0.4 * wall))
    gable = np.minimum(scene.y - top + 0.09 - np.abs(scene.x - centre) * (0.18 / wide), top - scene.y + 0.012)
    scene.paint(scene.soft(gable), accent + rng.uniform(0, 0.6) * (dark - accent), 0.6)


SUBJECTS: dict[str, Callable[[Scene], None]] = {
    "hills": _hills,
    "sea": _sea,
    "still_life": _still_life,
    "portrait": _portrait,
    "town": _town,
}
