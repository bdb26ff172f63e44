"""From a file to what the network is shown: a square of uint8 pixels. The model normalises them, as its weights require.

Loads torch only where torch scales: an exported model judges images without it.
"""

from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
from PIL import Image

from artclf.data.canonical import Canonical
from artclf.data.files import refusing
from artclf.data.images import DEFAULT_MAX_PIXELS, UnreadableImage, as_rgb, decoded_image, transpose_of

Pixels = npt.NDArray[np.uint8]
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

    def read(self, path: Path | str | ImageInMemory, content: bytes | None = None) -> Pixels:
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

    def square(self, image: Image.Image) -> Pixels:
        """Bring a decoded RGB image into the canonical form, if any, and into a square: uint8 [3, S, S], contiguous.

        The shorter side is scaled to S, antialiased, and the centre is cropped.
        """
        image = self.canonical(image) if self.canonical else image
        shorter, longer = sorted(image.size)
        if self.size * (self.size * longer // shorter) > DEFAULT_MAX_PIXELS:
            # a line of pixels: scaled whole, it might not fit into memory
            image = _centre(image, min(image.width, 2 * shorter), min(image.height, 2 * shorter))
        # NumPy's copy, once it is small: torch's would start a team of threads in each thread that calls this
        return np.ascontiguousarray(self._scaled(image))

    def _scaled(self, image: Image.Image) -> Pixels:
        """By torchvision, which takes less than half of Pillow's time."""
        import torch  # noqa: PLC0415 (see above)
        from torchvision.transforms import v2  # noqa: PLC0415
        from torchvision.transforms.v2 import functional as F  # noqa: PLC0415

        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        method = v2.InterpolationMode(self.interpolation)
        # the kernels themselves: to choose them by type takes a tenth of a small image's time, in which no other thread can run
        pixels = F.resize_image(pixels, [self.size], interpolation=method, antialias=True)
        square: Pixels = F.center_crop_image(pixels, [self.size, self.size]).numpy()
        return square


class PillowReader(ImageReader):
    """Makes nearly the same pixels without torch: one in a hundred differs, by a level or two of 256."""

    def _scaled(self, image: Image.Image) -> Pixels:
        if (shorter := min(image.size)) != self.size:
            width, height = (int(self.size * side / shorter) for side in image.size)
            image = image.resize((width, height), Image.Resampling[self.interpolation.upper()])
        return np.asarray(_centre(image, self.size, self.size)).transpose(2, 0, 1)


def _centre(image: Image.Image, width: int, height: int) -> Image.Image:
    """Crop the centre, rounded as torchvision does."""
    left, upper = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, upper, left + width, upper + height))
