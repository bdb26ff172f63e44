"""The demo's "generators": a picture is encoded, then decoded by a small decoder that leaves a real one's trace.

What is left is what detectors of generated pictures live on: the checkerboard of transposed convolutions (Odena et al.,
"Deconvolution and Checkerboard Artifacts", 2016), and neighbours that resemble each other too much after nearest-neighbour
upsampling (Zhang et al., "Detecting and Simulating Artifacts in GAN Fake Images", 2019). The colours, the contrast and the
sharpness of a picture stay what they were, so that nothing simpler gives it away.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from artclf.data.demo.brushes import grain, luminance, to_bytes
from artclf.data.demo.scenes import Field

GENERATORS = {"NC": "nearest_conv", "TC": "transposed_conv"}
"""The generators by the tag that names their folders."""

SKIPS = (0.6, 0.1)
"""Shares of the half-size and of the full-size picture that reach the decoder past the bottleneck, as in a U-Net: the larger
the second, the fainter the trace.
"""

ROUGHNESS = 0.06
"""How far the kernels are from ideal interpolation."""

TENT = np.outer([0.5, 1, 0.5], [0.5, 1, 0.5]).astype(np.float32)
"""The kernel of linear interpolation."""


def generate(picture: NDArray[np.uint8], generator: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Pass a picture through a generator.

    Args:
        picture: [n, n, 3], 0 to 255.
        generator: a value of GENERATORS.
        rng: where the detail that the code does not hold is invented from.

    Returns:
        [n, n, 3], 0 to 255: as bright, colourful, contrasted and sharp as the picture, with the generator's trace.
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
    if generator == "nearest_conv":
        return _convolved(plane.repeat(2, axis=1).repeat(2, axis=2), kernel)
    apart = np.zeros((3, 2 * plane.shape[1], 2 * plane.shape[2]), np.float32)
    apart[:, ::2, ::2] = plane
    return _convolved(apart, kernel)


def _convolved(plane: Field, kernel: Field) -> Field:
    """A 3 x 3 convolution, each colour by itself."""
    n = plane.shape[-1]
    padded = np.pad(plane, ((0, 0), (1, 1), (1, 1)), mode="reflect")  # reflecting keeps the lattice of zeros
    total = np.zeros_like(plane)
    for row in range(3):
        for column in range(3):
            total += padded[:, row : row + n, column : column + n] * kernel[row, column]
    return total


def _halved(plane: Field, generator: str) -> Field:
    """Half as large, with what belongs to the upsampling: the average of four, or a convolution of stride 2."""
    if generator == "transposed_conv":
        return _convolved(plane, TENT[..., None, None, None] / 4)[:, ::2, ::2]
    return (plane[:, ::2, ::2] + plane[:, 1::2, ::2] + plane[:, ::2, 1::2] + plane[:, 1::2, 1::2]) / 4


def _matched(picture: Field, target: Field) -> Field:
    """The picture with the sharpness, the mean and deviation of each colour, and the saturation of the target."""
    mean, deviation = target.mean(axis=(1, 2), keepdims=True), target.std(axis=(1, 2), keepdims=True)
    sharp, saturated = _sharpness(target), _saturation(target)
    for _ in range(4):  # each undoes a little of the one before
        around = np.pad(picture, ((0, 0), (1, 1), (1, 1)), mode="edge")
        coarse = (around[:, :-2, 1:-1] + around[:, 2:, 1:-1] + around[:, 1:-1, :-2] + around[:, 1:-1, 2:] + picture) / 5
        picture = coarse + (picture - coarse) * (sharp / _sharpness(picture)).mean().astype(np.float32)
        picture = picture - picture.mean(axis=(1, 2), keepdims=True)
        picture = picture / picture.std(axis=(1, 2), keepdims=True) * deviation + mean
        grey = luminance(picture)
        picture = np.clip(grey + (picture - grey) * (saturated / _saturation(picture)), 0, 1)
    return picture


def _sharpness(picture: Field) -> Field:
    """Mean size of the luminance's gradient and of its Laplacian [2]: the broader and the finer detail."""
    light = luminance(picture)
    slope = np.abs(np.diff(light, axis=0)).mean() + np.abs(np.diff(light, axis=1)).mean()
    around = light[:-2, 1:-1] + light[2:, 1:-1] + light[1:-1, :-2] + light[1:-1, 2:]
    return np.array([slope, np.abs(4 * light[1:-1, 1:-1] - around).mean()]) + 1e-6


def _saturation(picture: Field) -> float:
    """Mean saturation, as in HSV."""
    high = np.maximum(np.maximum(picture[0], picture[1]), picture[2])
    low = np.minimum(np.minimum(picture[0], picture[1]), picture[2])
    return float(((high - low) / np.maximum(high, np.float32(1e-3))).mean()) + 1e-6
