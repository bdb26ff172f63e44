"""ArtData: a source's pictures, looked at, split, balanced, augmented, and handed out in batches."""

import logging
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from artclf.cache.array_store import StoreError
from artclf.config.schema import AugmentConfig, CacheConfig, DataConfig, HoldoutConfig
from artclf.data.balance import Plan, plan_balance
from artclf.data.canonical import Canonical
from artclf.data.dataset import ArtDataset, Batch, EpochSampler, Kept
from artclf.data.holdout import LeftOut, check_leave, hold_out
from artclf.data.manifest import SHA256, Manifest
from artclf.data.pixels import PixelStore, as_it_is, check_share, inspect_files
from artclf.data.reader import ImageReader
from artclf.data.sources import read_source
from artclf.data.splits import Duplicates, assign_splits
from artclf.data.transforms import build_augmentation
from artclf.errors import ArtclfError

log = logging.getLogger(__name__)


class ArtData(LightningDataModule):
    """The data of a run.

    Args:
        config: where the images come from and how they are read.
        augment: how images are altered.
        balance: what is done about unequal classes, as in conf/balance.
        seed: of order, balancing and alterations.
        interpolation: with which images are scaled; it belongs to the model's weights.
        cache: whether their pixels are kept, and how many.
        holdout: the generator or style that is left out of training; None where all are trained on.

    Attributes:
        manifest: the images that can be read, each with its split.
        rejected: those that can't, with the columns `path` and `reason`.
        duplicates: how many files are the same.
        left_out: what was left out of training; None where nothing was.
        plan: what a training epoch is made of.
        digests: the SHA-256 of each picture's file, 32 bytes, in the order of the manifest.
        reader: how files are read.
        canonical: the form that every image is brought into first; None: none.
        store: where their pixels are kept; None where they are not.
        stand_ins: datasets that stand for those of pixels, by split: the same items, as batches of something else.
        fallbacks: what is done otherwise than asked: a line for each, also in the log.
    """

    manifest: Manifest
    rejected: pd.DataFrame
    duplicates: Duplicates
    plan: Plan
    digests: list[bytes]

    def __init__(
        self,
        config: DataConfig,
        augment: AugmentConfig,
        balance: str,
        seed: int,
        interpolation: str = "bilinear",
        cache: CacheConfig | None = None,
        holdout: HoldoutConfig | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.augment = augment
        self.balance = balance
        self.seed = seed
        self.cache = cache or CacheConfig(pixels=False, prefix=False)
        self.canonical = Canonical.of(config)
        self.reader = ImageReader(config.image_size, interpolation, config.max_pixels, self.canonical)
        self.holdout = holdout
        self.left_out: LeftOut | None = None
        self.store: PixelStore | None = None
        self.fallbacks: list[str] = []
        self.stand_ins: dict[str, Dataset[Any]] = {}
        self._ready = False

    def read(self, run: Path | None = None) -> None:
        """List the pictures, look at each, and split and balance them. Lightning's `setup` calls it where nobody has.

        Args:
            run: the run folder, in which rejected.csv is written where anything was rejected.

        Raises:
            ArtclfError: as the source, the inspection, the splitting and the leaving out do.
        """
        config = self.config
        listed = read_source(config)
        if self.holdout:
            check_leave(listed.table, self.holdout.by, self.holdout.leave)
        looks = self._inspect(listed)
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
        if self.holdout:
            table, self.left_out = hold_out(table, self.holdout.by, self.holdout.leave)
        self.manifest = Manifest(listed.root, table)
        if any(asdict(self.duplicates).values()):
            log.warning(
                "%(files)d files are %(groups)d pictures that stand more than once; left out: %(removed)d that stand in "
                "another split too, %(contradictory)d under both labels",
                asdict(self.duplicates),
            )
        self.plan = plan_balance(self.manifest.targets("train"), self.balance, self.seed)
        self.digests = [bytes.fromhex(digest) for digest in table[SHA256]]
        self._ready = True

    def _inspect(self, listed: Manifest) -> pd.DataFrame:
        """Look at every file: by the store of their pixels, which is filled on the way, or without one."""
        config, paths = self.config, listed.table["path"].tolist()
        if self.cache.pixels:
            try:
                self.store = PixelStore(listed.root, self.reader, max_gb=self.cache.max_gb)
                return self.store.inspect(paths, workers=config.num_workers)
            except StoreError as error:
                self.store = None
                self.fall_back(f"pixels are not kept, the files are decoded in every epoch: {error}")
        return inspect_files(listed.root, paths, max_pixels=config.max_pixels, threads=max(2, config.num_workers))

    def fall_back(self, line: str) -> None:
        """Say in the log, and note for metrics.json and the report, what is done otherwise than asked."""
        log.warning("%s", line)
        self.fallbacks.append(line)

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
        if self.left_out:
            log.info(
                "%(by)s %(leave)s is left out: %(untrained)d pictures of train and val; its %(tested)d test pictures are the "
                "split %(split)s",
                asdict(self.left_out),
            )
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
            1 - self.manifest.targets(split),  # the manifest has the seed study's code; from here on 1 is AI
            np.asarray(table.index, dtype=np.int64),
            reader=self.reader,
            kept=Kept(self.store, self.store.find([self.digests[i] for i in table.index])) if self.store else None,
        )
        if split != "train":
            return make()
        return make(
            rows=self.plan.rows,
            copies=self.plan.copies,
            augmentation=build_augmentation(self.augment, self.config.image_size),
            each_epoch=self.augment.each_epoch,
            recipe=self.augment.model_dump_json(),
            seed=self.seed,
        )

    def loader(self, split: str) -> DataLoader[Batch]:
        """The batches of a split: (pixels uint8 [B, 3, S, S], or what stands for them; target float32 [B], row int64 [B])."""
        if split in self.stand_ins:
            return self.batches(self.stand_ins[split], split, workers=0)
        dataset = self.dataset(split)
        return self.batches(dataset, split, self.workers(dataset))

    def batches(self, dataset: Dataset[Any], split: str, workers: int) -> DataLoader[Any]:
        """The batches of a dataset with the items of a split, which gives whole batches; those of train in the epoch's order.

        Under several processes each has its share of every batch, so that a step sees the same images as on one device.

        Raises:
            ArtclfError: a batch, or the split, can't be shared by the processes.
        """
        length: int = len(dataset)  # type: ignore[arg-type]
        training = split == "train"
        trainer = self.trainer
        rank, processes = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        if self.config.batch_size % processes:
            raise ArtclfError(
                f"data.batch_size={self.config.batch_size}: can't be shared by {processes} processes; type a multiple, such as "
                f"data.batch_size={processes * max(1, round(self.config.batch_size / processes))}"
            )
        if length < processes:
            raise ArtclfError(
                f"split {split}: {length} pictures can't be shared by {processes} processes; type fewer trainer.devices"
            )
        sampler = EpochSampler(
            length,
            shuffle=training,
            weights=self.plan.weights if training else None,
            seed=self.seed,
            rank=rank,
            world_size=processes,
        )
        size = self.config.batch_size // processes
        options: dict[str, Any] = {"persistent_workers": training, "prefetch_factor": 4} if workers else {}
        return DataLoader(
            dataset,
            batch_size=size,
            sampler=sampler,
            num_workers=workers,
            collate_fn=as_it_is,
            pin_memory=bool(trainer and trainer.strategy.root_device.type == "cuda"),
            # batch normalisation can't be trained on a single picture
            drop_last=training and len(sampler) > size and len(sampler) % size == 1,
            **options,
        )

    def workers(self, dataset: ArtDataset) -> int:
        """How many processes prepare a split's batches: none where all of it is in the store and nothing is altered."""
        if dataset.kept is not None and not dataset.altered(np.arange(len(dataset))).any():
            return 0
        return self.config.num_workers

    def train_dataloader(self) -> DataLoader[Batch]:
        """The balanced training batches."""
        return self.loader("train")

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation batches."""
        return self.loader("val")

    def test_dataloader(self) -> list[DataLoader[Batch]]:
        """A loader for each split that is evaluated, in the order of `manifest.evaluated`."""
        return [self.loader(split) for split in self.manifest.evaluated]
