"""Image files read by threads while the caller works with the batches before."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from artclf.data.images import UnreadableImage

_AHEAD = 2  # batches being read while the caller works: the next one, and another against slow images


@dataclass(frozen=True)
class Squares:
    """A batch of images as the network is shown them."""

    files: list[Path]  # [B]
    pixels: torch.Tensor  # uint8 [B, *shape]; zero if a file can't be read
    reasons: list[str]  # [B] why not; "" if it can


def read_ahead(
    files: Iterable[Path],
    read: Callable[[Path], torch.Tensor],
    shape: tuple[int, ...],
    *,
    batch: int,
    threads: int,
    pinned: bool = False,
) -> Generator[Squares]:
    """Read images in batches, in the order given. Closing the generator cancels what has not begun.

    Threads are as fast as processes, since Pillow and torchvision release Python's lock, and start at once. At most three
    batches of pixels are held, and one decoded image per thread.

    Args:
        files: consumed as needed. If it raises, the files before are handed out first.
        read: returns the uint8 pixels of a file, or raises UnreadableImage.
        shape: of what `read` returns: (3, S, S), or (V, 3, S, S) for V versions of an image.
        batch: files in a batch B; the last one may be smaller.
        threads: how many images are decoded at a time.
        pinned: allocate pinned memory, from which a CUDA device copies faster.
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
        place.numpy()[...] = square.numpy()  # torch's copy would start a team of threads in each of these
        return ""

    try:
        while True:
            while len(waiting) <= _AHEAD and failure is None:
                chunk: list[Path] = []
                try:
                    chunk.extend(islice(remaining, batch))  # what comes before a failure is kept
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
