"""The demo's "generators": an image is encoded, then decoded by a small decoder that leaves a real one's trace.

The traces are those that detectors of generated images live on: the checkerboard of transposed convolutions (Odena et al.,
"Deconvolution and Checkerboard Artifacts", 2016), and neighbours that resemble each other too much after nearest-neighbour
upsampling (Zhang et al., "Detecting and Simulating Artifacts in GAN Fake Images", 2019). Colours, contrast and sharpness stay
what they were, so that nothing simpler separates the classes.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from artclf.data.demo.brushes import grain, luminance, to_bytes
from artclf.data.demo.scenes import Field

GENERATORS = {"NC": "nearest_conv", "TC": "transposed_conv"}
"""The generators by the tag that names their folders."""

SKIPS = (0.6, 0.1)
"""Shares of the half-size and of the full-size image that reach the decoder past the bottleneck, as in a U-Net: the larger
the second, the fainter the trace.
"""

ROUGHNESS = 0.06
"""How far the kernels are from ideal interpolation."""

TENT = np.outer([0.5, 1, 0.5], [0.5, 1, 0.5]).astype(np.float32)
"""The kernel of linear interpolation."""


def generate(picture: NDArray[np.uint8], generator: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Pass an image through a generator.

    Args:
        picture: [n, n, 3], 0 to 255.
        generator: a value of GENERATORS.
        rng: the source of the detail that the code does not hold.

    Returns:
        [n, n, 3], 0 to 255: as bright, colourful, contrasted and sharp as the image, with the generator's trace.
    """
    n = len(picture)
    padding = ((0, 0), (0, -n % 4), (0, -n % 4))
    full = np.pad(picture.transpose(2, 0, 1).astype(np.float32) / 255, padding, mode="reflect")
    half = _halved(full, generator)
    first, second = _kernels(generator)
    plane = _upsampled(_halved(half, generator), generator, first)
    lost = half - plane
    invented = lost.std() * grain(rng, half.shape[-1])
    plane += SKIPS[0] * lost + np.sqrt(1 - SKIPS[0] ** 2) * invented  # as much detail as there was
    decoded = _upsampled(plane, generator, second)
    decoded += SKIPS[1] * (full - decoded)
    return to_bytes(_matched(decoded[:, :n, :n], full[:, :n, :n])).transpose(1, 2, 0)


@cache
def _kernels(generator: str) -> list[Field]:
    """The fixed weights of a decoder's two convolutions: [3, 3, 3, 1, 1], rows by columns by colours."""
    rng = np.random.default_rng(list(generator.encode()))
    kernels = []
    for _ in range(2):
        rough = rng.standard_normal((3, 3, 1)) + 0.3 * rng.standard_normal((3, 3, 3))
        rough = ROUGHNESS * (rough - rough.mean(axis=(0, 1)))
        if generator == "nearest_conv":
            kernel = np.eye(9)[4].reshape(3, 3, 1) + rough
        else:
            kernel = TENT[..., None] * (1 + rough)
            kernel *= 4 / kernel.sum(axis=(0, 1))
        kernels.append(kernel.astype(np.float32)[..., None, None])
    return kernels


def _upsampled(plane: Field, generator: str, kernel: Field) -> Field:
    """Twice as large: every pixel repeated, or set among zeros (a convolution then makes it a transposed one)."""
    apart = plane.repeat(2, axis=1).repeat(2, axis=2)
    if generator == "transposed_conv":
        apart[:, 1::2] = 0
        apart[:, :, 1::2] = 0
    return _convolved(apart, kernel)


def _convolved(plane: Field, kernel: Field) -> Field:
    """A 3 x 3 convolution, each colour by itself."""
    n = plane.shape[-1]
    padded = np.pad(plane, ((0, 0), (1, 1), (1, 1)), mode="reflect")  # reflecting keeps the lattice of zeros
    return sum((padded[:, i : i + n, j : j + n] * kernel[i, j] for i in range(3) for j in range(3)), np.zeros_like(plane))


def _halved(plane: Field, generator: str) -> Field:
    """Half as large, with what belongs to the upsampling: the average of four, or a convolution of stride 2."""
    if generator == "transposed_conv":
        return _convolved(plane, TENT[..., None, None, None] / 4)[:, ::2, ::2]
    return (plane[:, ::2, ::2] + plane[:, 1::2, ::2] + plane[:, ::2, 1::2] + plane[:, 1::2, 1::2]) / 4


def _matched(image: Field, target: Field) -> Field:
    """The image with the sharpness, the mean and deviation of each colour, and the saturation of the target."""
    mean, deviation = target.mean(axis=(1, 2), keepdims=True), target.std(axis=(1, 2), keepdims=True)
    sharp, saturated = _sharpness(target), _saturation(target)
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.float32)[..., None, None, None] / 5
    for _ in range(4):  # each undoes a little of the one before
        coarse = _convolved(image, cross)
        image = coarse + (image - coarse) * (sharp / _sharpness(image))
        image = image - image.mean(axis=(1, 2), keepdims=True)
        image = image / image.std(axis=(1, 2), keepdims=True) * deviation + mean
        grey = luminance(image)
        image = np.clip(grey + (image - grey) * (saturated / _saturation(image)), 0, 1)
    return image


def _sharpness(image: Field) -> np.float32:
    """Mean size of the luminance's second differences."""
    light = luminance(image)
    return sum((np.abs(np.diff(light, 2, axis=axis)).mean() for axis in (0, 1)), np.float32(1e-6))


def _saturation(image: Field) -> float:
    """Mean saturation, as in HSV."""
    high, low = image.max(axis=0), image.min(axis=0)
    return float(((high - low) / np.maximum(high, np.float32(1e-3))).mean()) + 1e-6
