"""The images of a split as a torch dataset, how they are augmented, and the order in which an epoch goes through them."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torch.utils.data import Dataset, Sampler
from torchvision.transforms import v2

from artclf.cache.array_store import Numbers
from artclf.config.schema import AugmentConfig
from artclf.data.balance import Plan
from artclf.data.distortions import BY_NAME
from artclf.data.manifest import SHA256, is_ai
from artclf.data.pixels import PixelStore
from artclf.data.reader import ImageReader

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class ArtDataset(Dataset[Batch]):
    """Images by key: `key % len(dataset)` is the item, `key // len(dataset)` the epoch.

    An item is (pixels uint8 [3, S, S], target float32 [], row int64 []): target 1 = AI and 0 = human, row the image's
    number in the manifest. Data loaders ask for whole batches, which need no collating.

    Args:
        root: the folder that paths are relative to.
        table: the images of the split, M rows of a run's manifest.
        reader: how files are read.
        plan: which image each item is, and which items are augmented copies; None: every image once.
        augment: how copies are augmented, and, with `each_epoch`, every item anew in each epoch; None: not at all.
        seed: of the augmentation.
        store: holds the images' pixels, which are then read from there; None: from the files.
    """

    def __init__(
        self,
        root: Path,
        table: pd.DataFrame,
        reader: ImageReader,
        *,
        plan: Plan | None = None,
        augment: AugmentConfig | None = None,
        seed: int = 0,
        store: PixelStore | None = None,
    ) -> None:
        self.files = [str(root / path) for path in table["path"]]
        self.digests = [bytes.fromhex(digest) for digest in table[SHA256]]
        self.targets = is_ai(table)
        self.numbers = table.index.to_numpy(dtype=np.int64)
        self.reader, self.store = reader, store
        self.stored = np.array([]) if store is None else store.find(self.digests)
        self.rows = np.arange(len(self.files)) if plan is None else plan.rows
        self.copies = np.zeros_like(self.rows) if plan is None else plan.copies
        self.augmentation = build_augmentation(augment, reader.size) if augment else None
        self.each_epoch = augment is not None and augment.each_epoch
        # without newer options at their defaults, so that what is cached under older keys is found
        self.recipe = augment.model_dump_json(exclude_defaults=True, exclude={"copies"}) if augment else ""
        self.seed = seed

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: int) -> Batch:
        pixels, target, row = self.__getitems__([key])
        return pixels[0], target[0], row[0]

    def __getitems__(self, keys: Sequence[int]) -> Batch:
        """A batch: (pixels uint8 [B, 3, S, S], target float32 [B], row int64 [B])."""
        epochs, items = np.divmod(np.asarray(keys, dtype=np.int64), len(self.rows))
        rows, copies = self.rows[items], self.copies[items]
        pixels = self._read(rows)
        for i in np.flatnonzero(self.is_augmented(items)):
            pixels[i] = self._augment(pixels[i], int(rows[i]), int(copies[i]), int(epochs[i]))
        return pixels, torch.from_numpy(self.targets[rows]).float(), torch.from_numpy(self.numbers[rows])

    def image_at(self, row: int, copy: int = 0) -> torch.Tensor:
        """Return one image, uint8 [3, S, S]: the original (copy 0) or its k-th copy, as in epoch 0."""
        pixels = self._read(np.array([row]))[0]
        return self._augment(pixels, row, copy, 0) if copy or self.each_epoch else pixels

    def is_augmented(self, items: Numbers) -> npt.NDArray[np.bool_]:
        """Which of the items [B] are augmented, once (copies) or anew in each epoch."""
        return ((self.copies[items] > 0) | self.each_epoch) & (self.augmentation is not None)

    def key(self, item: int) -> bytes:
        """32 bytes that identify an item's pixels: its file's SHA-256, and for a copy how it is augmented."""
        row, copy = int(self.rows[item]), int(self.copies[item])
        if self.augmentation is None or not copy:
            return self.digests[row]
        return hashlib.sha256(self.digests[row] + f"{self.recipe} {self._seed_of(row, copy, 0)}".encode()).digest()

    def _read(self, rows: Numbers) -> torch.Tensor:
        if self.store is not None:
            return torch.from_numpy(self.store.read(self.stored[rows]))
        return torch.from_numpy(np.stack([self.reader.read(self.files[row]) for row in rows]))

    def _augment(self, pixels: torch.Tensor, row: int, copy: int, epoch: int) -> torch.Tensor:
        assert self.augmentation is not None
        return augment_image(pixels, self.augmentation, self._seed_of(row, copy, epoch))

    def _seed_of(self, row: int, copy: int, epoch: int) -> int:
        """63 bits that depend on the seed, the image, its copy and, if it is augmented anew, the epoch."""
        text = f"{self.seed} {self.numbers[row]} {copy} {epoch if self.each_epoch else ''}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


class EpochSampler(Sampler[int]):
    """The keys of an epoch, a function of (seed, epoch) alone: shuffled, drawn by weight, or in order.

    Each of several processes takes every `world_size`-th key. In training, the first keys are repeated at the end, since all
    processes must take equally many steps; in evaluation they are not, so that every image counts once.

    Args:
        length: number of items N.
        shuffle: draw the order anew in each epoch.
        weights: [N] draw items with replacement, in proportion to these.
        seed: of the order.
        rank: number of this process, of `world_size`.
        world_size: number of processes.
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
        self.length, self.shuffle, self.seed = length, shuffle, seed
        self.weights = None if weights is None else weights / weights.sum()
        self.rank, self.world_size = rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        if self.shuffle:
            return math.ceil(self.length / self.world_size)
        return len(range(self.rank, self.length, self.world_size))

    def __iter__(self) -> Iterator[int]:
        order = np.arange(self.length)
        if self.shuffle:
            rng = np.random.default_rng([self.seed, self.epoch, 0x0DE2])
            drawn = rng.permutation(order) if self.weights is None else rng.choice(order, self.length, p=self.weights)
            order = np.resize(drawn, len(self) * self.world_size) + self.epoch * self.length
        return iter(order[self.rank :: self.world_size].tolist())


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
    if config.rescale:
        lowest = round(100 * (1 - config.rescale))
        steps.append(v2.RandomApply([RandomDistortion("down_and_up", lowest, 100, unit=100)], p=0.5))
    for name, quality in (("jpeg", config.jpeg), ("webp", config.webp)):
        if quality:
            steps.append(v2.RandomApply([RandomDistortion(name, *quality)], p=0.5))
    return v2.Compose(steps) if steps else None


class RandomDistortion(nn.Module):
    """Distort a uint8 [3, H, W] image as `--robustness` does, at a random level: a whole number in [lowest, highest] / unit."""

    def __init__(self, name: str, lowest: int, highest: int, unit: int = 1) -> None:
        super().__init__()
        self.apply_level, self.lowest, self.highest, self.unit = BY_NAME[name].apply, lowest, highest, unit

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:  # noqa: D102
        level = int(torch.randint(self.lowest, self.highest + 1, ())) / self.unit
        image = self.apply_level(Image.fromarray(pixels.permute(1, 2, 0).numpy()), level, np.random.default_rng(0))
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def augment_image(pixels: torch.Tensor, augmentation: v2.Transform, key: int) -> torch.Tensor:
    """Augment uint8 [3, S, S] with a random generator seeded by `key`; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(key)
        augmented: torch.Tensor = augmentation(pixels)
    return augmented
