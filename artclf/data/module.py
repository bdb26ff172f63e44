"""ArtData: the images of a source, checked, split, balanced, augmented, and handed out in batches."""

import logging
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightning.pytorch import LightningDataModule
from rich.filesize import decimal
from torch.utils.data import DataLoader, Dataset, get_worker_info

from artclf.cache.array_store import StoreError
from artclf.config.schema import Config
from artclf.data.balance import Plan, multiply, plan_balance
from artclf.data.canonical import Canonical
from artclf.data.dataset import ArtDataset, Batch, EpochSampler
from artclf.data.holdout import LeftOut, check_leave, hold_out
from artclf.data.manifest import LABELS, SHA256, Manifest, is_ai
from artclf.data.pixels import MOST_THREADS, PixelStore, inspect_files
from artclf.data.prefetch import share
from artclf.data.reader import ImageReader
from artclf.data.rejected import count_rejected, describe_losses
from artclf.data.sampling import sample_test_images
from artclf.data.sources import read_source
from artclf.data.splits import Duplicates, assign_splits
from artclf.errors import ArtclfError
from artclf.run_folder import write_table
from artclf.runtime import cores, fitting_workers, shared_memory

log = logging.getLogger(__name__)

COMPARED = "in the other form"  # what stands for a split's name


def _share(batch: Any) -> Any:
    """A whole batch, as the dataset returns it; a process that decodes puts it where the others can read it."""
    if get_worker_info() is not None:
        share(batch)
    return batch


class ArtData(LightningDataModule):
    """The data of a run; `read` comes first.

    Args:
        config: of the run.
        interpolation: how images are scaled; the model's weights determine it.
    """

    manifest: Manifest  # the images that can be read, each with its split
    rejected: pd.DataFrame  # those that can't, as a source listed them, each with a `reason`
    rejected_by: list[dict[str, Any]]  # how many these are by class and generator
    duplicates: Duplicates
    plan: Plan  # what a training epoch is made of

    def __init__(self, config: Config, interpolation: str = "bilinear") -> None:
        super().__init__()
        self.config, self.augment, self.cache, self.holdout = config.data, config.augment, config.cache, config.holdout
        self.balance, self.seed = config.balance.name, config.seed
        self.canonical = Canonical.from_config(self.config) if self.config.canonical else None
        self.reader = ImageReader(int(self.config.image_size), interpolation, self.config.max_pixels, self.canonical)
        self.images_compared = config.audit.images
        self.left_out: LeftOut | None = None
        self.store: PixelStore | None = None  # of the cached pixels
        self.fallbacks: list[str] = []  # what is done differently than asked, a line each; also logged
        self.feature_data: dict[str, Dataset[Any]] = {}  # by split: the same items with features in place of pixels

    def read(self, run: Path | None = None) -> None:
        """List the images, check each, and split and balance them; write rejected.csv into the run folder, if given.

        Raises:
            ArtclfError: the source, the split or the holdout is invalid, or too many files can't be read.
        """
        config = self.config
        listed = read_source(config)
        if self.holdout:
            check_leave(listed.table, self.holdout.by, self.holdout.leave)
        checked = self._inspect(listed)
        bad = checked["reason"] != ""
        every = pd.concat([listed.table.assign(reason=checked["reason"]), listed.rejected], ignore_index=True)
        self.rejected = every[every["reason"] != ""]
        self.rejected_by = count_rejected(every)
        if len(self.rejected):
            self._report_rejected(every, run)
        table, self.duplicates = assign_splits(
            listed.table[~bad],
            checked["sha256"][~bad],
            val_fraction=config.val_fraction,
            test_fraction=config.test_fraction,
            seed=config.split_seed,
        )
        if self.holdout:
            by, leave, seed = self.holdout.by, self.holdout.leave, config.split_seed
            table, self.left_out = hold_out(table, by, leave, val_fraction=config.val_fraction, seed=seed)
            if self.left_out.val_is_cut:
                self.fall_back(f"validation is cut from train: without {leave}, the validation split of the data lacks a class")
        self.manifest = Manifest(listed.root, table)
        if self.duplicates.files:
            log.warning("%s", self.duplicates)
        self.plan = plan_balance(is_ai(self.manifest.split("train")), self.balance, self.seed)
        if self.augment.copies:
            self.plan = multiply(self.plan, self.augment.copies)

    def _inspect(self, listed: Manifest) -> pd.DataFrame:
        """Hash and check every file, and cache its pixels if that is asked for."""
        paths = listed.table["path"].tolist()
        if self.cache.pixels:
            try:
                self.store = PixelStore(listed.root, self.reader, max_gb=self.cache.max_gb)
                return self.store.inspect(paths, threads=self._threads)
            except StoreError as error:
                self.store = None
                self.fall_back(f"pixels are not kept, the files are decoded in every epoch: {error}")
        return inspect_files(listed.root, paths, max_pixels=self.config.max_pixels, threads=self._threads)

    @property
    def _threads(self) -> int:
        """How many files are decoded at a time while nothing else runs; so many that processes do it only where it may."""
        return max(2, cores() if self.config.num_workers else min(MOST_THREADS, cores()))

    def _report_rejected(self, every: pd.DataFrame, run: Path | None) -> None:
        """Log which files can't be read, list them in the run folder, and stop if they are too many."""
        number, total, allowed = len(self.rejected), len(every), self.config.max_rejected
        first = "first: {path}: {reason}".format(**self.rejected.iloc[0])
        by = ", ".join("{rejected} of {of} {label} {generator}".format(**row) for row in self.rejected_by[:10])
        log.warning("%d images can't be read: %s (%s)", number, by, first)
        for line in describe_losses(every):
            self.fall_back(line)
        if run is not None:
            write_table(run / "rejected.csv", self.rejected[["path", "reason"]])
            first += f"; all are in {run / 'rejected.csv'}"
        if number > allowed * total:
            raise ArtclfError(
                f"{number} of {total} images can't be read, more than data.max_rejected={allowed:g} allows ({first}); repair "
                "or remove them, or raise data.max_rejected"
            )

    def fall_back(self, line: str) -> None:
        """Log, and note for metrics.json and the report, what is done differently than asked."""
        log.warning("%s", line)
        self.fallbacks.append(line)

    def counts_after(self) -> dict[str, int]:
        """Training items by label after balancing; with a sampler, the number drawn on average."""
        labels = self.manifest.split("train")["label"].to_numpy()[self.plan.rows]
        weights = np.ones(len(labels)) if self.plan.weights is None else self.plan.weights
        return {label: round(len(labels) * weights[labels == label].sum() / weights.sum()) for label in LABELS}

    def log_summary(self) -> None:
        """Log which images there are, and what an epoch is made of."""
        log.info("images from %s: %s", self.manifest.root, self.manifest.table["split"].value_counts(sort=False).to_dict())
        if self.config.source == "demo":
            log.info("these images are drawn by artclf itself: scores on them say nothing about art")
        if self.left_out:
            line = (
                "%(by)s %(leave)s is left out of training: its %(tested)d images (%(human)d human; %(untrained)d of train and "
            )
            line += "val) are the split %(split)s"
            log.info(line, asdict(self.left_out))
        copies = np.count_nonzero(self.plan.copies)
        log.info("balance=%s: an epoch has %s images (%d augmented copies)", self.balance, self.counts_after(), copies)

    def dataset(self, split: str) -> ArtDataset:
        """The images of a split; those of train balanced and augmented."""
        if split == COMPARED and self.compared:
            return self.compared
        training: dict[str, Any] = {"plan": self.plan, "augment": self.augment, "seed": self.seed} if split == "train" else {}
        return ArtDataset(self.manifest.root, self.manifest.split(split), self.reader, store=self.store, **training)

    @cached_property
    def compared(self) -> ArtDataset | None:
        """The test images of the canonical comparison, in the form that the network is not trained on.

        None where there are none, where one of them can't be read or has changed, or where no pixels are kept.
        """
        if self.store is None or not self.images_compared:
            return None
        reader = replace(self.reader, canonical=None if self.canonical else Canonical.from_config(self.config))
        rows = sample_test_images(self.manifest.table, self.images_compared, self.seed)
        try:
            store = PixelStore(self.manifest.root, reader, max_gb=self.cache.max_gb)
            checked = store.inspect(rows["path"].tolist(), threads=self._threads)
        except StoreError:
            return None
        same = checked["sha256"].to_numpy() == rows[SHA256].to_numpy()  # "" for a file that can't be read
        return ArtDataset(self.manifest.root, rows, reader, store=store) if len(rows) and same.all() else None

    def loader(self, split: str) -> DataLoader[Batch]:
        """The batches of a split: (pixels uint8 [B, 3, S, S], or their features; target float32 [B], row int64 [B]).

        Those of train are in the epoch's order. Each of several processes has its share of every batch, so that a step sees
        the same images as on one device.

        Raises:
            ArtclfError: the processes can't share a batch, or the split.
        """
        dataset: Any = self.feature_data.get(split) or self.dataset(split)
        # cached features and pixels are read by this process, as quickly as by others
        ready = split in self.feature_data or (
            dataset.store is not None and not dataset.is_augmented(np.arange(len(dataset))).any()
        )
        workers = 0 if ready else self._workers
        on_device = split in self.feature_data and dataset.device.type == "cuda"
        training, trainer, batch_size = split == "train", self.trainer, self.config.batch_size
        rank, processes = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        if batch_size % processes:
            multiple = processes * max(1, round(batch_size / processes))
            raise ArtclfError(
                f"data.batch_size={batch_size}: can't be shared by {processes} processes; type a multiple, such as "
                f"data.batch_size={multiple}"
            )
        if len(dataset) < processes:
            raise ArtclfError(
                f"split {split}: {len(dataset)} images can't be shared by {processes} processes; type fewer trainer.devices"
            )
        weights = self.plan.weights if training else None
        sampler = EpochSampler(len(dataset), shuffle=training, weights=weights, seed=self.seed, rank=rank, world_size=processes)
        size = batch_size // processes
        return DataLoader(
            dataset,
            batch_size=size,
            sampler=sampler,
            num_workers=workers,
            collate_fn=_share,
            pin_memory=bool(trainer and trainer.strategy.root_device.type == "cuda") and not on_device,
            # batch normalisation can't be trained on a single image
            drop_last=training and len(sampler) > size and len(sampler) % size == 1,
            persistent_workers=training and workers > 0,
        )

    @cached_property
    def _workers(self) -> int:
        """How many processes decode images: data.num_workers, or fewer where shared memory is small.

        It has to hold two batches of each process, in training and in an evaluation at once, and two of each in use.
        """
        asked, free = self.config.num_workers, shared_memory()
        here, processes = (self.trainer.num_devices, self.trainer.world_size) if self.trainer else (1, 1)
        batch = here * self.config.batch_size // processes * 3 * int(self.config.image_size) ** 2  # bytes, of all devices here
        fitting = fitting_workers(asked, free, batch, 4)
        if fitting < asked:
            self.fall_back(
                f"data.num_workers={asked}: {fitting or 'none'} of these processes decode images: {asked} need "
                f"{decimal((4 * asked + 4) * batch)} of shared memory, and {decimal(free or 0)} are free in /dev/shm; docker "
                "run --shm-size=1g gives more"
            )
        return fitting

    def train_dataloader(self) -> DataLoader[Batch]:
        """The balanced training batches."""
        return self.loader("train")

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation batches."""
        return self.loader("val")

    def test_dataloader(self) -> list[DataLoader[Batch]]:
        """A loader for each split that is evaluated, in the order of `manifest.evaluated`."""
        return [self.loader(split) for split in self.manifest.evaluated]
