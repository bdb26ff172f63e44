"""Augmentation of uint8 images; each image's random choices are a function of its key."""

import math

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from artclf.config.schema import AugmentConfig
from artclf.data.images import reencode


def build_augmentation(config: AugmentConfig, size: int) -> v2.Transform | None:
    """Build the random transform of uint8 [3, size, size] images; None if the configuration leaves them as they are.

    What a rotation or a smaller scale leaves empty is filled by reflection: black corners on the copies of one class would
    reveal its label.
    """
    steps: list[v2.Transform] = []
    if config.crop:
        steps.append(v2.RandomResizedCrop(size, scale=(1 - config.crop, 1.0), ratio=(0.9, 1.1), antialias=True))
    if config.flip:
        steps.append(v2.RandomHorizontalFlip(config.flip))
    if config.rotation or config.zoom:
        # padded so far that the image, turned and made smaller, still fills its square
        angle = math.radians(min(config.rotation, 45.0))
        side = (math.cos(angle) + math.sin(angle)) / (1 - config.zoom)
        margin = min(math.ceil(size / 2 * (side - 1)) + 2, size - 1)
        scale = (1 - config.zoom, 1 + config.zoom)
        steps += [
            v2.Pad(margin, padding_mode="reflect"),
            v2.RandomAffine(config.rotation, scale=scale, interpolation=v2.InterpolationMode.BILINEAR),
            v2.CenterCrop(size),
        ]
    if config.color:
        steps.append(v2.ColorJitter(config.color, config.color, config.color, config.color / 10))
    if config.blur:
        steps.append(v2.RandomApply([v2.GaussianBlur(5, sigma=(0.1, 2.0))], p=config.blur))
    if config.jpeg:
        steps.append(v2.RandomApply([RandomJPEG(*config.jpeg)], p=0.5))
    return v2.Compose(steps) if steps else None


class RandomJPEG(nn.Module):
    """Re-encode a uint8 [3, H, W] image as JPEG of a random quality from `lowest` to `highest`."""

    def __init__(self, lowest: int, highest: int) -> None:
        super().__init__()
        self.lowest, self.highest = lowest, highest

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:  # noqa: D102
        quality = int(torch.randint(self.lowest, self.highest + 1, ()))
        image = reencode(Image.fromarray(pixels.permute(1, 2, 0).numpy()), "JPEG", quality=quality)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def augment_image(pixels: torch.Tensor, augmentation: v2.Transform, key: int) -> torch.Tensor:
    """Augment uint8 [3, S, S] with a random generator seeded by `key`; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(key)
        augmented: torch.Tensor = augmentation(pixels)
    return augmented
