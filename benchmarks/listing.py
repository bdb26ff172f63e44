"""How long a source takes to list AI-ArtBench's 185,015 files, and how much memory: `python -m benchmarks.listing`.

It makes a tree of hard links in the temporary folder (some seconds) and removes it afterwards; `--root FOLDER` lists what you
have instead. Each measurement is a Python process of its own. "Cold" drops the system's caches first, which needs root on
Linux; where that is refused, the line says so.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEGABYTE = 1e6
DROP_CACHES = Path("/proc/sys/vm/drop_caches")
PEAK_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in a unit of ru_maxrss: man 2 getrusage


def measure(root: Path) -> dict[str, float]:
    """List a tree in this process, which should be fresh.

    Returns:
        files; seconds from the call to the manifest; megabytes: peak memory of the process, and what of it was there before
        the call (Python, pandas and Pillow).
    """
    from artclf.data.sources import read_any  # noqa: PLC0415 (its memory counts as there before)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    manifest = read_any(root)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "files": len(manifest.table),
        "seconds": seconds,
        "before": before * PEAK_UNIT / MEGABYTE,
        "peak": peak * PEAK_UNIT / MEGABYTE,
    }


def drop_caches() -> str:
    """Make the system forget what it read from disk; "" where it did, else why not."""
    try:
        subprocess.run(["sync"], check=True)
        DROP_CACHES.write_text("3\n")
    except (OSError, subprocess.CalledProcessError) as error:
        return str(error)
    return ""


def in_child(root: Path) -> dict[str, float]:
    """`measure` in a new Python."""
    command = [sys.executable, "-m", "benchmarks.listing", "--child", "--root", str(root)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def line(name: str, found: dict[str, float]) -> str:
    """One measurement as a line."""
    return (
        f"{name:<6} {found['files']:>9,.0f} files  {found['seconds']:7.2f} s  "
        f"peak {found['peak']:6.0f} MB, of which {found['before']:.0f} MB before listing"
    )


def report(root: Path, repeat: int, *, keep_caches: bool) -> None:
    """Measure cold, then warm, and print."""
    refused = "as asked" if keep_caches else drop_caches()
    first = "first" if refused else "cold"
    print(line(first, in_child(root)) + (f"  (caches not dropped: {refused})" if refused else ""))
    for _ in range(repeat):
        print(line("warm", in_child(root)))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.listing", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, help="list this folder instead of a made tree")
    parser.add_argument("--repeat", type=int, default=3, help="warm measurements (default 3)")
    parser.add_argument("--keep-caches", action="store_true", help="do not try to drop the system's caches first")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(measure(chosen.root)))
    elif chosen.root:
        report(chosen.root, chosen.repeat, keep_caches=chosen.keep_caches)
    else:
        with tempfile.TemporaryDirectory(prefix="artclf-listing-") as folder:
            root = Path(folder) / "tree"
            # in a process of its own: on Linux a child's peak begins at what its parent held when it was started
            subprocess.run([sys.executable, "-m", "benchmarks.tree", str(root)], check=True)
            report(root, chosen.repeat, keep_caches=chosen.keep_caches)


if __name__ == "__main__":
    main()
