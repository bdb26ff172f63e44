"""How the demo images are painted: watercolour or pointillism."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter

from artclf.data.demo.scenes import Colours, cloud, compose

ZOOM = 2  # images are painted this many times larger and then reduced, so that strokes have soft edges
GRAIN = 0.03  # standard deviation of the grain of paper or canvas, from pixel to pixel


def draw_picture(style: str, rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """A new image in one of STYLES, of a random subject: [size, size, 3], 0 to 255."""
    painted = to_bytes(STYLES[style](compose(rng, ZOOM * size), rng))
    reduced = np.asarray(Image.fromarray(painted).resize((size, size), Image.Resampling.BICUBIC), np.float32) / 255
    grain = 0.93 * rng.standard_normal((size, size, 1)) + 0.37 * rng.standard_normal((size, size, 3))
    return to_bytes(reduced + GRAIN * grain)


def to_bytes(image: Colours) -> NDArray[np.uint8]:
    """From 0..1 to 0..255, rounded."""
    rounded: NDArray[np.uint8] = np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
    return rounded


def luma(image: Colours) -> Colours:
    """Rec. 601 luma [n, n]."""
    return image @ np.array([0.299, 0.587, 0.114], np.float32)


def _watercolour(scene: Colours, rng: np.random.Generator) -> Colours:
    """Thin washes whose rims dry darker, pigment that settles in the grain, and paper left white at the edges."""
    n = len(scene)
    place = np.indices((n, n)) + 0.006 * n * np.stack([cloud(rng, n, 7), cloud(rng, n, 7)])
    rows, columns = np.clip(place, 0, n - 1).astype(int)
    wash = scene[rows, columns]
    tone = luma(wash)
    rim = np.clip(3 * np.abs(gaussian_filter(tone, n / 80) - tone), 0, 0.5)
    tooth = cloud(rng, n, n // 5)
    to_edge = np.minimum(np.arange(n), np.arange(n)[::-1]) / n
    wet = np.clip(60 * (np.minimum.outer(to_edge, to_edge) - 0.035 - 0.012 * cloud(rng, n, 5)), 0, 1)
    pigment = wet * (1 + 0.17 * cloud(rng, n, 4) + 0.9 * rim + 0.16 * np.clip(tooth, -2, 2))
    paper = np.array([0.98, 0.965, 0.93], np.float32) * (1 + 0.012 * tooth[..., None])
    passed: Colours = np.clip(0.08 + 0.95 * wash, 0.05, 1) ** (0.85 * pigment[..., None])  # Beer-Lambert law
    return paper * passed


def _pointillism(scene: Colours, rng: np.random.Generator) -> Colours:
    """Dots of purer colours than the scene's, in layers of ever smaller ones, over a ground that shows between them."""
    n, grey = len(scene), luma(scene)[..., None]
    vivid = grey + 1.25 * (scene - grey)
    canvas = Image.fromarray(to_bytes(0.5 * vivid + 0.4)).filter(ImageFilter.GaussianBlur(n / 12))
    draw = ImageDraw.Draw(canvas)
    for cells, radius, spread in ((20, 0.66, 0.03), (29, 0.52, 0.06), (38, 0.4, 0.08)):
        cell = np.stack(np.divmod(rng.permutation(cells**2), cells), axis=-1)
        at = (cell + rng.random((cells**2, 2))) / cells * n
        colours = vivid[tuple(at.astype(int).T)] + rng.normal(0, spread, (cells**2, 3))
        radii = radius * rng.uniform(0.7, 1.1, (cells**2, 1)) / cells * n
        boxes = np.hstack([at[:, ::-1] - radii, at[:, ::-1] + radii])
        for box, fill in zip(boxes.tolist(), to_bytes(colours).tolist(), strict=True):
            draw.ellipse(box, tuple(fill))
    return np.asarray(canvas, np.float32) / 255


STYLES: dict[str, Callable[[Colours, np.random.Generator], Colours]] = {
    "pointillism": _pointillism,
    "watercolour": _watercolour,
}
"""From a scene [n, n, 3] to its image of the same shape."""
