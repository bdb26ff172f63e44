"""How the demo's pictures are painted: four styles, each a function from a scene to the paint on its ground."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from artclf.data.demo.scenes import SUBJECTS, Field, Scene, cloud, compose, rgb

ZOOM = 2
"""Pictures are painted this many times larger and then reduced, so that strokes have soft edges."""

GRAIN = 0.03
"""Standard deviation of the grain of paper or canvas, from pixel to pixel."""

PAPERS = ((0.86, 0.76, 0.6), (0.68, 0.72, 0.74), (0.78, 0.66, 0.56), (0.74, 0.77, 0.66), (0.9, 0.86, 0.78))
"""Tinted papers: buff, blue-grey, rose-brown, grey-green, cream."""


def draw_picture(style: str, rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """A new picture in one of STYLES, of a subject taken by chance: [size, size, 3], 0 to 255."""
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
    """A plane or a picture at another size; reducing averages over all pixels."""
    if field.ndim == 3:
        return np.stack([resized(plane, side, how) for plane in field])
    return np.asarray(Image.fromarray(np.ascontiguousarray(field, np.float32)).resize((side, side), how))


def blurred(field: Field, radius: float) -> Field:
    """Smoothed over about `radius` pixels, by way of a smaller picture."""
    side = field.shape[-1]
    return resized(resized(field, max(2, round(side / radius)), Image.Resampling.HAMMING), side)


def luminance(picture: Field) -> Field:
    """Rec. 601 luma [n, n]."""
    light: Field = np.float32(0.299) * picture[0] + np.float32(0.587) * picture[1] + np.float32(0.114) * picture[2]
    return light


def _oil(scene: Scene) -> Field:
    """Strokes that follow the forms, broad ones first, with bristle marks and light on the ridges of paint."""
    rng, n = scene.rng, len(scene.x)
    canvas = _canvas(resized(0.6 * blurred(scene.colour, n / 10) + 0.4 * scene.palette[6], ZOOM * n))
    draw = ImageDraw.Draw(canvas)
    edges = luminance(np.abs(scene.colour - blurred(scene.colour, n / 20)))
    for count, long, wide, detail in ((260, 0.15, 0.03, 0.0), (520, 0.085, 0.015, 0.2), (900, 0.045, 0.008, 1.0)):
        spots = rng.random((count * 3, 2))
        wanted = edges[*_pixels(spots, n)] * detail + edges.mean() * (1 - detail)
        spots = spots[rng.random(len(spots)) * np.quantile(wanted, 0.8) < wanted][:count]
        _strokes(draw, scene, spots, long, wide)
    paint = _paint(canvas)
    bristles = _smeared(rng.standard_normal((ZOOM * n, ZOOM * n), np.float32), resized(scene.angle, ZOOM * n), 4)
    relief = bristles + 12 * luminance(paint)
    light = np.clip(relief - np.roll(relief, (2, 2), (0, 1)), -3, 3)
    return paint * (1 + 0.035 * light + 0.03 * bristles)


def _strokes(draw: ImageDraw.ImageDraw, scene: Scene, spots: Field, long: float, wide: float) -> None:
    """One bent and tapered stroke at each of `spots` [count, 2] (row, column), in the scene's colour and direction."""
    rng, n, count = scene.rng, len(scene.x), len(spots)
    row, column = _pixels(spots, n)
    dye = scene.colour[:, row, column].T * (1 + rng.normal(0, 0.09, (count, 1))) + rng.normal(0, 0.035, (count, 3))
    angle = (scene.angle[row, column] + rng.normal(0, 0.15, count))[:, None]
    angle = angle + rng.normal(0, 0.3, (count, 1)) * np.linspace(-1, 1, 5)
    steps = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * (long * rng.uniform(0.5, 1, (count, 1, 1)) / 5)
    spine = spots[:, None, ::-1] + np.cumsum(steps, axis=1) - steps.sum(axis=1, keepdims=True) / 2
    taper = np.array([0.4, 0.95, 1, 0.85, 0.25])[:, None] * wide * rng.uniform(0.6, 1, (count, 1, 1))
    across = np.stack([-np.sin(angle), np.cos(angle)], axis=-1) * taper / 2
    outlines = np.concatenate([spine + across, (spine - across)[:, ::-1]], axis=1) * (ZOOM * n)
    for outline, fill in zip(outlines.reshape(count, -1).tolist(), to_bytes(dye).tolist(), strict=True):
        draw.polygon(outline, tuple(fill))


def _smeared(texture: Field, angle: Field, doublings: int) -> Field:
    """Line integral convolution: a texture [n, n] summed over 2^doublings steps of a pixel along a direction."""
    n = len(texture)
    rows, columns = np.indices((n, n), np.float32)
    down, right = np.sin(angle), np.cos(angle)
    for step in 2 ** np.arange(doublings):
        row, column = (rows + step * down).astype(np.int32), (columns + step * right).astype(np.int32)
        texture = texture + texture.take(row * n + column, mode="wrap")
    return texture / np.float32(2 ** (doublings / 2))


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
    skipped = np.clip((cloud(rng, n, 9) + 1.2 * tone - 3.4) * 3, 0, 0.9)
    pigment = (1 + 0.17 * cloud(rng, n, 4) + 0.9 * rim + 0.16 * np.clip(tooth, -2, 2)) * (1 - skipped)
    pigment *= wet * (1 + 0.5 * np.exp(-(((wet - 0.7) / 0.3) ** 2)))  # it gathers along the rim of the sheet
    paper = rgb(0.98, 0.965, 0.93) * (1 + 0.012 * tooth)
    let_through: Field = np.clip(0.08 + 0.95 * wash, 0.05, 1) ** (0.85 * pigment)  # Beer-Lambert: twice as thick, squared
    return paper * let_through


def _pen_and_ink(scene: Scene) -> Field:
    """Pen and ink on tinted paper: hatching in three directions for the shadows, white chalk for the lights."""
    rng, n = scene.rng, ZOOM * len(scene.x)
    colour = resized(scene.colour, n)
    tone = luminance(colour)
    dark, bright = np.quantile(tone, (0.03, 0.97))
    tone = np.clip((tone - dark) / (bright - dark + 0.05), 0, 1)
    paper = 0.65 * rgb(*PAPERS[rng.integers(len(PAPERS))]) + 0.35 * scene.palette[1]
    sheet: Field = paper + 0.36 * (colour - scene.colour.mean())
    sheet *= 1 + 0.03 * cloud(rng, n, 3) + 0.02 * cloud(rng, n, n // 4, 1)
    turn, pressure = rng.uniform(0.5, 1.1), 0.35 * cloud(rng, n, 24, 1)
    contour = np.abs(blurred(scene.colour, 3) - scene.colour).sum(axis=0)
    ink = np.clip(3.5 * resized(contour, n) - 0.5 + 0.5 * pressure, 0, 1)
    for threshold, direction in ((0.68, turn), (0.38, turn + 0.9), (0.16, turn - 0.75)):
        ink = np.maximum(ink, _hatching(rng, n, direction, 2.7) * np.clip((threshold - tone) * 6 + pressure, 0, 1))
    chalk = _hatching(rng, n, turn + 1.5, 3.2) * np.clip((tone - 0.78) * 6 + pressure, 0, 1)
    sheet += 0.75 * chalk * (rgb(1, 0.98, 0.93) - sheet)
    sheet += 0.85 * ink * (0.65 * rgb(0.13, 0.09, 0.1) + 0.35 * scene.palette[7] - sheet)
    return sheet


def _hatching(rng: np.random.Generator, n: int, direction: float, gap: float) -> Field:
    """Wavering parallel lines [n, n], `gap` pixels of the finished picture apart: 1 on a line, 0 between."""
    axis = np.arange(n, dtype=np.float32) / np.float32(gap * ZOOM)
    phase = axis[:, None] * np.cos(direction) - axis * np.sin(direction) + 0.35 * cloud(rng, n, 3)
    lines: Field = np.clip(np.cos(2 * np.pi * phase) * 2.2 - 0.7, 0, 1)
    return lines


def _pointillism(scene: Scene) -> Field:
    """Dots of purer colours than the scene's, in layers of ever smaller ones, over a ground that shows between."""
    rng, n = scene.rng, len(scene.x)
    grey = luminance(scene.colour)
    vivid = grey + 1.25 * (scene.colour - grey)
    canvas = _canvas(resized(0.5 * blurred(vivid, n / 6) + 0.5 * rgb(0.85, 0.8, 0.7), ZOOM * n))
    draw = ImageDraw.Draw(canvas)
    for cells, radius, spread in ((20, 0.66, 0.03), (29, 0.52, 0.06), (38, 0.4, 0.08)):
        count = cells**2
        spots = (np.stack(np.divmod(rng.permutation(count), cells), axis=-1) + rng.random((count, 2))) / cells
        row, column = _pixels(spots, n)
        dye = vivid[:, row, column].T + rng.normal(0, spread, (count, 3))
        reach = radius * rng.uniform(0.7, 1.1, (count, 1)) / cells
        boxes = np.hstack([spots[:, ::-1] - reach, spots[:, ::-1] + reach]) * (ZOOM * n)
        for box, fill in zip(boxes.tolist(), to_bytes(dye).tolist(), strict=True):
            draw.ellipse(box, tuple(fill))
    return _paint(canvas)


def _pixels(spots: Field, n: int) -> NDArray[np.int_]:
    """The rows and the columns [2, count] of places [count, 2] between 0 and 1."""
    return (spots * n).astype(np.int_).T


def _canvas(ground: Field) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(to_bytes(ground).transpose(1, 2, 0)))


def _paint(canvas: Image.Image) -> Field:
    return np.ascontiguousarray(np.asarray(canvas).transpose(2, 0, 1), np.float32) / 255


STYLES: dict[str, Callable[[Scene], Field]] = {
    "oil": _oil,
    "pen_and_ink": _pen_and_ink,
    "pointillism": _pointillism,
    "watercolour": _watercolour,
}
"""From a scene to its picture [3, ZOOM n, ZOOM n]."""
