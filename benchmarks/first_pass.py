"""The first pass over new pictures, by itself: `python -m benchmarks.first_pass PICTURES COUNT SIZE OUT`.

It fills ARTCLF_CACHE, and calls the pixel store as training does. This is the one place that knows how: what changes there is
changed here.
"""

import argparse
import importlib
import json
import time
from pathlib import Path
from typing import Any

from artclf.data.reader import ImageReader
from benchmarks.table import distinct_path

STORE = "artclf.data.pixels"
WORKERS = 2  # as data.num_workers has it


def first_pass(pictures: Path, count: int, size: int) -> dict[str, float]:
    """Read, hash, decode and keep pictures, then look at them again.

    Args:
        pictures: the folder that `benchmarks.pictures distinct` made.
        count: how many of them.
        size: pixels a side that are kept.

    Returns:
        `seconds` of the first pass, `again` of the second.
    """
    store: Any = importlib.import_module(STORE)
    paths = [distinct_path(serial) for serial in range(count)]
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        pixels = store.PixelStore(pictures, ImageReader(size), max_gb=None)
        looks = pixels.inspect(paths, workers=WORKERS)
        seconds.append(time.perf_counter() - began)
        if len(pixels) != count or (looks["reason"] != "").any():
            raise RuntimeError(f"{len(pixels)} of {count} pictures were kept")
    return {"seconds": seconds[0], "again": seconds[1]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_pass", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("size", type=int)
    parser.add_argument("out", type=Path)
    chosen = parser.parse_args()
    chosen.out.write_text(json.dumps(first_pass(chosen.pictures, chosen.count, chosen.size)), encoding="utf-8")
