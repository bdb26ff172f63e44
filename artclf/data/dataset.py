"""The pictures of a split as a torch dataset, and the order in which an epoch goes through them."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset, Sampler
from torchvision.transforms import v2

from artclf.data.images import read_pixels
from artclf.data.transforms import alter, to_square

Item = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class ArtDataset(Dataset[Item]):
    """Pictures by key: `key % len(rows)` is the item, `key // len(rows)` the epoch.

    An item is (pixels uint8 [3, S, S], target float32 [], row int64 []): target 0 = AI and 1 = human, row the picture's
    number in the manifest.

    Args:
        files: [M] the pictures of the split.
        targets: [M] 0 = AI, 1 = human.
        numbers: [M] their rows in the manifest.
        rows: [N] which picture each item is; all, once each, where None.
        copies: [N] 0 for the picture itself, k for its k-th augmented copy.
        size: pixels a side.
        max_pixels: a picture with more is refused.
        interpolation: with which pictures are scaled.
        augmentation: what alters the copies, and, with `each_epoch`, every item anew in each epoch.
        seed: of the alterations.
    """

    def __init__(
        self,
        files: Sequence[Path],
        targets: npt.NDArray[np.int64],
        numbers: npt.NDArray[np.int64],
        *,
        size: int,
        max_pixels: int,
        interpolation: str = "bilinear",
        rows: npt.NDArray[np.int64] | None = None,
        copies: npt.NDArray[np.int64] | None = None,
        augmentation: v2.Transform | None = None,
        each_epoch: bool = False,
        seed: int = 0,
    ) -> None:
        self.files = [str(file) for file in files]
        self.targets = targets
        self.numbers = numbers
        self.rows = np.arange(len(self.files)) if rows is None else rows
        self.copies = np.zeros_like(self.rows) if copies is None else copies
        self.size = size
        self.max_pixels = max_pixels
        self.interpolation = interpolation
        self.augmentation = augmentation
        self.each_epoch = each_epoch
        self.seed = seed

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: int) -> Item:
        epoch, item = divmod(int(key), len(self.rows))
        row, copy = int(self.rows[item]), int(self.copies[item])
        pixels = self.picture(row, copy, epoch)
        target = torch.tensor(float(self.targets[row]))
        return pixels, target, torch.tensor(int(self.numbers[row]))

    def picture(self, row: int, copy: int = 0, epoch: int = 0) -> torch.Tensor:
        """Return one picture, uint8 [3, S, S]: the original (copy 0) or its k-th copy, as in the given epoch."""
        pixels = torch.from_numpy(read_pixels(self.files[row], max_pixels=self.max_pixels)).permute(2, 0, 1)
        pixels = to_square(pixels, self.size, self.interpolation)
        if self.augmentation is not None and (copy or self.each_epoch):
            pixels = alter(pixels, self.augmentation, self._alteration(row, copy, epoch))
        return pixels.contiguous()

    def _alteration(self, row: int, copy: int, epoch: int) -> int:
        """64 bits that are a function of the seed, the picture, its copy and, where it is altered anew, the epoch."""
        words = f"{self.seed} {self.numbers[row]} {copy} {epoch if self.each_epoch else ''}"
        return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest()) >> 1


class EpochSampler(Sampler[int]):
    """The keys of an epoch, a function of (seed, epoch) alone: shuffled, drawn by weight, or in order.

    Under several processes each takes every `world_size`-th key. For training, the last keys are filled up from the first,
    since all processes must take equally many steps; for evaluation nothing is filled up, so that every picture counts once.

    Args:
        length: number of items N.
        shuffle: whether the order is drawn anew each epoch.
        weights: [N] where items are drawn with replacement, in proportion to them.
        seed: of the order.
        rank, world_size: this process among how many.
    """

    def __init__(
        self,
        length: int,
        *,
        shuffle: bool,
        weights: npt.NDArray[np.float64] | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.length = length
        self.shuffle = shuffle
        self.weights = None if weights is None else weights / weights.sum()
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        if self.shuffle:
            return math.ceil(self.length / self.world_size)
        return len(range(self.rank, self.length, self.world_size))

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self.seed, self.epoch, 0x0DE2])
        if self.weights is not None:
            order = rng.choice(self.length, size=self.length, p=self.weights)
        elif self.shuffle:
            order = rng.permutation(self.length)
        else:
            order = np.arange(self.length)
        if self.shuffle:
            order = np.resize(order, len(self) * self.world_size)
        keys = order[self.rank :: self.world_size] + (self.epoch * self.length if self.shuffle else 0)
        return iter(keys.tolist())
