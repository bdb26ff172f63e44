"""The pictures of a split as a torch dataset, and the order in which an epoch goes through them."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset, Sampler
from torchvision.transforms import v2

from artclf.cache.array_store import Numbers
from artclf.data.pixels import PixelStore
from artclf.data.reader import ImageReader
from artclf.data.transforms import alter

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Kept:
    """The store that holds the pixels of a split, and the number [M] of each image in it."""

    store: PixelStore
    numbers: Numbers


class ArtDataset(Dataset[Batch]):
    """Images by key: `key % len(rows)` is the item, `key // len(rows)` the epoch.

    An item is (pixels uint8 [3, S, S], target float32 [], row int64 []): target 1 = AI and 0 = human, row the image's
    number in the manifest. Data loaders ask for whole batches, which need no collating.

    Args:
        files: [M] the images of the split.
        targets: [M] 1 = AI, 0 = human.
        numbers: [M] their rows in the manifest.
        reader: how files are read.
        rows: [N] which picture each item is; all, once each, where None.
        copies: [N] 0 for the picture itself, k for its k-th augmented copy.
        augmentation: what alters the copies, and, with `each_epoch`, every item anew in each epoch.
        recipe: what the augmentation does, in words that change when it does.
        seed: of the alterations.
        kept: where pixels are read from instead of the files.
    """

    def __init__(
        self,
        files: Sequence[Path],
        targets: npt.NDArray[np.int64],
        numbers: npt.NDArray[np.int64],
        *,
        reader: ImageReader,
        rows: npt.NDArray[np.int64] | None = None,
        copies: npt.NDArray[np.int64] | None = None,
        augmentation: v2.Transform | None = None,
        each_epoch: bool = False,
        recipe: str = "",
        seed: int = 0,
        kept: Kept | None = None,
    ) -> None:
        self.files = [str(file) for file in files]
        self.targets = targets
        self.numbers = numbers
        self.rows = np.arange(len(self.files)) if rows is None else rows
        self.copies = np.zeros_like(self.rows) if copies is None else copies
        self.reader = reader
        self.augmentation = augmentation
        self.each_epoch = each_epoch
        self.recipe = recipe
        self.seed = seed
        self.kept = kept

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: int) -> Batch:
        pixels, target, row = self.__getitems__([key])
        return pixels[0], target[0], row[0]

    def __getitems__(self, keys: Sequence[int]) -> Batch:
        """A batch: (pixels uint8 [B, 3, S, S], target float32 [B], row int64 [B])."""
        epochs, items = np.divmod(np.asarray(keys, dtype=np.int64), len(self.rows))
        rows, copies = self.rows[items], self.copies[items]
        pixels = self._pixels(rows)
        for i in np.flatnonzero(self.altered(items)):
            pixels[i] = self._alter(pixels[i], int(rows[i]), int(copies[i]), int(epochs[i]))
        return pixels, torch.from_numpy(self.targets[rows]).float(), torch.from_numpy(self.numbers[rows])

    def picture(self, row: int, copy: int = 0, epoch: int = 0) -> torch.Tensor:
        """Return one picture, uint8 [3, S, S]: the original (copy 0) or its k-th copy, as in the given epoch."""
        pixels = self._pixels(np.array([row]))[0]
        if self.augmentation is not None and (copy or self.each_epoch):
            pixels = self._alter(pixels, row, copy, epoch)
        return pixels

    def altered(self, items: Numbers) -> npt.NDArray[np.bool_]:
        """Which of the items [B] are altered, once and for all (copies) or anew in each epoch."""
        if self.augmentation is None:
            return np.zeros(len(items), dtype=bool)
        return (self.copies[items] > 0) | self.each_epoch

    def key(self, item: int, digest: bytes) -> bytes:
        """32 bytes that stand for an item's pixels: its picture's digest, and what of it was altered how (if not anew)."""
        row, copy = int(self.rows[item]), int(self.copies[item])
        if self.augmentation is None or not copy:
            return digest
        return hashlib.sha256(digest + f"{self.recipe} {self.alteration(row, copy)}".encode()).digest()

    def _pixels(self, rows: Numbers) -> torch.Tensor:
        if self.kept is not None:
            return self.kept.store.read(self.kept.numbers[rows])
        pixels = torch.empty((len(rows), 3, self.reader.size, self.reader.size), dtype=torch.uint8)
        for i, row in enumerate(rows):
            pixels[i] = self.reader.read(self.files[row])
        return pixels

    def _alter(self, pixels: torch.Tensor, row: int, copy: int, epoch: int) -> torch.Tensor:
        assert self.augmentation is not None  # asked by `altered`
        return alter(pixels, self.augmentation, self.alteration(row, copy, epoch))

    def alteration(self, row: int, copy: int, epoch: int = 0) -> int:
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
