"""The demo's "generators": an image is halved, and a small fixed decoder brings it back to its size.

The decoder leaves the traces by which detectors know generated images: the checkerboard of transposed convolutions (Odena
et al., "Deconvolution and Checkerboard Artifacts", 2016), and neighbours that are too much alike after nearest-neighbour
upsampling (Zhang et al., "Detecting and Simulating Artifacts in GAN Fake Images", 2019). Brightness, contrast, colour and
sharpness are matched to the original, so that nothing simpler separates the classes.
"""

import numpy as np
from numpy.typing import NDArray

from artclf.data.demo.paint import Colours, luma, to_bytes

GENERATORS = {"NC": "nearest_conv", "TC": "transposed_conv"}
"""The generators by the tag that names their folders."""

SKIP = 0.1  # weight of the skip connection, as in a U-Net: the larger, the fainter the decoder's trace
ROUGHNESS = 0.06  # how far the decoder's kernel is from ideal interpolation
TENT = np.outer([0.5, 1, 0.5], [0.5, 1, 0.5]).astype(np.float32)  # the kernel of linear interpolation
CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.float32) / 5


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
