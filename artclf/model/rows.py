"""The outputs of a network's frozen part as rows of bytes, on disk or in a memory, and as a dataset."""

import hashlib
import json
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from artclf.cache.array_store import Numbers, RowStore, StoreError, read_about
from artclf.cache.folder import cache_folder
from artclf.data.dataset import ArtDataset, Batch
from artclf.model.split import Split
from artclf.runtime import memory

CPU = torch.device("cpu")
BATCH, GPU_BATCH = 32, 256  # images that frozen layers are computed for at a time
GPU_BATCH_NEEDS = 256, 20e9  # pixels a side at most, and bytes of the GPU's memory at least
SHARES = {"host": 0.5, "gpu": 0.75, "pixels": 0.35}  # of the machine's memory and a GPU's free memory, that rows may take


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

    def pack(self, outputs: torch.Tensor) -> torch.Tensor:
        """A batch of outputs → rows, uint8 [B, row_bytes], on their device."""
        stored = outputs.permute(0, 2, 3, 1) if self.channels_last else outputs
        return stored.detach().contiguous().flatten(1).view(torch.uint8)

    def unpack(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows, uint8 [B, row_bytes] → a batch of outputs, in their memory layout."""
        outputs = rows.view(getattr(torch, self.dtype)).view(len(rows), *self.shape)
        return outputs.permute(0, 3, 1, 2) if self.channels_last else outputs


class MemoryRows:
    """Rows in the memory of a device, found by key as in a RowStore; there is room for `number` of them."""

    def __init__(self, number: int, row_bytes: int, device: torch.device = CPU) -> None:
        self.rows = torch.empty((number, row_bytes), dtype=torch.uint8, device=device)
        self._index: dict[bytes, int] = {}

    def free(self) -> None:
        """Give the memory back, wherever this is still referred to."""
        self.rows = self.rows[:0].clone()
        self._index = {}

    def __str__(self) -> str:
        if self.rows.device.type == "cpu":
            return "memory"
        return f"the GPU's memory, of which {torch.cuda.mem_get_info(self.rows.device)[0] / 1e9:.3g} GB are still free"

    @staticmethod
    def building() -> AbstractContextManager[None]:
        """A context in which rows are added, as a RowStore needs it."""
        return nullcontext()

    def find(self, keys: Sequence[bytes]) -> Numbers:
        """[N] keys → the number of each key's row, −1 where there is none."""
        return np.array([self._index.get(key, -1) for key in keys], dtype=np.int64)

    def read(self, numbers: Numbers) -> torch.Tensor:
        """[N] numbers → a copy of their rows, uint8 [N, row_bytes], on the device."""
        return self.rows[torch.from_numpy(numbers).to(self.rows.device, non_blocking=True)]

    def append(self, keys: Sequence[bytes], rows: torch.Tensor) -> None:
        """Add rows, uint8 [N, row_bytes], under their keys."""
        first = len(self._index)
        self.rows[first : first + len(keys)] = rows
        self._index.update((key, number) for number, key in enumerate(keys, first))


@dataclass(frozen=True)
class Features:
    """A network in two parts, and where the outputs of the frozen one are kept as rows."""

    parts: Split | None  # None: the network is not frozen at all, and what is kept are the pixels
    about: dict[str, Any]  # what it is, and all that its rows depend on besides the images
    form: Format = field(default_factory=lambda: Format([], "uint8", channels_last=False))
    disk_first: bool = False
    store: RowStore | MemoryRows = field(default_factory=lambda: MemoryRows(0, 0))

    @property
    def name(self) -> str:
        """Of the store."""
        causes = {key: value for key, value in self.about.items() if key != "what"}
        return hashlib.sha256(json.dumps(causes).encode()).hexdigest()[:16]

    @property
    def folder(self) -> Path:
        """Of the rows on disk."""
        return cache_folder() / "prefix" / self.name

    def kept_form(self) -> Format | None:
        """The format of the rows on disk, if there are any."""
        kept = read_about(self.folder).get("format")
        return Format(**kept) if isinstance(kept, dict) and kept.keys() == asdict(self.form).keys() else None

    def on_disk(self) -> RowStore:
        """The rows on disk. StoreError where there can't be any."""
        return RowStore(self.folder, self.form.row_bytes, {**self.about, "format": asdict(self.form)})

    def read(self, rows: Numbers) -> torch.Tensor:
        """Numbers of rows [B] → outputs of the frozen part [B, …], where they are kept."""
        return self.form.unpack(torch.as_tensor(self.store.read(rows)))

    def append(self, keys: Sequence[bytes], outputs: torch.Tensor) -> None:
        """Keep outputs of the frozen part [B, …]."""
        rows = self.form.pack(outputs)
        if isinstance(self.store, MemoryRows):
            self.store.append(keys, rows)
        else:
            self.store.append(keys, rows.cpu().numpy())


class FeatureData(Dataset[Any]):
    """Outputs of the frozen part for the items of a split, in place of their pixels."""

    def __init__(self, items: ArtDataset, keys: Sequence[bytes], features: Features) -> None:
        self.targets = torch.from_numpy(items.targets[items.rows]).float()
        self.numbers = torch.from_numpy(items.numbers[items.rows])
        self.features, self.rows = features, features.store.find(keys)
        self.device = features.store.rows.device if isinstance(features.store, MemoryRows) else torch.device("cpu")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, keys: Sequence[int]) -> Batch:
        """A batch: (outputs [B, …] on `device`, target float32 [B], row int64 [B])."""
        items = np.asarray(keys, dtype=np.int64) % len(self.rows)
        return self.features.read(self.rows[items]), self.targets[items], self.numbers[items]


IN_MEMORY: dict[str, MemoryRows] = {}
"""What is kept for further runs of this process, by the name of the store."""


def reserve(number: int, row_bytes: int, device: torch.device, what: str, processes: int = 1) -> MemoryRows:
    """Make room for rows in a GPU's memory, if they fit, else in the machine's, which `processes` share.

    Pixels, and copies of what is on disk, are kept in a GPU's memory alone. StoreError where there is no room.
    """
    needed = number * row_bytes
    if on_gpu(device):
        if device.type == "cuda":
            torch.cuda.empty_cache()  # else what torch keeps for itself would not be free
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else memory()
        if needed <= SHARES["pixels" if what == "pixels" else "gpu"] * free:
            return MemoryRows(number, row_bytes, device)
    if what == "outputs" and needed <= SHARES["host"] * memory() / processes:
        return MemoryRows(number, row_bytes)
    raise StoreError(f"{needed / 1e9:.3g} GB don't fit into memory")


def batch_on(device: torch.device, image_size: int) -> int:
    """How many images frozen layers are computed for at a time, always: kernels for other numbers may sum in another order."""
    side, memory = GPU_BATCH_NEEDS
    large = device.type == "cuda" and torch.cuda.get_device_properties(device).total_memory >= memory
    return GPU_BATCH if large and image_size <= side else BATCH


def on_gpu(device: torch.device) -> bool:
    """Whether it computes outputs sooner than a disk gives them back, and has a memory of its own."""
    return device.type == "cuda"
