"""The output of a network's frozen part, computed once for every image and its fixed copies, and cached on disk.

Rows are found by the image (the hash of its file, and how a copy was augmented). A store of them is named by all that they
depend on: frozen weights, cut, preprocessing, precision, device and versions. Rows have the dtype in which they were
computed, so that training on them equals training the whole network.
"""

import hashlib
import json
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader, Dataset

from artclf.cache.array_store import Bytes, Numbers, RowStore, StoreError, require_room
from artclf.cache.folder import cache_folder
from artclf.config.schema import CacheConfig
from artclf.data.dataset import ArtDataset, Batch
from artclf.data.module import ArtData
from artclf.model.classifier import ArtClassifier
from artclf.model.split import Split, split
from artclf.runtime import progress

log = logging.getLogger(__name__)

BATCH = 32  # images at a time, always: kernels for other sizes may sum in another order
WORTH_WORKERS = 128  # images to decode, below which starting processes takes longer than they save


@dataclass(frozen=True)
class Format:
    """How the output for one image is stored as a row of bytes."""

    shape: list[int]  # [H, W, C] if channels-last
    dtype: str  # torch's name
    channels_last: bool

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return math.prod(self.shape) * int(getattr(torch, self.dtype).itemsize)

    @classmethod
    def of(cls, outputs: torch.Tensor) -> "Format":
        """The format of a batch of outputs."""
        channels_last = outputs.ndim == 4 and outputs.is_contiguous(memory_format=torch.channels_last)
        shape = outputs.permute(0, 2, 3, 1).shape if channels_last else outputs.shape
        return cls(list(shape[1:]), str(outputs.dtype).removeprefix("torch."), channels_last)

    def pack(self, outputs: torch.Tensor) -> Bytes:
        """A batch of outputs → rows, uint8 [B, row_bytes]."""
        stored = outputs.permute(0, 2, 3, 1) if self.channels_last else outputs
        return stored.detach().cpu().contiguous().flatten(1).view(torch.uint8).numpy()

    def unpack(self, rows: Bytes) -> torch.Tensor:
        """Rows, uint8 [B, row_bytes] → a batch of outputs, in their memory layout."""
        outputs = torch.from_numpy(rows).view(getattr(torch, self.dtype)).view(len(rows), *self.shape)
        return outputs.permute(0, 3, 1, 2) if self.channels_last else outputs


@dataclass(frozen=True)
class Features:
    """A network in two parts, and the outputs of the frozen one as rows of a store."""

    parts: Split
    form: Format
    store: RowStore

    def read(self, rows: Numbers) -> torch.Tensor:
        """Numbers of rows [B] → outputs of the frozen part [B, …]."""
        return self.form.unpack(self.store.read(rows))


class FeatureData(Dataset[Any]):
    """Outputs of the frozen part for the items of a split, in place of their pixels."""

    def __init__(self, items: ArtDataset, keys: Sequence[bytes], features: Features) -> None:
        self.targets = torch.from_numpy(items.targets[items.rows]).float()
        self.numbers = torch.from_numpy(items.numbers[items.rows])
        self.features, self.rows = features, features.store.find(keys)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, keys: Sequence[int]) -> Batch:
        """A batch: (outputs [B, …], target float32 [B], row int64 [B])."""
        items = np.asarray(keys, dtype=np.int64) % len(self.rows)
        return self.features.read(self.rows[items]), self.targets[items], self.numbers[items]


class FeatureCache:
    """Computes and caches the outputs of the frozen layers of a run's stages; `data` has been read."""

    def __init__(self, model: ArtClassifier, data: ArtData, config: CacheConfig) -> None:
        self.model, self.data, self.config = model, data, config
        self._split = cache(lambda depth: split(model.layers, depth, model.image_size))
        self._items = cache(self._dataset_and_keys)

    def prepare(self, name: str, depth: int, trainer: Trainer, later: Sequence[int] = ()) -> None:
        """Let a stage read the outputs of its frozen layers, computed now where they are not cached yet.

        Where the network can't be cut, or the disk has no room, the data gives pixels, and the log and the data's fallbacks
        say why.

        Args:
            name: the stage's.
            depth: number of layers that it trains.
            trainer: the stage's; outputs are computed on its device, in its precision.
            later: depths of the stages after it. A head alone takes its features from the outputs for the deepest of them,
                so that both need one pass over the images.
        """
        self.release()
        if not self._applies_to(depth):
            return
        self.model.to(trainer.strategy.root_device)
        splits = self._splits()
        source = None
        if depth == 0 and (deeper := max(filter(self._applies_to, later), default=0)):
            with suppress(ValueError, StoreError):  # the stage that it is for will report it
                source = self._fill(self._open(deeper, trainer), splits, trainer)
        try:
            self._stand_in(self._fill(self._open(depth, trainer), splits, trainer, source), splits)
        except (ValueError, StoreError) as error:
            self.data.fall_back(f"stage {name}: its frozen layers are computed again in every step: {error}")

    def offer(self, depth: int, trainer: Trainer) -> None:
        """Let a test read the outputs for the splits if all of them are cached; else pixels.

        Args:
            depth: number of layers in which the model may differ from the one that the outputs were computed with.
            trainer: the one that tests.
        """
        self.release()
        splits = self._splits()
        with suppress(ValueError, StoreError):  # nothing was cached, which the stage has reported
            if self._applies_to(depth) and not self._missing(features := self._open(depth, trainer), splits):
                self._stand_in(features, splits)

    def release(self) -> None:
        """Let the data give pixels again."""
        self.data.feature_data.clear()
        self.model.tail = None

    def _splits(self) -> list[str]:
        return [*([] if self.data.augment.each_epoch else ["train"]), *self.data.manifest.evaluated]

    def _applies_to(self, depth: int) -> bool:
        return self.config.prefix and depth < len(self.model.layers)

    def _stand_in(self, features: Features, splits: Sequence[str]) -> None:
        self.data.feature_data.update({name: FeatureData(*self._items(name), features) for name in splits})
        self.model.tail = features.parts.tail

    # ---- stores

    def _open(self, depth: int, trainer: Trainer) -> Features:
        """Cut the network, and open the store of its outputs. ValueError if it can't be cut, StoreError without a disk."""
        parts, hparams, device = self._split(depth), self.model.hparams, trainer.strategy.root_device
        library = "onnxruntime" if hparams["library"] == "onnx" else hparams["library"]
        causes = {  # what rows depend on besides the images; it names the store
            "model": hparams["name"],
            "place": parts.place,
            "frozen": self.model.layers.frozen_digest(depth),
            "library": library,
            "head": hparams["head"]["name"] if self.model.head.of_patches else None,
            **{key: value for key, value in hparams["preprocessing"].items() if value is not None},
            "channels_last": hparams["channels_last"],
            "precision": str(trainer.precision),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability(),
            **{package: metadata.version(package) for package in ("torch", "torchvision", library, "pillow")},
        }
        folder = cache_folder() / "prefix" / hashlib.sha256(json.dumps(causes).encode()).hexdigest()[:16]
        size = self.model.image_size
        form = Format.of(self._run(parts, None, torch.zeros(2, 3, size, size, dtype=torch.uint8), trainer))
        what = f"{causes['model']} without its {f'last {depth} layers' if depth else 'head'}"
        return Features(parts, form, RowStore(folder, form.row_bytes, {"what": what, "format": asdict(form), **causes}))

    def _dataset_and_keys(self, split: str) -> tuple[ArtDataset, list[bytes]]:
        """A split's items and their keys, which are the same for all stages."""
        data = self.data.dataset(split)
        return data, [data.key(item) for item in range(len(data))]

    def _missing(self, features: Features, splits: Sequence[str]) -> dict[str, Numbers]:
        """The items of each split that are not cached, each image once; without splits that lack nothing."""
        missing = {}
        for name in splits:
            _, keys = self._items(name)
            absent = {keys[item]: item for item in np.flatnonzero(features.store.find(keys) < 0)}
            if absent:
                missing[name] = np.array([*absent.values()], dtype=np.int64)
        return missing

    # ---- computing

    def _fill(self, features: Features, splits: Sequence[str], trainer: Trainer, source: Features | None = None) -> Features:
        """Compute the outputs that are not cached yet: from the images, or from the outputs of an earlier place."""
        if not self._missing(features, splits):
            return features
        store = features.store
        with store.building():
            missing = self._missing(features, splits)  # another process may have computed them meanwhile
            count = sum(map(len, missing.values()))
            require_room(store.folder, count * store.row_bytes, self.config.max_gb)
            if missing and source is None:
                line = "computing the frozen layers once for %d images: %.3g GB in %s (cache.prefix=false does without)"
                log.info(line, count, count * store.row_bytes / 1e9, store.folder)
            for name, items in missing.items():
                _, keys = self._items(name)
                batches = np.split(items, range(BATCH, len(items), BATCH))
                inputs = self._inputs(name, batches, source)  # before the progress bar's thread begins
                described = progress(inputs, f"Computing the frozen layers of {name}", len(batches))
                for batch, images in zip(batches, described, strict=True):
                    outputs = self._run(features.parts, source, images, trainer)
                    store.append([keys[item] for item in batch], features.form.pack(outputs[: len(batch)]))
        return features

    def _inputs(self, split: str, batches: list[Numbers], source: Features | None) -> Iterator[torch.Tensor]:
        """Pixels, or a source's outputs, for batches of a split's items, each filled up to `BATCH` by repeating its first."""
        data, keys = self._items(split)
        filled = [np.resize(batch, BATCH).tolist() for batch in batches]
        if source is not None:
            return (source.read(source.store.find([keys[item] for item in batch])) for batch in filled)
        decoded = len(data) if data.store is None else int(data.is_augmented(np.concatenate(batches)).sum())
        loader: DataLoader[torch.Tensor] = DataLoader(
            data,  # type: ignore[arg-type]
            batch_sampler=filled,
            num_workers=self.data.config.num_workers if decoded >= WORTH_WORKERS else 0,
            collate_fn=itemgetter(0),
            pin_memory=self.model.device.type == "cuda",
            generator=torch.Generator(),  # else a run that computes would draw other random numbers than one that need not
        )
        return iter(loader)  # worker processes begin here: a process with threads should not be forked

    def _run(self, parts: Split, source: Features | None, inputs: torch.Tensor, trainer: Trainer) -> torch.Tensor:
        """Pixels → outputs of the frozen part; or a source's outputs → features."""
        inputs = inputs.to(self.model.device, non_blocking=True)
        with torch.inference_mode(), trainer.precision_plugin.forward_context():
            return parts.frozen(self.model.normalised(inputs)) if source is None else source.parts.tail(inputs)
