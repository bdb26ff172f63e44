"""What crosses the cut of a network, as rows of bytes, and as the batches that stand for pictures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from artclf.cache.array_store import Bytes, Numbers, Rows
from artclf.data.dataset import ArtDataset


@dataclass(frozen=True)
class Tensor:
    """One of the tensors that cross the cut, for one picture.

    Attributes:
        shape: as it is stored; of a picture's channels-last map [H, W, C].
        dtype: its number format, as torch names it.
        channels_last: whether it is such a map.
    """

    shape: tuple[int, ...]
    dtype: str
    channels_last: bool

    @property
    def bytes(self) -> int:
        """How many it takes."""
        return math.prod(self.shape) * int(getattr(torch, self.dtype).itemsize)


@dataclass(frozen=True)
class Crossing:
    """All that crosses the cut for one picture: a row of bytes."""

    tensors: tuple[Tensor, ...]

    @property
    def row_bytes(self) -> int:
        """Size of a row."""
        return sum(tensor.bytes for tensor in self.tensors)

    @classmethod
    def of(cls, values: Sequence[torch.Tensor]) -> "Crossing":
        """What crosses, seen in a batch of it."""
        return cls(
            tuple(
                Tensor(tuple(_stored(value).shape[1:]), str(value.dtype).removeprefix("torch."), _is_channels_last(value))
                for value in values
            )
        )

    def pack(self, values: Sequence[torch.Tensor]) -> Bytes:
        """A batch of what crosses → rows, uint8 [B, row_bytes]."""
        parts = [_stored(value).contiguous().flatten(1).view(torch.uint8) for value in values]
        return torch.cat(parts, dim=1).numpy()

    def unpack(self, rows: Bytes) -> tuple[torch.Tensor, ...]:
        """Rows, uint8 [B, row_bytes] → a batch of what crosses, in the memory layout in which it came."""
        ends = [0, *accumulate(tensor.bytes for tensor in self.tensors)]
        values = []
        for tensor, start, end in zip(self.tensors, ends, ends[1:], strict=False):
            part = torch.from_numpy(rows)[:, start:end].contiguous().view(getattr(torch, tensor.dtype))
            value = part.view(len(rows), *tensor.shape)
            values.append(value.permute(0, 3, 1, 2) if tensor.channels_last else value)
        return tuple(values)

    def to_json(self) -> list[dict[str, Any]]:
        """Plain values for about.json."""
        return [{"shape": list(t.shape), "dtype": t.dtype, "channels_last": t.channels_last} for t in self.tensors]

    @classmethod
    def from_json(cls, content: list[dict[str, Any]]) -> "Crossing":
        """What `to_json` gave."""
        return cls(tuple(Tensor(tuple(t["shape"]), t["dtype"], t["channels_last"]) for t in content))


class Outputs(Dataset[Any]):
    """What the prefix gives for the items of a split, in place of their pixels.

    Args:
        items: the split's pixels, for their targets and rows.
        rows: which hold all of them.
        numbers: [N] the row of each item.
        crossing: what a row is.
    """

    def __init__(self, items: ArtDataset, rows: Rows, numbers: Numbers, crossing: Crossing) -> None:
        self.targets = torch.from_numpy(items.targets[items.rows]).float()
        self.numbers = torch.from_numpy(items.numbers[items.rows])
        self.rows, self.where, self.crossing = rows, numbers, crossing

    def __len__(self) -> int:
        return len(self.where)

    def __getitems__(self, keys: Sequence[int]) -> tuple[tuple[torch.Tensor, ...], torch.Tensor, torch.Tensor]:
        """A batch: (what crosses, a tuple of [B, …]; target float32 [B]; row int64 [B])."""
        items = np.asarray(keys, dtype=np.int64) % len(self.where)
        return self.crossing.unpack(self.rows.read(self.where[items])), self.targets[items], self.numbers[items]


def _stored(value: torch.Tensor) -> torch.Tensor:
    """A tensor on the CPU, a channels-last map with its channels last."""
    value = value.detach().cpu()
    return value.permute(0, 2, 3, 1) if _is_channels_last(value) else value


def _is_channels_last(value: torch.Tensor) -> bool:
    return value.ndim == 4 and value.is_contiguous(memory_format=torch.channels_last)
