"""Listing AI-ArtBench's 185,015 files."""

import resource
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.bench import Bench
from benchmarks.results import Figure, Findings, Spread, number


def measure(bench: Bench) -> Findings:
    """List a made tree, once without counting, then in turn."""
    with bench.temporary() as folder:
        bench.call("tree", "pictures.make_tree", root=folder / "tree", divide_by=100 if bench.quick else 1)
        found = [bench.call("list", "rows.listing.list_tree", root=folder / "tree")[0] for _ in range(bench.repeat + 1)][1:]
    figures = [
        Figure(f"listing {found[0]['files']:,} files", Spread.of([one["seconds"] for one in found]), " s"),
        Figure("listing, peak memory", Spread.of([one["peak"] for one in found]), " MB"),
    ]
    before = number(median(one["before"] for one in found))
    return Findings(figures, [f"The system's caches are warm; {before} MB are Python and libraries."])


def list_tree(root: Path) -> dict[str, float]:
    """List a tree in this process, which should be fresh.

    Returns:
        files; seconds from the call to the manifest; megabytes: peak memory of the process, and what of it was there before
        the call (Python, pandas and Pillow).
    """
    from artclf.data.sources import read_any  # noqa: PLC0415 (its memory counts as there before)

    def peak() -> float:  # on Linux in KiB: man 2 getrusage
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6

    before, began = peak(), time.perf_counter()
    files = len(read_any(root).table)
    return {"files": files, "seconds": time.perf_counter() - began, "before": before, "peak": peak()}
