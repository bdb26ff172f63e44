"""From a file to what the network is shown: a square of uint8 pixels. The model normalises them, as its weights require."""

from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from artclf.data.canonical import Canonical
from artclf.data.files import refusing
from artclf.data.images import DEFAULT_MAX_PIXELS, UnreadableImage, as_rgb, decoded_image, transpose_of

_LOADING = Lock()


@dataclass(frozen=True, eq=False)
class ImageInMemory:
    """An image that is no file. It is read as a file is: upright, its transparency on white."""

    path: Path  # what it is called
    image: object  # a PIL image, or an array uint8 [H, W], [H, W, 3] or (with transparency) [H, W, 4]; anything else is refused

    def as_rgb(self, max_pixels: int) -> Image.Image:
        """Its pixels as RGB. UnreadableImage as for a file."""
        image, kind = self.image, type(self.image).__name__
        with refusing(self.path, kind):
            if isinstance(image, np.ndarray):
                kind = f"{kind} of {image.dtype} {list(image.shape)}"
                right = image.dtype == np.uint8 and image.ndim in {2, 3} and image.shape[2:] in {(), (3,), (4,)}
                image = Image.fromarray(image) if right and image.size else None
            if not isinstance(image, Image.Image):
                what = "allowed: the path of a file, a PIL image, an array uint8 [H, W], [H, W, 3] or [H, W, 4]"
                raise UnreadableImage(self.path, f"{kind}: is no image; {what}")
            if not 0 < image.width * image.height <= max_pixels:
                size = f"{image.width}x{image.height} pixels"
                raise UnreadableImage(self.path, f"{size} is not allowed: at least one, and up to {max_pixels:,}")
            with _LOADING:  # an image may be given twice, and two threads must not load it at once
                image.load()
            rgb, transpose = as_rgb(image), transpose_of(image)
            return rgb if transpose is None else rgb.transpose(transpose)


@dataclass(frozen=True)
class ImageReader:
    """How image files are read. The pixels depend on these fields alone, which therefore name the pixel cache."""

    size: int  # S, pixels per side
    interpolation: str = "bilinear"  # or "bicubic"
    max_pixels: int = DEFAULT_MAX_PIXELS  # a larger image is refused
    canonical: Canonical | None = None  # the form that images are brought into first

    def read(self, path: Path | str | ImageInMemory, content: bytes | None = None) -> torch.Tensor:
        """Read a file (or its bytes), or an image in memory: uint8 [3, S, S], contiguous. Thread-safe; starts no threads.

        A JPEG whose shorter side is at least 4 S is decoded smaller, which changes pixels by a level or two; not with a
        canonical form, which is to treat large and small images alike.

        Raises:
            UnreadableImage: as `decoded_image`.
        """
        if isinstance(path, ImageInMemory):
            return self.square(path.as_rgb(self.max_pixels))
        shorter_side = self.size if self.canonical is None else None
        with decoded_image(
            path,
            max_pixels=self.max_pixels,
            content=content,
            shorter_side=shorter_side,
            interpolation=self.interpolation,
        ) as image:
            return self.square(image)

    def square(self, image: Image.Image) -> torch.Tensor:
        """Bring a decoded RGB image into the canonical form, if any, and into a square: uint8 [3, S, S], contiguous."""
        pixels = torch.from_numpy(np.array(self.canonical(image) if self.canonical else image))
        # made contiguous only once it is small
        square = to_square(pixels.permute(2, 0, 1), self.size, self.interpolation)
        # NumPy's copy: torch's would start a team of threads in each thread that calls this
        return torch.from_numpy(np.ascontiguousarray(square.numpy()))


def to_square(pixels: torch.Tensor, size: int, interpolation: str = "bilinear") -> torch.Tensor:
    """Scale the shorter side to `size`, antialiased, and crop the centre: uint8 [3, H, W] → uint8 [3, size, size]."""
    height, width = pixels.shape[-2:]
    if (height, width) == (size, size):
        return pixels
    shorter = min(height, width)
    if size * (size * max(height, width) // shorter) > DEFAULT_MAX_PIXELS:
        # a line of pixels: scaled whole, it might not fit into memory
        pixels = F.center_crop(pixels, [min(height, 2 * shorter), min(width, 2 * shorter)])
    scaled = F.resize(pixels, [size], interpolation=v2.InterpolationMode(interpolation), antialias=True)
    square: torch.Tensor = F.center_crop(scaled, [size, size])
    return square
