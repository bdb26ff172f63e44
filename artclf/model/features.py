"""The output of a network's frozen part, computed once for every image and its fixed copies, and kept.

Rows are found by the image (the hash of its file, and how a copy was augmented). A store of them is named by all that they
depend on: frozen weights, cut, preprocessing, precision, device and versions. Rows have the dtype in which they were
computed, so that training on them equals training the whole network.

They are kept in the first place that has room: on disk, where later runs find them; in a GPU's memory; in the machine's. Large
rows go into a GPU's memory first, as it computes them again sooner than a disk gives them back. Where no place has room, the
frozen layers are computed again in every step.
"""

import hashlib
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib import metadata
from operator import itemgetter

import numpy as np
import pandas as pd
import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader

from artclf.cache.array_store import Numbers, RowStore, StoreError, require_room
from artclf.config.schema import CacheConfig
from artclf.data.dataset import ArtDataset
from artclf.data.module import COMPARED, ArtData
from artclf.model.classifier import ArtClassifier
from artclf.model.rows import IN_MEMORY, FeatureData, Features, Format, MemoryRows, batch_on, on_gpu, reserve
from artclf.model.split import Split, split
from artclf.runtime import cores, fitting_workers, progress, shared_memory, speed

log = logging.getLogger(__name__)

WORTH_DISK = 2**16  # bytes of a row: larger ones a GPU computes again sooner than a disk gives them back
WORTH_WORKERS = 128  # images to decode, below which starting processes takes longer than they save


class FeatureCache:
    """Computes and keeps the outputs of the frozen layers of a run's stages; `data` has been read."""

    def __init__(self, model: ArtClassifier, data: ArtData, config: CacheConfig) -> None:
        self.model, self.data, self.config = model, data, config
        self._split = cache(lambda depth: split(model.layers, depth, model.image_size))
        self._items = cache(self._dataset_and_keys)
        self._names: set[str] = set()  # of the stores that are used

    def prepare(self, name: str, depth: int, trainer: Trainer, later: Sequence[int] = ()) -> None:
        """Let a stage read the outputs of its frozen layers, computed now where they are not kept yet.

        Where all layers train on a GPU, it reads the pixels from its memory, if they fit. Where the network can't be cut, or no
        place has room, the data gives pixels, and the log and the data's fallbacks say why.

        Args:
            name: the stage's.
            depth: number of layers that it trains.
            trainer: the stage's; outputs are computed on its device, in its precision.
            later: depths of the stages after it. A head alone takes its features from the outputs for the deepest of them,
                so that both need one pass over the images.
        """
        self.release()
        self.model.to(trainer.strategy.root_device)
        self._processes = trainer.world_size
        if not self._applies_to(depth):
            fixed = self.config.prefix and not self.data.augment.each_epoch
            if fixed and on_gpu(self.model.device) and trainer.world_size == 1:
                self._names.clear()  # its memory is needed for training
                with suppress(StoreError):  # they are read from the pixel cache
                    self._stand_in(self._fill(self._pixels(), ["train", "val"], trainer), ["train", "val"])
            return
        splits, source = self._splits(), None
        if depth == 0 and (deeper := max(filter(self._applies_to, later), default=0)):
            with suppress(ValueError, StoreError):  # the stage that it is for will report it
                source = self._fill(self._open(deeper, trainer), splits, trainer)
        try:
            own = self._open(depth, trainer, self.model.frozen_digest if depth == self.model.depth else None)
            self._stand_in(self._fill(own, splits, trainer, source), splits)
        except (ValueError, StoreError) as error:
            self.data.fall_back(f"stage {name}: its frozen layers are computed again in every step: {error}")

    def offer(self, depth: int, trainer: Trainer, digest: str | None = None) -> None:
        """Let a test read the outputs for the splits if all of them are kept; else pixels.

        Args:
            depth: number of layers in which the model may differ from the one that the outputs were computed with.
            trainer: the one that tests.
            digest: of the frozen weights, where it is known.
        """
        self.release()
        with suppress(ValueError, StoreError):  # nothing was kept, which the stage has reported
            if self._applies_to(depth) and not self._missing(features := self._open(depth, trainer, digest), self._splits()):
                self._stand_in(features, self._splits())

    def scores(self, name: str, trainer: Trainer) -> "pd.Series[float] | None":
        """p(AI) of the images of a split, by their rows in the manifest, from kept outputs; None where there are none."""
        items = self.data.feature_data.get(name)
        if not isinstance(items, FeatureData):
            return None
        with torch.inference_mode(), trainer.precision_plugin.forward_context():
            batches = np.split(np.arange(len(items)), range(self._batch, len(items), self._batch))
            found = [torch.sigmoid(self.model(items.__getitems__(rows.tolist())[0].to(self.model.device))) for rows in batches]
        return pd.Series(torch.cat(found).double().cpu().numpy(), index=items.numbers.numpy())

    def release(self) -> None:
        """Let the data give pixels again."""
        self.data.feature_data.clear()
        self.model.tail = None

    def _splits(self) -> list[str]:
        compared = [] if self.data.compared is None else [COMPARED]
        return [*([] if self.data.augment.each_epoch else ["train"]), *self.data.manifest.evaluated, *compared]

    def _applies_to(self, depth: int) -> bool:
        return self.config.prefix and depth < len(self.model.layers)

    @property
    def _batch(self) -> int:
        return batch_on(self.model.device, self.model.image_size)

    def _stand_in(self, features: Features, splits: Sequence[str]) -> None:
        if isinstance(features.store, RowStore) and on_gpu(self.model.device):
            with suppress(StoreError):  # each batch is read from disk
                features = self._copied(features, splits)
        self.data.feature_data.update({name: FeatureData(*self._items(name), features) for name in splits})
        self.model.tail = features.parts.tail if features.parts else None

    # ---- stores

    def _open(self, depth: int, trainer: Trainer, digest: str | None = None) -> Features:
        """Cut the network, and open the store of its outputs; `digest` is of what is frozen. ValueError if it can't be cut."""
        parts, hparams, device = self._split(depth), self.model.hparams, trainer.strategy.root_device
        library = "onnxruntime" if hparams["library"] == "onnx" else hparams["library"]
        causes = {  # what rows depend on besides the images; it names the store
            "model": hparams["name"],
            "place": parts.place,
            "frozen": digest or self.model.layers.frozen_digest(depth),
            "library": library,
            "head": hparams["head"]["name"] if self.model.head.of_patches else None,
            **{key: value for key, value in hparams["preprocessing"].items() if value is not None},
            "channels_last": hparams["channels_last"],
            "precision": str(trainer.precision),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability(),
            **({"batch": self._batch} if on_gpu(device) else {}),
            **{package: metadata.version(package) for package in ("torch", "torchvision", library, "pillow")},
        }
        what = f"{causes['model']} without its {f'last {depth} layers' if depth else 'head'}"
        features = Features(parts, {"what": what, **causes})
        two = torch.zeros(2, 3, self.model.image_size, self.model.image_size, dtype=torch.uint8)
        form = features.kept_form() or Format.of(self._run(parts, None, two, trainer))
        disk_first = not on_gpu(device) or form.row_bytes <= WORTH_DISK or trainer.world_size > 1
        return self._at(replace(features, form=form, disk_first=disk_first))

    def _pixels(self) -> Features:
        """The pixels of a network that trains as a whole."""
        causes = {"pixels": self.model.hparams["preprocessing"]}
        form = Format([3, self.model.image_size, self.model.image_size], "uint8", channels_last=False)
        return self._at(Features(None, causes, form))

    def _at(self, features: Features) -> Features:
        """Features where they were kept last."""
        self._names.add(features.name)
        if kept := IN_MEMORY.get(features.name):
            return replace(features, store=kept)
        with suppress(StoreError):  # `_with_room` reports it, where there is something to keep
            if features.disk_first or features.kept_form():
                return replace(features, store=features.on_disk())
        return features

    def _dataset_and_keys(self, split: str) -> tuple[ArtDataset, list[bytes]]:
        """A split's items and their keys, which are the same for all stages."""
        data = self.data.dataset(split)
        keys = [data.key(item) for item in range(len(data))]
        if split == COMPARED:  # other pixels of the same files
            keys = [hashlib.sha256(key + repr(data.reader.canonical).encode()).digest() for key in keys]
        return data, keys

    def _missing(self, features: Features, splits: Sequence[str]) -> dict[str, Numbers]:
        """The items of each split that are not kept, each image once; without splits that lack nothing."""
        missing = {}
        for name in splits:
            _, keys = self._items(name)
            if absent := {keys[item]: item for item in np.flatnonzero(features.store.find(keys) < 0)}:
                missing[name] = np.array([*absent.values()], dtype=np.int64)
        return missing

    def _with_room(self, features: Features, splits: Sequence[str]) -> Features:
        """The features in the first place that has room for what is missing there. StoreError where none has."""
        places = [self._on_disk, self._in_memory] if features.disk_first else [self._in_memory, self._on_disk]
        why: list[StoreError] = []
        for place in places if features.parts else [self._in_memory]:
            try:
                found = place(features, splits)
            except StoreError as error:
                why.append(error)
            else:
                if why and features.disk_first:
                    self.data.fall_back(f"outputs of frozen layers are kept in memory, for this run alone: {why[0]}")
                return found
        raise why[0]

    def _on_disk(self, features: Features, splits: Sequence[str]) -> Features:
        found = replace(features, store=(store := features.on_disk()))
        with store.building():  # another process may be computing them
            require_room(store.folder, _count(self._missing(found, splits)) * store.row_bytes, self.config.max_gb)
        return found

    def _in_memory(self, features: Features, splits: Sequence[str]) -> Features:
        for name in IN_MEMORY.keys() - (self._names - {features.name}):
            IN_MEMORY.pop(name).free()
        number = _count(self._missing(replace(features, store=MemoryRows(0, 0)), splits))
        room = number, features.form.row_bytes, self.model.device, "outputs" if features.parts else "pixels"
        kept = IN_MEMORY[features.name] = reserve(*room, self._processes)
        return replace(features, store=kept)

    def _copied(self, features: Features, splits: Sequence[str]) -> Features:
        """Features from the disk in the memory of a GPU. StoreError where they don't fit."""
        keys = list(dict.fromkeys(key for name in splits for key in self._items(name)[1]))
        memory = reserve(len(keys), features.form.row_bytes, self.model.device, "copies")
        for chunk in (keys[first : first + self._batch] for first in range(0, len(keys), self._batch)):
            memory.append(chunk, torch.as_tensor(features.store.read(features.store.find(chunk))))
        return replace(features, store=memory)

    # ---- computing

    def _fill(self, features: Features, splits: Sequence[str], trainer: Trainer, source: Features | None = None) -> Features:
        """Compute the outputs that are not kept yet: from the images, or from the outputs of an earlier place."""
        if not self._missing(features, splits):
            return features
        features, began = self._with_room(features, splits), time.perf_counter()
        store, reported = features.store, source is None and features.parts
        with store.building():
            missing = self._missing(features, splits)  # another process may have computed them meanwhile
            count = _count(missing)
            if missing and reported:
                line = "computing the frozen layers once for %s images: %.3g GB in %s (cache.prefix=false does without)"
                log.info(line, f"{count:,}", count * features.form.row_bytes / 1e9, store)
            for name, items in missing.items():
                self._compute(features, name, items, trainer, source)
        if missing and reported:
            if self.model.device.type == "cuda":
                torch.cuda.synchronize(self.model.device)
            log.info("computed the frozen layers of %s", speed(count, time.perf_counter() - began))
        return features

    def _compute(self, features: Features, split: str, items: Numbers, trainer: Trainer, source: Features | None) -> None:
        """Compute the outputs for items of a split; a thread keeps them while the next ones are computed."""
        keys, batches = self._items(split)[1], np.split(items, range(self._batch, len(items), self._batch))
        inputs = self._inputs(split, batches, source)  # before the threads begin
        described = progress(inputs, f"Computing the frozen layers of {split}", len(batches))
        waiting: deque[Future[None]] = deque()
        with ThreadPoolExecutor(1) as keeper:
            for batch, images in zip(batches, described, strict=True):
                outputs = self._run(features.parts, source, images, trainer)
                waiting.append(keeper.submit(features.append, [keys[item] for item in batch], outputs[: len(batch)]))
                if len(waiting) > 2:  # batches that wait to be kept
                    waiting.popleft().result()
            for kept in waiting:
                kept.result()

    def _inputs(self, split: str, batches: list[Numbers], source: Features | None) -> Iterator[torch.Tensor]:
        """Pixels, or a source's outputs, for batches of a split's items, each filled up by repeating its first."""
        data, keys = self._items(split)
        filled = [np.resize(batch, self._batch).tolist() for batch in batches]
        if source is not None:
            return (source.read(source.store.find([keys[item] for item in batch])) for batch in filled)
        asked = self.data.config.num_workers
        if asked and on_gpu(self.model.device):
            asked = max(asked, cores() - 1)  # else it would wait for them
        decoded = len(data) if data.store is None else int(data.is_augmented(np.concatenate(batches)).sum())
        fitting = fitting_workers(asked, shared_memory(), self._batch * 3 * data.reader.size**2, 3)
        line = f"{fitting} of {asked} processes augment images: /dev/shm is small (docker run --shm-size=1g)"
        if fitting < asked and decoded >= WORTH_WORKERS and line not in self.data.fallbacks:
            self.data.fall_back(line)
        loader: DataLoader[torch.Tensor] = DataLoader(
            data,  # type: ignore[arg-type]
            batch_sampler=filled,
            num_workers=fitting if decoded >= WORTH_WORKERS else 0,
            collate_fn=itemgetter(0),
            pin_memory=self.model.device.type == "cuda",
            generator=torch.Generator(),  # else a run that computes would draw other random numbers than one that need not
        )
        return iter(loader)  # worker processes begin here: a process with threads should not be forked

    def _run(self, parts: Split | None, source: Features | None, inputs: torch.Tensor, trainer: Trainer) -> torch.Tensor:
        """Pixels → outputs of the frozen part, or themselves; or a source's outputs → features."""
        inputs = inputs.to(self.model.device, non_blocking=True)
        with torch.inference_mode(), trainer.precision_plugin.forward_context():
            if source is not None and source.parts:
                return source.parts.tail(inputs)
            return parts.frozen(self.model.normalised(inputs)) if parts else inputs


def _count(missing: dict[str, Numbers]) -> int:
    return sum(map(len, missing.values()))
