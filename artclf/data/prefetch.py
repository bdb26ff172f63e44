"""Pictures read in a few threads, ahead of whoever computes with them."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from artclf.data.images import UnreadableImage

_AHEAD = 2  # batches read or being read while another is computed with: one to go on with, and one against slow pictures


@dataclass(frozen=True)
class Squares:
    """A batch of pictures as the network is shown them.

    Attributes:
        files: [B] the files.
        pixels: uint8 [B, *shape]; zero where a file can't be read.
        reasons: [B] why not; "" where it can.
    """

    files: list[Path]
    pixels: torch.Tensor
    reasons: list[str]


def read_ahead(
    files: Iterable[Path],
    read: Callable[[Path], torch.Tensor],
    shape: tuple[int, ...],
    *,
    batch: int,
    threads: int,
    pinned: bool = False,
) -> Generator[Squares]:
    """Read pictures in batches, in the order given, while the caller works on those before.

    Threads, since Pillow and torchvision do their work outside of Python's lock: processes are no faster, and take seconds to
    start. Three batches of pixels at most are held, and a decoded picture a thread. Whoever stops early closes the iterator
    (or lets it go): what has not been begun is then left, and what has is waited for.

    Args:
        files: the files; taken as they are needed. Where that fails, those before are handed out first.
        read: gives the uint8 pixels of a file, in one of the threads, or raises UnreadableImage.
        shape: of what `read` gives, such as (3, S, S), or (V, 3, S, S) for V versions of an image.
        batch: how many to a batch B; the last one may be smaller.
        threads: how many pictures are decoded at a time.
        pinned: whether the pixels are for a CUDA device, which fetches them faster from pinned memory.
    """
    remaining = iter(files)
    waiting: deque[tuple[list[Path], torch.Tensor, list[Future[str]]]] = deque()
    failure: Exception | None = None
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    def read_into(place: torch.Tensor, file: Path) -> str:
        try:
            square = read(file)
        except UnreadableImage as error:
            return error.reason
        place.numpy()[...] = square.numpy()  # torch's copy would take a team of threads for each of these
        return ""

    try:
        while True:
            while len(waiting) <= _AHEAD and failure is None:
                chunk = []
                try:
                    for file in islice(remaining, batch):
                        chunk.append(file)  # noqa: PERF402 (what came before a failure is kept)
                except Exception as error:  # noqa: BLE001 (raised again below)
                    failure = error
                if not chunk:
                    break
                pixels = torch.zeros((len(chunk), *shape), dtype=torch.uint8, pin_memory=pinned)
                places = zip(pixels, chunk, strict=True)
                waiting.append((chunk, pixels, [pool.submit(read_into, place, file) for place, file in places]))
            if not waiting:
                break
            chunk, pixels, results = waiting.popleft()
            yield Squares(chunk, pixels, [result.result() for result in results])
        if failure is not None:
            raise failure
    finally:
        pool.shutdown(cancel_futures=True)
