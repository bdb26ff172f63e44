"""How the demo images are painted: two techniques, each a function from a scene to an image."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from artclf.data.demo.scenes import SUBJECTS, Field, Scene, cloud, compose

ZOOM = 2
"""Images are painted this many times larger and then reduced, so that strokes have soft edges."""

GRAIN = 0.03
"""Standard deviation of the grain of paper or canvas, from pixel to pixel."""


def draw_picture(style: str, rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """A new image in one of STYLES, of a random subject: [size, size, 3], 0 to 255."""
    scene = compose(str(rng.choice(list(SUBJECTS))), rng, size)
    return to_bytes(resized(STYLES[style](scene), size) + GRAIN * grain(rng, size)).transpose(1, 2, 0)


def grain(rng: np.random.Generator, n: int) -> Field:
    """White noise [3, n, n], for the most part the same in all colours, of standard deviation 1."""
    shared, own = rng.standard_normal((1, n, n), np.float32), rng.standard_normal((3, n, n), np.float32)
    return np.float32(0.93) * shared + np.float32(0.37) * own


def to_bytes(values: Field) -> NDArray[np.uint8]:
    """From 0..1 to 0..255, rounded."""
    rounded: NDArray[np.uint8] = np.clip(values * 255 + 0.5, 0, 255).astype(np.uint8)
    return rounded


def resized(field: Field, side: int, how: Image.Resampling = Image.Resampling.BICUBIC) -> Field:
    """A plane or an image at another size; reducing averages over all pixels."""
    if field.ndim == 3:
        return np.stack([resized(plane, side, how) for plane in field])
    return np.asarray(Image.fromarray(np.ascontiguousarray(field, np.float32)).resize((side, side), how))


def blurred(field: Field, radius: float) -> Field:
    """Smoothed over about `radius` pixels, by way of a smaller image."""
    side = field.shape[-1]
    return resized(resized(field, max(2, round(side / radius)), Image.Resampling.HAMMING), side)


def luminance(image: Field) -> Field:
    """Rec. 601 luma [n, n]."""
    light: Field = np.float32(0.299) * image[0] + np.float32(0.587) * image[1] + np.float32(0.114) * image[2]
    return light


def _watercolour(scene: Scene) -> Field:
    """Thin washes whose rims dry darker, pigment that settles in the grain, and paper left white."""
    rng, n = scene.rng, ZOOM * len(scene.x)
    wobble = np.stack([cloud(rng, n, 7), cloud(rng, n, 7)]) * 0.006 * n
    rows, columns = np.clip(np.indices((n, n)) + wobble, 0, n - 1).astype(np.int32)
    wash = resized(scene.colour, n)[:, rows, columns]
    wash += np.clip(0.35 + 0.4 * cloud(rng, n, 3), 0, 1) * (blurred(wash, n / 20) - wash)
    tone = luminance(wash)
    rim = np.clip(3 * np.abs(blurred(tone, n / 40) - tone), 0, 0.5)
    tooth = cloud(rng, n, n // 5, 1)
    margin = np.minimum(np.minimum(scene.x, 1 - scene.x), np.minimum(scene.y, 1 - scene.y))
    wet = np.clip((resized(margin, n) - 0.035 - 0.012 * cloud(rng, n, 5)) * 60, 0, 1)
    pigment = wet * (1 + 0.17 * cloud(rng, n, 4) + 0.9 * rim + 0.16 * np.clip(tooth, -2, 2))
    paper = np.array([0.98, 0.965, 0.93], np.float32).reshape(3, 1, 1) * (1 + 0.012 * tooth)
    let_through: Field = np.clip(0.08 + 0.95 * wash, 0.05, 1) ** (0.85 * pigment)  # Beer-Lambert: twice as thick, squared
    return paper * let_through


def _pointillism(scene: Scene) -> Field:
    """Dots of purer colours than the scene's, in layers of ever smaller ones, over a ground that shows between."""
    rng, n = scene.rng, len(scene.x)
    grey = luminance(scene.colour)
    vivid = grey + 1.25 * (scene.colour - grey)
    ground = to_bytes(resized(0.5 * blurred(vivid, n / 6) + 0.4, ZOOM * n))
    canvas = Image.fromarray(np.ascontiguousarray(ground.transpose(1, 2, 0)))
    draw = ImageDraw.Draw(canvas)
    for cells, radius, spread in ((20, 0.66, 0.03), (29, 0.52, 0.06), (38, 0.4, 0.08)):
        count = cells**2
        spots = (np.stack(np.divmod(rng.permutation(count), cells), axis=-1) + rng.random((count, 2))) / cells
        row, column = (spots * n).astype(np.int_).T
        dye = vivid[:, row, column].T + rng.normal(0, spread, (count, 3))
        reach = radius * rng.uniform(0.7, 1.1, (count, 1)) / cells
        boxes = np.hstack([spots[:, ::-1] - reach, spots[:, ::-1] + reach]) * (ZOOM * n)
        for box, fill in zip(boxes.tolist(), to_bytes(dye).tolist(), strict=True):
            draw.ellipse(box, tuple(fill))
    return np.ascontiguousarray(np.asarray(canvas).transpose(2, 0, 1), np.float32) / 255


STYLES: dict[str, Callable[[Scene], Field]] = {"pointillism": _pointillism, "watercolour": _watercolour}
"""From a scene to its image [3, ZOOM n, ZOOM n]."""
