"""The output of a network's frozen part, computed once for every image and its fixed copies, and kept.

Rows are found by the image (the hash of its file, and how a copy was altered). A store of them is named by all that they
depend on: frozen weights, cut, preprocessing, precision, device and versions. They have the number format in which they
were computed, so that training on them is training the whole network.
"""

import hashlib
import importlib.util
import json
import logging
import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import Trainer
from rich.progress import track
from torch.utils.data import DataLoader, Dataset

from artclf.cache.array_store import ABOUT, Bytes, Numbers, RowStore, StoreError, require_room
from artclf.cache.folder import cache_folder
from artclf.config.schema import CacheConfig
from artclf.data.dataset import ArtDataset
from artclf.data.module import ArtData
from artclf.data.pixels import WORTH_WORKERS, as_it_is
from artclf.model.classifier import ArtClassifier
from artclf.model.split import Split, split
from artclf.runtime import memory

log = logging.getLogger(__name__)

BATCH = 32  # images at a time, always: kernels for other sizes may sum in another order
MEMORY_SHARE = 0.25  # of the machine's, that outputs may take where no disk can hold them
PACKAGES = ("torch", "torchvision", "timm", "pillow")


@dataclass(frozen=True)
class Format:
    """How the output for one image is kept as a row of bytes: its shape ([H, W, C] if channels-last) and torch's dtype."""

    shape: tuple[int, ...]
    dtype: str
    channels_last: bool

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return math.prod(self.shape) * int(getattr(torch, self.dtype).itemsize)

    @classmethod
    def of(cls, outputs: torch.Tensor) -> "Format":
        """That of a batch of outputs."""
        last = outputs.ndim == 4 and outputs.is_contiguous(memory_format=torch.channels_last)
        shape = outputs.permute(0, 2, 3, 1).shape if last else outputs.shape
        return cls(tuple(shape[1:]), str(outputs.dtype).removeprefix("torch."), last)

    def pack(self, outputs: torch.Tensor) -> Bytes:
        """A batch of outputs → rows, uint8 [B, row_bytes]."""
        stored = outputs.permute(0, 2, 3, 1) if self.channels_last else outputs
        return stored.detach().cpu().contiguous().flatten(1).view(torch.uint8).numpy()

    def unpack(self, rows: Bytes) -> torch.Tensor:
        """Rows, uint8 [B, row_bytes] → a batch of outputs, in the memory layout in which it came."""
        outputs = torch.from_numpy(rows).view(getattr(torch, self.dtype)).view(len(rows), *self.shape)
        return outputs.permute(0, 3, 1, 2) if self.channels_last else outputs


class FeatureData(Dataset[Any]):
    """Outputs of the frozen part for the items of a split, in place of their pixels; `where` [N] they are in the store."""

    def __init__(self, items: ArtDataset, store: RowStore, where: Numbers, form: Format) -> None:
        self.targets = torch.from_numpy(items.targets[items.rows]).float()
        self.numbers = torch.from_numpy(items.numbers[items.rows])
        self.store, self.where, self.form = store, where, form

    def __len__(self) -> int:
        return len(self.where)

    def __getitems__(self, keys: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """A batch: (outputs [B, …], target float32 [B], row int64 [B])."""
        items = np.asarray(keys, dtype=np.int64) % len(self.where)
        return self.form.unpack(self.store.read(self.where[items])), self.targets[items], self.numbers[items]


class _Kept(NamedTuple):
    """A network's two parts, and where the frozen one's outputs are kept."""

    parts: Split
    form: Format
    store: RowStore


class _Item(NamedTuple):
    """An item whose output is wanted: its split, its number there, and its key."""

    split: str
    number: int
    key: bytes


class FeatureCache:
    """Computes and keeps what the frozen layers of a run's stages give.

    Args:
        model: the classifier.
        data: its data, read.
        config: whether anything is kept, and how much.
    """

    def __init__(self, model: ArtClassifier, data: ArtData, config: CacheConfig) -> None:
        self.model, self.data, self.config = model, data, config
        self._parts: dict[int, Split] = {}
        self._items: dict[str, tuple[ArtDataset, list[_Item]]] = {}
        self._in_memory: dict[str, RowStore] = {}
        self._temporary: list[RowStore] = []

    def prepare(self, name: str, depth: int, trainer: Trainer, *, later: Sequence[int] = (), trained: int = 0) -> None:
        """Let a stage read the outputs of its frozen layers, computed now where they are not kept yet.

        Where that can't be, the data gives pixels, and the log and the data's fallbacks say why.

        Args:
            name: the stage's.
            depth: number of layers it trains.
            trainer: the stage's; outputs are computed on its device, in its precision.
            later: depths of the stages after it. A head alone takes its features from the outputs for the deepest of them,
                so that both need one pass over the images.
            trained: number of layers that earlier stages have trained.
        """
        self.release()
        layers = len(self.model.layers)
        if not self.config.prefix or depth == layers:
            return
        self.model.to(trainer.strategy.root_device)
        splits = [*([] if self.data.augment.each_epoch else ["train"]), *self.data.manifest.evaluated]
        items = self._wanted(splits)
        deeper = max((other for other in later if 0 < other < layers), default=0) if depth == 0 else 0
        source = None
        if deeper:
            try:
                source = self._open(deeper, trainer)
                self._fill(source, items, trainer)
            except (ValueError, StoreError):
                source = None  # the stage that it is for will report it
        again = f"stage {name}: its frozen layers are computed again in every step"
        try:
            kept = self._open(depth, trainer)
            if trained > depth:
                self._temporary.append(kept.store)  # of weights that no other run has
            self._fill(kept, items, trainer, source)
        except ValueError as error:
            self.data.fall_back(f"{again}: {error}")
            return
        except StoreError as error:
            kept = self._open(depth, trainer, in_memory=True)
            needed = len({item.key for item in items}) * kept.form.row_bytes
            if needed > MEMORY_SHARE * memory():
                size = f"{needed / 1e9:.3g} GB of memory"
                self.data.fall_back(f"{again}: what they give would take {size}, and can't be kept on disk: {error}")
                return
            self.data.fall_back(f"stage {name}: what its frozen layers give is kept in memory, for this run alone: {error}")
            self._fill(kept, items, trainer)
        self._stand_in(kept, splits)

    def offer(self, depth: int, trainer: Trainer) -> None:
        """Let a test read outputs of the evaluated splits, if all of them are kept; else pixels.

        Args:
            depth: number of layers in which the model may differ from the one that the outputs were computed with.
            trainer: the one that tests.
        """
        self.release()
        if not self.config.prefix or depth == len(self.model.layers):
            return
        try:
            name = _hash(self._depends(depth, trainer))
            if name not in self._in_memory and not (_folder(name) / ABOUT).exists():
                return
            kept = self._open(depth, trainer)
        except (ValueError, StoreError):
            return  # nothing was kept; the stage has reported it
        if not _missing(kept, self._wanted(self.data.manifest.evaluated)):
            self._stand_in(kept, self.data.manifest.evaluated)

    def release(self) -> None:
        """Let the data give pixels again."""
        self.data.stand_ins.clear()
        self.model.tail = None

    def close(self) -> None:
        """Remove what is of no use to another run."""
        self.release()
        for store in self._temporary:
            store.remove()

    def _dataset(self, split: str) -> tuple[ArtDataset, list[_Item]]:
        """A split's images and its items, which are the same for all stages."""
        if split not in self._items:
            data, digests = self.data.dataset(split), self.data.digests
            keys = (data.key(number, digests[data.numbers[row]]) for number, row in enumerate(data.rows))
            self._items[split] = data, [_Item(split, number, key) for number, key in enumerate(keys)]
        return self._items[split]

    def _wanted(self, splits: Sequence[str]) -> list[_Item]:
        return [item for split in splits for item in self._dataset(split)[1]]

    def _stand_in(self, kept: _Kept, splits: Sequence[str]) -> None:
        for name in splits:
            data, items = self._dataset(name)
            self.data.stand_ins[name] = FeatureData(data, kept.store, kept.store.find([i.key for i in items]), kept.form)
        self.model.tail = kept.parts.tail

    # ---- where outputs are kept

    def _split(self, depth: int) -> Split:
        if depth not in self._parts:
            self._parts[depth] = split(self.model.body, self.model.layers, depth, self.model.hparams["image_size"])
        return self._parts[depth]

    def _depends(self, depth: int, trainer: Trainer) -> dict[str, Any]:
        """All that outputs depend on, but for the images."""
        model, device = self.model, trainer.strategy.root_device
        hparams = model.hparams
        return {
            "model": hparams["name"],
            "place": self._split(depth).place,
            "frozen": model.frozen_digest(depth),
            **{key: hparams[key] for key in ("library", "mean", "std", "interpolation", "image_size", "channels_last")},
            **({"canonical": hparams["canonical"]} if hparams["canonical"] else {}),
            "precision": str(trainer.precision),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability(),
            **{name: metadata.version(name) for name in PACKAGES if importlib.util.find_spec(name) is not None},
        }

    def _open(self, depth: int, trainer: Trainer, *, in_memory: bool = False) -> _Kept:
        """Cut the network, and open the store of its outputs.

        Raises:
            ValueError: if it can't be cut there.
            StoreError: if nothing can be kept on disk.
        """
        depends, parts = self._depends(depth, trainer), self._split(depth)
        name = _hash(depends)
        about = _folder(name) / ABOUT
        if about.exists():
            content = json.loads(about.read_text(encoding="utf-8"))["format"]
            form = Format(tuple(content["shape"]), content["dtype"], content["channels_last"])
        else:
            size = self.model.hparams["image_size"]
            form = Format.of(self._run(parts, torch.zeros(2, 3, size, size, dtype=torch.uint8), trainer))
        if in_memory:
            self._in_memory.setdefault(name, RowStore(None, form.row_bytes, {}))
        if name in self._in_memory:
            return _Kept(parts, form, self._in_memory[name])
        what = f"{depends['model']} without its last {depth} layers" if depth else f"{depends['model']} without its head"
        return _Kept(parts, form, RowStore(_folder(name), form.row_bytes, {"what": what, "format": asdict(form), **depends}))

    # ---- computing them

    def _run(self, parts: Split, pixels: torch.Tensor, trainer: Trainer) -> torch.Tensor:
        images = pixels.to(self.model.device, non_blocking=True)
        with torch.inference_mode(), trainer.precision_plugin.forward_context():
            return parts.frozen(self.model.normalised(images))

    def _fill(self, kept: _Kept, items: list[_Item], trainer: Trainer, source: _Kept | None = None) -> None:
        """Compute what is not kept yet: from the images, or with the tail behind the kept outputs of an earlier place."""
        if not _missing(kept, items):
            return
        with kept.store.building():
            missing = _missing(kept, items)  # another process may have been at it
            needed = len(missing) * kept.form.row_bytes
            require_room(kept.store.folder, needed, self.config.max_gb)
            if missing and source is None:
                where = f"in {kept.store.folder} (cache.prefix=false does without)" if kept.store.folder else "in memory"
                line = "computing the frozen layers once for %d images, and keeping %.3g GB of what they give %s"
                log.info(line, len(missing), needed / 1e9, where)
            outputs = self._computed(kept, missing, trainer) if source is None else self._continued(source, missing, trainer)
            with closing(outputs):  # and its progress bar, where the disk is full
                for part, output in zip(_batches(missing), outputs, strict=True):
                    kept.store.append([item.key for item in part], kept.form.pack(output[: len(part)]))

    def _continued(self, source: _Kept, missing: list[_Item], trainer: Trainer) -> Generator[torch.Tensor]:
        for part in _batches(missing):
            rows = source.store.read(source.store.find([item.key for item in _padded(part)]))
            outputs = source.form.unpack(rows).to(self.model.device)
            with torch.inference_mode(), trainer.precision_plugin.forward_context():
                yield source.parts.tail(outputs)

    def _computed(self, kept: _Kept, missing: list[_Item], trainer: Trainer) -> Generator[torch.Tensor]:
        if not missing:
            return
        pixels = _Pixels({name: self._dataset(name)[0] for name in {item.split for item in missing}}, missing)
        loader: DataLoader[torch.Tensor] = DataLoader(
            pixels,
            batch_size=BATCH,
            num_workers=pixels.workers(self.data.config.num_workers),
            collate_fn=as_it_is,
            pin_memory=self.model.device.type == "cuda",
            generator=torch.Generator(),  # else a run that computes would draw other random numbers than one that need not
        )
        steps = iter(loader)  # before the progress bar's thread begins: a process with threads should not be forked
        for batch in track(steps, "Computing the frozen layers", total=len(loader), transient=True):
            yield self._run(kept.parts, batch, trainer)


class _Pixels(Dataset[torch.Tensor]):
    """The pixels of chosen items, in whole batches of `BATCH`: the last one is padded with its first item."""

    def __init__(self, datasets: dict[str, ArtDataset], items: list[_Item]) -> None:
        self.datasets, self.items = datasets, items

    def __len__(self) -> int:
        return len(self.items)

    def __getitems__(self, positions: list[int]) -> torch.Tensor:
        chosen = _padded([self.items[position] for position in positions])
        groups = groupby(chosen, key=lambda item: item.split)
        return torch.cat([self.datasets[name].__getitems__([item.number for item in part])[0] for name, part in groups])

    def workers(self, configured: int) -> int:
        """Processes that are worth having: for what has to be decoded or altered, if that is much; all else is only read."""
        to_do = 0
        for name, part in groupby(self.items, key=lambda item: item.split):
            data, numbers = self.datasets[name], np.array([item.number for item in part], dtype=np.int64)
            to_do += len(numbers) if data.kept is None else int(data.altered(numbers).sum())
        return configured if to_do >= WORTH_WORKERS else 0


def _batches(items: list[_Item]) -> Iterator[list[_Item]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def _padded(part: list[_Item]) -> list[_Item]:
    return [*part, *[part[0]] * (BATCH - len(part))]


def _missing(kept: _Kept, items: list[_Item]) -> list[_Item]:
    """Items that are not kept, each image once."""
    numbers = kept.store.find([item.key for item in items])
    return list({item.key: item for item, number in zip(items, numbers.tolist(), strict=True) if number < 0}.values())


def _hash(depends: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:16]


def _folder(name: str) -> Path:
    return cache_folder() / "prefix" / name
