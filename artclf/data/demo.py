"""Images that artclf draws itself, so that everything can be tried at once, without any data set.

The "human" half are landscapes and seas drawn by a program, in watercolour or pointillism. The "AI" half are other drawings of
the same kind, passed through a "generator": the image is halved, and a small fixed decoder brings it back to its size. This
leaves the traces by which detectors know generated images: the checkerboard of transposed convolutions (Odena et al.,
"Deconvolution and Checkerboard Artifacts", 2016), and neighbours that are too much alike after nearest-neighbour upsampling
(Zhang et al., "Detecting and Simulating Artifacts in GAN Fake Images", 2019). Brightness, contrast, colour and sharpness are
matched to the original, so that nothing simpler separates the classes. Scores on these images say nothing about art.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter

from artclf.errors import ArtclfError

VERSION = 5  # another number for each change in what is drawn
GENERATORS = {"NC": "nearest_conv", "TC": "transposed_conv"}
"""The generators by the tag that names their folders."""

README = """\
These images were drawn by a program (artclf, data=demo): {recipe}.

None of them is by a human artist, and none by a generative model. The folders without a prefix stand for human art; the
folders AI_..._STYLE hold other drawings of the same kind, {difference}.
How well a classifier does on them says nothing about art.
"""

ZOOM = 2  # images are painted this many times larger and then reduced, so that strokes have soft edges
GRAIN = 0.03  # standard deviation of the grain of paper or canvas, from pixel to pixel
# sky above, sky at the horizon, light, far, near, dark
PALETTES = (
    "3f6fa8 f3d9a4 fff1c1 8fa9c4 2f5d46 24323f",  # morning
    "26345e e98a5b ffd36e 7a5c86 232a4d 161a33",  # dusk
    "16324f 3f7f93 f5e663 2d5d7b 0f2b3f 081826",  # night
    "b5532a f2b86b fff0b3 a86f52 4a2c2a 221615",  # desert
)

SKIP = 0.1  # weight of a generator's skip connection, as in a U-Net: the larger, the fainter the decoder's trace
ROUGHNESS = 0.06  # how far the decoder's kernel is from ideal interpolation
TENT = np.outer([0.5, 1, 0.5], [0.5, 1, 0.5]).astype(np.float32)  # the kernel of linear interpolation
CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.float32) / 5

Colours = NDArray[np.floating[Any]]
"""An image [n, n, 3] or a colour [3], from 0 to 1."""


def draw_demo(
    root: str | Path, *, seed: int, size: int, train_per_folder: int, test_per_folder: int, shortcut: str | None = None
) -> Path:
    """Draw the demo images in AI-ArtBench's layout, unless they are there already.

    The same arguments give the same files. They are drawn in a temporary folder and renamed when complete, so that an
    interruption leaves nothing, and of two processes that draw at once the second uses what the first has drawn. With a
    shortcut, no generator leaves its trace, and the classes differ in how they are stored alone: "size" (AI at two thirds of
    the size), "quality" (JPEG at 95, AI at 75) or "format" (JPEG at 75, AI as PNG). A size is 32 pixels or more.

    Raises:
        ArtclfError: where the root holds anything but these images.
    """
    root = Path(root)
    recipe = f"version {VERSION}, seed {seed}, {size} pixels, per folder {train_per_folder} to train, {test_per_folder} to test"
    recipe += f", with a shortcut planted: {shortcut}" if shortcut else ""
    if _is_drawn(root, recipe):
        return root
    difference = f"stored otherwise ({shortcut})" if shortcut else f"passed through {' or '.join(GENERATORS.values())}"
    root.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as temporary:
        drawn = Path(temporary) / root.name
        for split, count in (("train", train_per_folder), ("test", test_per_folder)):
            for name in FOLDERS:
                folder = drawn / "Real_AI_SD_LD_Dataset" / split / name
                folder.mkdir(parents=True)
                for number in range(count):
                    rng = np.random.default_rng([seed, *f"{split}/{name}/{number}".encode()])
                    _draw_file(folder / f"{number:04}", rng, size, shortcut)
        (drawn / "README.txt").write_text(README.format(recipe=recipe, difference=difference), encoding="utf-8")
        try:
            drawn.rename(root)
        except OSError:
            if not _is_drawn(root, recipe):  # not because another process was quicker
                raise
    return root


def _draw_file(file: Path, rng: np.random.Generator, size: int, shortcut: str | None) -> None:
    style, generator = FOLDERS[file.parent.name]
    pixels = draw_image(style, rng, size)
    if generator and not shortcut:
        pixels = generate(pixels, generator)
    image = Image.fromarray(pixels)
    if generator and shortcut == "size":
        image = image.resize((size * 2 // 3, size * 2 // 3), Image.Resampling.LANCZOS)
    if shortcut == "quality" or (shortcut == "format" and not generator):
        image.save(f"{file}.jpg", quality=95 if shortcut == "quality" and not generator else 75)
    else:
        image.save(f"{file}.png", compress_level=0)  # uncompressed, so that the size of a file says nothing


def _is_drawn(root: Path, recipe: str) -> bool:
    readme = root / "README.txt"
    if readme.is_file() and recipe in readme.read_text(encoding="utf-8"):
        return True
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise ArtclfError(
            f"{root}: holds something other than the demo images asked for ({recipe}); "
            "give another folder as data.root, or remove this one"
        )
    return False


def generate(image: NDArray[np.uint8], generator: str) -> NDArray[np.uint8]:
    """Pass an image [n, n, 3] through a generator (a value of GENERATORS)."""
    n = len(image)
    full = np.pad(image.astype(np.float32) / 255, ((0, n % 2), (0, n % 2), (0, 0)), mode="edge")
    half = (full[::2, ::2] + full[1::2, ::2] + full[::2, 1::2] + full[1::2, 1::2]) / 4
    rough = np.random.default_rng(list(generator.encode())).standard_normal((3, 3), np.float32)
    rough = ROUGHNESS * (rough - rough.mean())
    larger = half.repeat(2, axis=0).repeat(2, axis=1)
    if generator == "transposed_conv":
        larger[1::2] = larger[:, 1::2] = 0
        kernel = TENT * (1 + rough)
        kernel *= 4 / kernel.sum()
    else:
        kernel = rough
        kernel[1, 1] += 1
    decoded = _convolve(larger, kernel)
    decoded += SKIP * (full - decoded)
    return to_bytes(_matched(decoded[:n, :n], full[:n, :n]))


def _convolve(image: Colours, kernel: Colours) -> Colours:
    """Convolve each colour of an image [n, n, 3] with a kernel [3, 3]; mirrored at the edges; faster than SciPy's."""
    n, padded = len(image), np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="reflect")
    shifted = [kernel[i, j] * padded[2 - i : 2 - i + n, 2 - j : 2 - j + n] for i, j in np.argwhere(kernel)]
    return np.sum(shifted, axis=0)  # type: ignore[no-any-return]


def _matched(image: Colours, target: Colours) -> Colours:
    """The image with the target's sharpness, saturation, and mean and standard deviation of each colour."""
    mean, deviation = target.mean(axis=(0, 1)), target.std(axis=(0, 1))
    for _ in range(4):  # each step undoes a little of the one before
        coarse = _convolve(image, CROSS)
        image = coarse + (image - coarse) * (_sharpness(target) / _sharpness(image))
        image = (image - image.mean(axis=(0, 1))) / image.std(axis=(0, 1)) * deviation + mean
        grey = luma(image)[..., None]
        image = np.clip(grey + (image - grey) * (_saturation(target) / _saturation(image)), 0, 1)
    return image


def _sharpness(image: Colours) -> float:
    """Mean absolute second difference of the luma."""
    return sum(float(np.abs(np.diff(luma(image), 2, axis=axis)).mean()) for axis in (0, 1)) + 1e-6


def _saturation(image: Colours) -> float:
    """Mean saturation as in HSV."""
    red, green, blue = np.moveaxis(image, -1, 0)  # reducing an axis of three is many times slower
    high, low = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    return float(((high - low) / np.maximum(high, 1e-3)).mean()) + 1e-6


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

FOLDERS: dict[str, tuple[str, str | None]] = {
    **{style: (style, None) for style in STYLES},
    **{f"AI_{tag}_{style}": (style, generator) for tag, generator in GENERATORS.items() for style in STYLES},
}
"""The style in each folder, and the generator if any."""
