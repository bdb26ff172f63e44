"""ArtData: a source's pictures, looked at, split, balanced, augmented, and handed out in batches."""

import logging
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from artclf.config import AugmentConfig, DataConfig
from artclf.data.balance import Plan, plan_balance
from artclf.data.dataset import ArtDataset, EpochSampler, Item
from artclf.data.inspection import check_share, inspect_files
from artclf.data.manifest import Manifest
from artclf.data.sources import read_source
from artclf.data.splits import Duplicates, assign_splits
from artclf.data.transforms import build_augmentation
from artclf.errors import ArtclfError

log = logging.getLogger(__name__)


class ArtData(LightningDataModule):
    """The data of a run.

    Args:
        config: where the pictures come from and how they are read.
        augment: how pictures are altered.
        balance: what is done about unequal classes, as in conf/balance.
        seed: of order, balancing and alterations.
        interpolation: with which pictures are scaled; it belongs to the model's weights.

    Attributes:
        manifest: the pictures that can be read, each with its split.
        rejected: those that can't, with the columns `path` and `reason`.
        duplicates: how many files are the same.
        plan: what a training epoch is made of.
    """

    manifest: Manifest
    rejected: pd.DataFrame
    duplicates: Duplicates
    plan: Plan

    def __init__(
        self, config: DataConfig, augment: AugmentConfig, balance: str, seed: int, interpolation: str = "bilinear"
    ) -> None:
        super().__init__()
        self.config = config
        self.augment = augment
        self.balance = balance
        self.seed = seed
        self.interpolation = interpolation
        self._ready = False

    def read(self, run: Path | None = None) -> None:
        """List the pictures, look at each, and split and balance them. Lightning's `setup` calls it where nobody has.

        Args:
            run: the run folder, in which rejected.csv is written where anything was rejected.

        Raises:
            ArtclfError: as the source, the inspection and the splitting do.
        """
        config = self.config
        listed = read_source(config)
        looks = inspect_files(
            listed.root, listed.table["path"], max_pixels=config.max_pixels, threads=max(2, config.num_workers)
        )
        bad = looks["reason"] != ""
        self.rejected = pd.DataFrame({"path": listed.table["path"][bad], "reason": looks["reason"][bad]})
        file = self._list_rejected(run)
        check_share(self.rejected, len(listed.table), allowed=config.max_rejected, listed=file)
        table, self.duplicates = assign_splits(
            listed.table[~bad],
            looks["sha256"][~bad],
            val_fraction=config.val_fraction,
            test_fraction=config.test_fraction,
            seed=config.split_seed,
        )
        self.manifest = Manifest(listed.root, table)
        if any(asdict(self.duplicates).values()):
            log.warning(
                "%(files)d files are %(groups)d pictures that stand more than once; left out: %(removed)d that stand in "
                "another split too, %(contradictory)d under both labels",
                asdict(self.duplicates),
            )
        self.plan = plan_balance(self.manifest.targets("train"), self.balance, self.seed)
        self._ready = True

    def _list_rejected(self, run: Path | None) -> Path | None:
        if self.rejected.empty:
            return None
        first = self.rejected.iloc[0]
        log.warning("%d pictures can't be read (first: %s: %s)", len(self.rejected), first["path"], first["reason"])
        if run is None:
            return None
        file = run / "rejected.csv"
        self.rejected.to_csv(file, index=False)
        return file

    def setup(self, stage: str | None = None) -> None:  # noqa: ARG002 (the same for all of Lightning's stages)
        """Read the pictures, once."""
        if not self._ready:
            self.read()

    def counts_after(self) -> dict[str, dict[str, int]]:
        """Training items by label after balancing: `original` and `copy`. With a sampler, the number drawn on average."""
        labels = self.manifest.split("train")["label"].to_numpy()[self.plan.rows]
        share = np.ones(len(labels)) if self.plan.weights is None else self.plan.weights * len(labels)
        share = share if self.plan.weights is None else share / self.plan.weights.sum()
        return {
            label: {
                kind: round(float(share[(labels == label) & mask].sum()))
                for kind, mask in (("original", self.plan.copies == 0), ("copy", self.plan.copies > 0))
            }
            for label in ("ai", "human")
        }

    def tell(self) -> None:
        """Say in the log which pictures there are, and what an epoch is made of."""
        counts = self.manifest.counts()
        splits = ", ".join(f"{split} {sum(sum(g.values()) for g in labels.values())}" for split, labels in counts.items())
        log.info("pictures from %s: %s", self.manifest.root, splits)
        if self.config.source == "demo":
            log.info("these pictures are drawn by artclf itself: scores on them tell nothing about art")
        train = self.counts_after()
        log.info(
            "balance=%s: an epoch has %d AI and %d human pictures (%d of them augmented copies)",
            self.balance,
            sum(train["ai"].values()),
            sum(train["human"].values()),
            train["ai"]["copy"] + train["human"]["copy"],
        )

    def dataset(self, split: str) -> ArtDataset:
        """The pictures of a split; those of train balanced and augmented."""
        table = self.manifest.split(split)
        make = partial(
            ArtDataset,
            [self.manifest.root / path for path in table["path"]],
            self.manifest.targets(split),
            np.asarray(table.index, dtype=np.int64),
            size=self.config.image_size,
            max_pixels=self.config.max_pixels,
            interpolation=self.interpolation,
        )
        if split != "train":
            return make()
        return make(
            rows=self.plan.rows,
            copies=self.plan.copies,
            augmentation=build_augmentation(self.augment, self.config.image_size),
            each_epoch=self.augment.each_epoch,
            seed=self.seed,
        )

    def loader(self, split: str) -> DataLoader[Item]:
        """The batches of a split: (pixels uint8 [B, 3, S, S], target float32 [B], row int64 [B]).

        Under several processes each has its share of every batch, so that a step sees the same pictures as on one device.

        Raises:
            ArtclfError: where a batch, or the split, can't be shared by the processes.
        """
        dataset = self.dataset(split)
        training = split == "train"
        trainer = self.trainer
        rank, processes = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        if self.config.batch_size % processes:
            raise ArtclfError(
                f"data.batch_size={self.config.batch_size}: can't be shared by {processes} processes; type a multiple, such as "
                f"data.batch_size={processes * max(1, round(self.config.batch_size / processes))}"
            )
        if len(dataset) < processes:
            raise ArtclfError(
                f"split {split}: {len(dataset)} pictures can't be shared by {processes} processes; type fewer trainer.devices"
            )
        sampler = EpochSampler(
            len(dataset),
            shuffle=training,
            weights=self.plan.weights if training else None,
            seed=self.seed,
            rank=rank,
            world_size=processes,
        )
        size, workers = self.config.batch_size // processes, self.config.num_workers
        options: dict[str, Any] = {"persistent_workers": training, "prefetch_factor": 4} if workers else {}
        return DataLoader(
            dataset,
            batch_size=size,
            sampler=sampler,
            num_workers=workers,
            pin_memory=bool(trainer and trainer.strategy.root_device.type == "cuda"),
            # batch normalisation can't be trained on a single picture
            drop_last=training and len(sampler) > size and len(sampler) % size == 1,
            **options,
        )

    def train_dataloader(self) -> DataLoader[Item]:
        """The balanced training batches."""
        return self.loader("train")

    def val_dataloader(self) -> DataLoader[Item]:
        """The validation batches."""
        return self.loader("val")

    def test_dataloader(self) -> list[DataLoader[Item]]:
        """A loader for each split that is evaluated, in the order of `manifest.evaluated`."""
        return [self.loader(split) for split in self.manifest.evaluated]
