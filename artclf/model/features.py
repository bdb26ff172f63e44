"""What is frozen is computed once: the output of a network's frozen prefix, for every picture and its fixed copies, is kept.

Kept rows are found by the picture (the hash of its file, and how a copy was altered); a store of them is named by all that
they depend on: the frozen weights, where the network is cut, preprocessing, precision, device and versions. They are kept in
the number format in which they were computed, so that training on them is training on the whole network.
"""

import hashlib
import importlib.util
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer
from rich.progress import track
from torch.utils.data import DataLoader, Dataset

from artclf.cache.array_store import ABOUT, MemoryRows, Rows, RowStore, StoreError, require_room
from artclf.cache.folder import cache_folder
from artclf.config.schema import CacheConfig
from artclf.data.dataset import ArtDataset
from artclf.data.module import ArtData
from artclf.data.pixels import WORTH_WORKERS, as_it_is
from artclf.model.classifier import ArtClassifier
from artclf.model.crossing import Crossing, Outputs
from artclf.model.layers import cut
from artclf.model.parts import Prefix, Suffix
from artclf.runtime import memory

log = logging.getLogger(__name__)

BATCH = 32  # pictures at a time, always: kernels for other sizes may sum in another order
MEMORY_SHARE = 0.25  # of the machine's, that outputs may take where no disk can hold them
PACKAGES = ("torch", "torchvision", "timm", "pillow")


@dataclass
class _Cut:
    """A network cut at a depth, and where its prefix's outputs are kept."""

    depth: int
    prefix: Prefix
    suffix: Suffix
    crossing: Crossing
    rows: Rows


@dataclass(frozen=True)
class _Wanted:
    """An item whose output is wanted: in which split, its number there, and its key."""

    split: str
    item: int
    key: bytes


class PrefixCache:
    """Computes and keeps what the frozen layers of a run's stages give.

    Args:
        model: the classifier.
        data: its data, read.
        config: whether anything is kept, and how much.
    """

    def __init__(self, model: ArtClassifier, data: ArtData, config: CacheConfig) -> None:
        self.model, self.data, self.config = model, data, config
        self._trained = 0  # how many layers the stages so far have changed
        self._cuts: dict[int, tuple[Prefix, Suffix]] = {}
        self._wanted: dict[str, tuple[ArtDataset, list[_Wanted]]] = {}
        self._in_memory: dict[str, MemoryRows] = {}
        self._temporary: list[RowStore] = []

    def prepare(self, name: str, depth: int, ahead: Sequence[int], trainer: Trainer) -> None:
        """Let the data give what a stage's frozen layers make of the pictures, computed now where it is not kept yet.

        Where that can't be, the data gives pixels, and the log and the data's fallbacks say why.

        Args:
            name: the stage's.
            depth: how many layers it trains.
            ahead: the depths of the stages after it; for a head alone, the outputs for the deepest are computed on the way.
            trainer: the stage's; the outputs are computed on its device, in its precision.
        """
        self.release()
        depths = len(self.model.layers)
        if not self.config.prefix or depth == depths:
            return
        deeper = (
            max((other for other in ahead if depth < other < depths), default=None) if depth == self._trained == 0 else None
        )
        self.model.to(trainer.strategy.root_device)
        wanted = [w for split in self._splits() for w in self._items(split)[1]]
        try:
            there = None if deeper is None else self._open(deeper, trainer)
        except (ValueError, StoreError):
            there = None  # the stage that it is for will say so
        try:
            here = self._open(depth, trainer)
            if isinstance(here.rows, RowStore) and self._trained > depth:
                self._temporary.append(here.rows)  # of weights that no other run has
            self._complete(here, there, wanted, trainer)
        except ValueError as error:
            self.data.fall_back(f"stage {name}: its frozen layers are computed again in every step: {error}")
            return
        except StoreError as error:
            here = self._open(depth, trainer, in_memory=True)
            needed = len({w.key for w in wanted}) * here.crossing.row_bytes
            if needed > MEMORY_SHARE * memory():
                self.data.fall_back(
                    f"stage {name}: its frozen layers are computed again in every step: what they give would take "
                    f"{needed / 1e9:.3g} GB of memory, and can't be kept on disk: {error}"
                )
                return
            self.data.fall_back(f"stage {name}: what its frozen layers give is kept in memory, for this run alone: {error}")
            self._complete(here, None, wanted, trainer)
        self._stand_in(here, self._splits())

    def offer(self, depth: int, trainer: Trainer) -> None:
        """Let the data give what is kept of the evaluated splits, where all of it is kept; else pixels.

        Args:
            depth: how many layers the model's weights may differ in from those that the outputs were computed with.
            trainer: the one that tests.
        """
        self.release()
        if not self.config.prefix or depth == len(self.model.layers):
            return
        try:
            name = _hash(self._depends(depth, trainer))
            if name not in self._in_memory and not (_folder(name) / ABOUT).exists():
                return
            here = self._open(depth, trainer)
        except (ValueError, StoreError):
            return  # nothing was kept; the stage has said why
        splits = self.data.manifest.evaluated
        wanted = [w for split in splits for w in self._items(split)[1]]
        if (here.rows.find([w.key for w in wanted]) >= 0).all():
            self._stand_in(here, splits)

    def changed(self, depth: int) -> None:
        """Note that a stage has trained the last `depth` layers."""
        self._trained = max(self._trained, depth)

    def release(self) -> None:
        """Let the data give pixels again."""
        self.data.stand_ins.clear()
        self.model.use(None)

    def close(self) -> None:
        """Remove what is of no use to another run."""
        self.release()
        for rows in self._temporary:
            rows.remove()

    def _splits(self) -> list[str]:
        """The splits whose pictures are the same in each epoch."""
        return [*([] if self.data.augment.each_epoch else ["train"]), *self.data.manifest.evaluated]

    def _items(self, split: str) -> tuple[ArtDataset, list[_Wanted]]:
        """A split's pictures and the keys of its items, which are the same for all stages."""
        if split not in self._wanted:
            dataset, digests = self.data.dataset(split), self.data.digests
            self._wanted[split] = (
                dataset,
                [
                    _Wanted(split, item, dataset.key(item, digests[dataset.numbers[row]]))
                    for item, row in enumerate(dataset.rows)
                ],
            )
        return self._wanted[split]

    def _stand_in(self, here: _Cut, splits: Sequence[str]) -> None:
        for split in splits:
            dataset, wanted = self._items(split)
            self.data.stand_ins[split] = Outputs(dataset, here.rows, here.rows.find([w.key for w in wanted]), here.crossing)
        self.model.use(here.suffix)

    # ---- where outputs are kept

    def _depends(self, depth: int, trainer: Trainer) -> dict[str, Any]:
        """All that outputs depend on, but for the pictures."""
        model, device = self.model, trainer.strategy.root_device
        hparams = model.hparams
        return {
            "model": hparams["name"],
            "crossing at": self._cut(depth)[0].crossing,
            "frozen": model.frozen_digest(depth),
            **{key: hparams[key] for key in ("library", "mean", "std", "interpolation", "image_size", "channels_last")},
            **({"canonical": hparams["canonical"]} if hparams["canonical"] else {}),
            "precision": str(trainer.precision),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability(),
            **{package: metadata.version(package) for package in PACKAGES if _is_installed(package)},
        }

    def _cut(self, depth: int) -> tuple[Prefix, Suffix]:
        """The two parts, which are looked for once. ValueError where there are none."""
        if depth not in self._cuts:
            self._cuts[depth] = cut(self.model.body, self.model.layers, depth, self.model.hparams["image_size"])
        return self._cuts[depth]

    def _open(self, depth: int, trainer: Trainer, *, in_memory: bool = False) -> _Cut:
        """Cut the network, and open where its outputs are kept.

        Raises:
            ValueError: where it can't be cut there.
            StoreError: where nothing can be kept on disk.
        """
        depends = self._depends(depth, trainer)
        name = _hash(depends)
        about = _folder(name) / ABOUT
        prefix, suffix = self._cut(depth)
        if about.exists():
            crossing = Crossing.from_json(json.loads(about.read_text(encoding="utf-8"))["crossing"])
        else:
            size = self.model.hparams["image_size"]
            blank = torch.zeros(2, 3, size, size, dtype=torch.uint8)
            crossing = Crossing.of(self._run(prefix, blank, trainer))
        if in_memory:
            self._in_memory.setdefault(name, MemoryRows(crossing.row_bytes))
        if name in self._in_memory:
            return _Cut(depth, prefix, suffix, crossing, self._in_memory[name])
        what = f"{depends['model']} without its last {depth} layers" if depth else f"{depends['model']} without its head"
        rows = RowStore(_folder(name), crossing.row_bytes, {"what": what, "crossing": crossing.to_json(), **depends})
        return _Cut(depth, prefix, suffix, crossing, rows)

    # ---- computing them

    def _run(self, prefix: Prefix, pixels: torch.Tensor, trainer: Trainer) -> tuple[torch.Tensor, ...]:
        pictures = pixels.to(self.model.device, non_blocking=True)
        with torch.inference_mode(), trainer.precision_plugin.forward_context():
            return prefix(self.model.normalised(pictures))

    def _complete(self, here: _Cut, there: _Cut | None, wanted: list[_Wanted], trainer: Trainer) -> None:
        """Compute what is not kept yet: of the cut `there`, where there is one, and of the one `here` from it."""
        first = there or here
        if not (_missing(here, wanted) or _missing(first, wanted)):
            return
        with first.rows.building(), here.rows.building() if there else nullcontext():
            at_first, at_here = _missing(first, wanted), _missing(here, wanted)
            self._tell(first, len(at_first))
            if there:
                require_room(_place(here), len(at_here) * here.crossing.row_bytes, self.config.max_gb)
            absent = {w.key for w in at_here}
            for part, outputs in self._computed(first, at_first, trainer):
                first.rows.append([w.key for w in part], first.crossing.pack([value[: len(part)] for value in outputs]))
                if there:
                    self._go_on(here, there, part, outputs, absent, trainer)
            if there:
                rest = [w for w in at_here if w.key in absent]
                for part in _batches(rest):
                    kept = there.rows.find([w.key for w in _padded(part)])
                    outputs = tuple(value.to(self.model.device) for value in there.crossing.unpack(there.rows.read(kept)))
                    self._go_on(here, there, part, outputs, absent, trainer)

    def _go_on(
        self,
        here: _Cut,
        there: _Cut,
        part: list[_Wanted],
        outputs: tuple[torch.Tensor, ...],
        absent: set[bytes],
        trainer: Trainer,
    ) -> None:
        """From the outputs of a deeper cut to the features that the head is given."""
        with torch.inference_mode(), trainer.precision_plugin.forward_context():
            features = there.suffix(*outputs)
        chosen = [i for i, w in enumerate(part) if w.key in absent]
        here.rows.append([part[i].key for i in chosen], here.crossing.pack([features[chosen]]))
        absent.difference_update(part[i].key for i in chosen)

    def _computed(
        self, first: _Cut, wanted: list[_Wanted], trainer: Trainer
    ) -> Iterator[tuple[list[_Wanted], tuple[torch.Tensor, ...]]]:
        """Batches of items, and the prefix's outputs for them, padded to a whole batch."""
        if not wanted:
            return
        pixels = _Pixels({split: self._items(split)[0] for split in self._splits()}, wanted)
        loader: DataLoader[torch.Tensor] = DataLoader(
            pixels,
            batch_size=BATCH,
            num_workers=pixels.workers(self.data.config.num_workers),
            collate_fn=as_it_is,
            pin_memory=self.model.device.type == "cuda",
            generator=torch.Generator(),  # else a run that computes would draw other random numbers than one that need not
        )
        steps = iter(loader)  # before the progress bar's thread begins: a process with threads should not be forked
        batches = track(steps, "Computing the frozen layers", total=len(loader), transient=True)
        for part, batch in zip(_batches(wanted), batches, strict=True):
            yield part, self._run(first.prefix, batch, trainer)

    def _tell(self, first: _Cut, missing: int) -> None:
        needed = missing * first.crossing.row_bytes
        require_room(_place(first), needed, self.config.max_gb)
        if missing:
            log.info(
                "computing the frozen layers once for %d pictures, and keeping %.3g GB of what they give %s",
                missing,
                needed / 1e9,
                f"in {first.rows.folder} (cache.prefix=false does without)"
                if isinstance(first.rows, RowStore)
                else "in memory",
            )


class _Pixels(Dataset[torch.Tensor]):
    """The pixels of chosen items, in whole batches of `BATCH`: the last one is padded with its first item."""

    def __init__(self, datasets: dict[str, ArtDataset], wanted: list[_Wanted]) -> None:
        self.datasets, self.wanted = datasets, wanted

    def __len__(self) -> int:
        return len(self.wanted)

    def __getitems__(self, positions: list[int]) -> torch.Tensor:
        chosen = _padded([self.wanted[position] for position in positions])
        pixels = [self.datasets[split].__getitems__([w.item for w in part])[0] for split, part in _by_split(chosen)]
        return torch.cat(pixels)

    def workers(self, configured: int) -> int:
        """Processes that are worth having: for what has to be decoded or altered, if that is much; all else is only read."""
        to_do = 0
        for split, part in _by_split(self.wanted):
            dataset, items = self.datasets[split], np.array([w.item for w in part], dtype=np.int64)
            to_do += len(items) if dataset.kept is None else int(dataset.altered(items).sum())
        return configured if to_do >= WORTH_WORKERS else 0


def _by_split(wanted: list[_Wanted]) -> list[tuple[str, list[_Wanted]]]:
    return [(split, list(part)) for split, part in groupby(wanted, key=lambda w: w.split)]


def _batches(wanted: list[_Wanted]) -> Iterator[list[_Wanted]]:
    for start in range(0, len(wanted), BATCH):
        yield wanted[start : start + BATCH]


def _padded(part: list[_Wanted]) -> list[_Wanted]:
    return [*part, *[part[0]] * (BATCH - len(part))]


def _missing(cut: _Cut, wanted: list[_Wanted]) -> list[_Wanted]:
    """Which items are not kept, each picture once."""
    numbers = cut.rows.find([w.key for w in wanted])
    absent = {w.key: w for w, number in zip(wanted, numbers.tolist(), strict=True) if number < 0}
    return list(absent.values())


def _place(cut: _Cut) -> Path | None:
    return cut.rows.folder if isinstance(cut.rows, RowStore) else None


def _hash(depends: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:16]


def _folder(name: str) -> Path:
    return cache_folder() / "prefix" / name


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
