"""From a decoded picture to what the network is shown: a square of uint8 pixels, altered or not.

All on uint8 tensors: scaling to [0, 1] and normalising belong to the weights, and happen in the model.
"""

import math
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from artclf.config.schema import AugmentConfig
from artclf.data.canonical import Canonical
from artclf.data.images import DEFAULT_MAX_PIXELS, UnreadableImage, read_image


def to_square(pixels: torch.Tensor, size: int, interpolation: str = "bilinear") -> torch.Tensor:
    """Scale the shorter side to `size`, antialiased, and cut out the centre.

    Args:
        pixels: uint8 [3, H, W].
        size: pixels a side.
        interpolation: "bilinear" or "bicubic".

    Returns:
        uint8 [3, size, size].
    """
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


def read_square(
    path: Path | str,
    size: int,
    interpolation: str = "bilinear",
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    content: bytes | None = None,
    canonical: Canonical | None = None,
) -> torch.Tensor:
    """Read a picture as the network is shown it: `to_square` of its pixels.

    A JPEG whose shorter side is at least 4 `size` is decoded smaller (`read_image`): its pixels then differ by a level or two
    here and there. It may be called from many threads, and starts none of its own.

    Args:
        path: as in `read_image`.
        size: pixels a side.
        interpolation: "bilinear" or "bicubic".
        max_pixels: as in `read_image`.
        content: the file's bytes, where the caller has them already.
        canonical: the form that every picture is brought into first; all are then decoded whole, since decoding smaller
            would treat large pictures otherwise than small ones.

    Returns:
        uint8 [3, size, size], contiguous.

    Raises:
        UnreadableImage: as `read_image`.
    """
    shorter_side = size if canonical is None else None
    image = read_image(path, max_pixels=max_pixels, content=content, shorter_side=shorter_side, interpolation=interpolation)
    try:
        return as_square(canonical(image) if canonical else image, size, interpolation)
    except MemoryError as error:
        raise UnreadableImage(Path(path), "not enough memory for this picture") from error


def as_square(image: Image.Image, size: int, interpolation: str = "bilinear") -> torch.Tensor:
    """Turn a decoded picture into what the network is shown: `to_square` of its pixels.

    It may be called from many threads, and starts none of its own.

    Args:
        image: in mode RGB.
        size: pixels a side.
        interpolation: "bilinear" or "bicubic".

    Returns:
        uint8 [3, size, size], contiguous.

    Raises:
        MemoryError: where there is not enough.
    """
    pixels = torch.from_numpy(np.array(image))
    # its strides are left as they are until it is small: torchvision scales a picture as it lies
    square = to_square(pixels.permute(2, 0, 1), size, interpolation)
    # NumPy's copy: torch's would take a team of threads for each thread that calls this
    return torch.from_numpy(np.ascontiguousarray(square.numpy()))


def build_augmentation(config: AugmentConfig, size: int) -> v2.Transform | None:
    """Build what alters a uint8 [3, size, size] picture at random; None where nothing is altered.

    Corners that a rotation or a smaller scale leaves empty are filled by reflection: black corners on the copies of one
    class would give its label away.
    """
    steps: list[v2.Transform] = []
    if config.crop:
        steps.append(v2.RandomResizedCrop(size, scale=(1 - config.crop, 1.0), ratio=(0.9, 1.1), antialias=True))
    if config.flip:
        steps.append(v2.RandomHorizontalFlip(config.flip))
    if config.rotation or config.zoom:
        steps += [
            v2.Pad(_margin(config, size), padding_mode="reflect"),
            v2.RandomAffine(
                config.rotation, scale=(1 - config.zoom, 1 + config.zoom), interpolation=v2.InterpolationMode.BILINEAR
            ),
            v2.CenterCrop(size),
        ]
    if config.color:
        steps.append(v2.ColorJitter(config.color, config.color, config.color, config.color / 10))
    if config.blur:
        steps.append(v2.RandomApply([v2.GaussianBlur(5, sigma=(0.1, 2.0))], p=config.blur))
    if config.jpeg:
        steps.append(v2.RandomApply([RecompressJPEG(*config.jpeg)], p=0.5))
    return v2.Compose(steps) if steps else None


class RecompressJPEG(nn.Module):
    """Encodes a picture as JPEG of a random quality and decodes it again.

    Pillow does it: torchvision's own v2.JPEG rests on an encoder that torchvision has deprecated.

    Args:
        lowest, highest: quality, 1 to 100.
    """

    def __init__(self, lowest: int, highest: int) -> None:
        super().__init__()
        self.lowest, self.highest = lowest, highest

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """uint8 [3, H, W] → uint8 [3, H, W]."""
        file = BytesIO()
        quality = int(torch.randint(self.lowest, self.highest + 1, ()))
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
        with Image.open(file, formats=["JPEG"]) as image:
            return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _margin(config: AugmentConfig, size: int) -> int:
    """How many pixels beyond its edge a picture needs, so that turned and made smaller it still fills its square."""
    angle = math.radians(min(config.rotation, 45.0))
    side = (math.cos(angle) + math.sin(angle)) / (1 - config.zoom)
    return min(math.ceil(size / 2 * (side - 1)) + 2, size - 1)


def alter(pixels: torch.Tensor, augmentation: v2.Transform, key: int) -> torch.Tensor:
    """Alter a picture as `key` says: the same key gives the same alteration, whatever was drawn before.

    Args:
        pixels: uint8 [3, S, S].
        augmentation: from `build_augmentation`.
        key: 64 bits that seed the alteration; the global random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(key)
        altered: torch.Tensor = augmentation(pixels)
    return altered
