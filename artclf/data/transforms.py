"""Augmentation of uint8 images, each alteration a function of its key."""

import math
from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from artclf.config.schema import AugmentConfig


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
