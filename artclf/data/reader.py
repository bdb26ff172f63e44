"""From a file to what the network is shown: a square of uint8 pixels. Normalising belongs to the weights, in the model."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from artclf.data.canonical import Canonical
from artclf.data.images import DEFAULT_MAX_PIXELS, UnreadableImage, read_image


@dataclass(frozen=True)
class ImageReader:
    """How image files are read. Its fields are all that the pixels of a file depend on, and so name the pixel cache.

    Attributes:
        size: S, pixels a side.
        interpolation: "bilinear" or "bicubic".
        max_pixels: an image with more is refused.
        canonical: the form that every image is brought into first, if any. All are then decoded at full size, since decoding
            smaller would treat large images otherwise than small ones.
    """

    size: int
    interpolation: str = "bilinear"
    max_pixels: int = DEFAULT_MAX_PIXELS
    canonical: Canonical | None = None

    def read(self, path: Path | str, content: bytes | None = None) -> torch.Tensor:
        """Read a file as the network is shown it. Safe to call from many threads; it starts none of its own.

        A JPEG whose shorter side is at least 4 `size` is decoded smaller: its pixels then differ by a level or two.

        Args:
            path: as in `read_image`.
            content: the file's bytes, where the caller has them already.

        Returns:
            uint8 [3, S, S], contiguous.

        Raises:
            UnreadableImage: as `read_image`.
        """
        shorter_side = self.size if self.canonical is None else None
        image = read_image(
            path,
            max_pixels=self.max_pixels,
            content=content,
            shorter_side=shorter_side,
            interpolation=self.interpolation,
        )
        try:
            return self.square(image)
        except MemoryError as error:
            raise UnreadableImage(Path(path), "not enough memory for this picture") from error

    def square(self, image: Image.Image) -> torch.Tensor:
        """Bring a decoded RGB image into the canonical form, if any, and into a square: uint8 [3, S, S], contiguous."""
        pixels = torch.from_numpy(np.array(self.canonical(image) if self.canonical else image))
        # its strides are left as they are until it is small: torchvision scales an image as it lies
        square = to_square(pixels.permute(2, 0, 1), self.size, self.interpolation)
        # NumPy's copy: torch's would take a team of threads for each thread that calls this
        return torch.from_numpy(np.ascontiguousarray(square.numpy()))


def to_square(pixels: torch.Tensor, size: int, interpolation: str = "bilinear") -> torch.Tensor:
    """Scale the shorter side to `size`, antialiased, and cut out the centre: uint8 [3, H, W] → uint8 [3, size, size]."""
    if pixels.shape[-2:] == (size, size):
        return pixels
    height, width = pixels.shape[-2:]
    shorter = min(height, width)
    if size * (size * max(height, width) // shorter) > DEFAULT_MAX_PIXELS:
        # a line of pixels: scaled whole, it could be larger than the memory
        pixels = F.center_crop(pixels, [min(height, 2 * shorter), min(width, 2 * shorter)])
    scaled = F.resize(pixels, [size], interpolation=v2.InterpolationMode(interpolation), antialias=True)
    square: torch.Tensor = F.center_crop(scaled, [size, size])
    return square
