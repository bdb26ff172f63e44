"""Listing AI-ArtBench's 185,015 files, as benchmarks/listing.py measures it."""

import json
import sys

from benchmarks.bench import Bench
from benchmarks.results import Figure, Findings
from benchmarks.spread import Spread, number


def measure(bench: Bench) -> Findings:
    """List a made tree, once without counting, then in turn."""
    with bench.temporary() as folder:
        tree = folder / "tree"
        bench.module("tree", "tree", tree, *(["--divide-by", "100"] if bench.quick else []))
        found = [_list(bench, tree) for _ in range(bench.repeat + 1)][1:]
    files = found[0]["files"]
    figures = [
        Figure(f"listing {files:,.0f} files", Spread.of([one["seconds"] for one in found]), " s"),
        Figure("listing, peak memory", Spread.of([one["peak"] for one in found]), " MB"),
    ]
    before = number(Spread.of([one["before"] for one in found]).median)
    return Findings(
        figures,
        [f"The system's caches are warm; {before} MB are Python and libraries. `python -m benchmarks.listing`: cold too."],
    )


def _list(bench: Bench, tree: object) -> dict[str, float]:
    done = bench.child("list", [sys.executable, "-m", "benchmarks.listing", "--child", "--root", str(tree)])
    found: dict[str, float] = json.loads(done.log.read_text(encoding="utf-8").splitlines()[-1])
    return found
