"""Image files read by threads while the caller works with the batches before."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from artclf.data.images import UnreadableImage
from artclf.data.reader import Pixels
from artclf.errors import ArtclfError

File = TypeVar("File")
_AHEAD = 2  # batches being read while the caller works: the next one, and another against slow images


@dataclass(frozen=True)
class PixelBatch(Generic[File]):
    """A batch of images as the network is shown them."""

    files: list[File]  # [B]
    pixels: Pixels  # uint8 [B, *shape]; zero if a file can't be read
    reasons: list[str]  # [B] why not; "" if it can


def share(tensors: Iterable[Any]) -> None:
    """Move tensors where other processes can read them. ArtclfError if there is no room.

    Left to the queue between processes, a full shared memory would be noticed by a thread that can only hang.
    """
    try:
        for tensor in tensors:
            tensor.share_memory_()
    except RuntimeError as error:
        raise ArtclfError(
            "the shared memory (/dev/shm) is full; type data.num_workers=0, or docker run --shm-size=1g"
        ) from error


def zero_pixels(shape: tuple[int, ...]) -> Pixels:
    """Allocate zeros, uint8."""
    return np.zeros(shape, dtype=np.uint8)


def read_batches(
    files: Iterable[File],
    read: Callable[[File], Pixels],
    shape: tuple[int, ...],
    *,
    batch: int,
    threads: int,
    zeros: Callable[[tuple[int, ...]], Pixels] = zero_pixels,
) -> Generator[PixelBatch[File]]:
    """Read images in batches, in the order given. Closing the generator cancels what has not begun.

    A few threads are as fast as processes, since Pillow and torchvision release Python's lock, and start at once. At most
    three batches of pixels are held, and one decoded image per thread.

    Args:
        files: consumed as needed.
        read: returns the uint8 pixels of a file, or raises UnreadableImage.
        shape: of what `read` returns: (3, S, S), or (V, 3, S, S) for V versions of an image.
        batch: files in a batch; the last one may be smaller.
        threads: how many images are decoded at a time.
        zeros: allocates a batch's pixels; for a CUDA device in pinned memory, from which it copies faster.
    """
    remaining = iter(files)
    pending: deque[tuple[list[File], Pixels, list[Future[str]]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    try:
        while True:
            while len(pending) <= _AHEAD and (chunk := list(islice(remaining, batch))):
                pixels = zeros((len(chunk), *shape))
                jobs = [pool.submit(_read_into, place, read, file) for place, file in zip(pixels, chunk, strict=True)]
                pending.append((chunk, pixels, jobs))
            if not pending:
                return
            chunk, pixels, jobs = pending.popleft()
            yield PixelBatch(chunk, pixels, [job.result() for job in jobs])
    finally:
        pool.shutdown(cancel_futures=True)


def _read_into(place: Pixels, read: Callable[[File], Pixels], file: File) -> str:
    """Write an image's pixels to their place; returns the reason if it can't be read."""
    try:
        place[...] = read(file)
    except UnreadableImage as error:
        return error.reason
    return ""
