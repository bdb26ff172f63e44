"""`python -m benchmarks`: measure what is claimed about speed and memory, and write RESULTS.md."""

import argparse
import inspect
import shlex
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import machine
from benchmarks.bench import REAL_IMAGES, Bench
from benchmarks.processes import ChildFailedError
from benchmarks.results import Figure, Measured, SkippedError, save
from benchmarks.rows import GROUPS, ROWS, TITLES

HERE = Path(__file__).resolve().parent


def main() -> None:
    """The command line. Exit code 1 where a row failed; a target that is not reached is a finding, and no failure."""
    chosen = _parser().parse_args()
    if chosen.list:
        for name, measured_by in ROWS.items():
            print(f"{name}: {inspect.getdoc(measured_by)}\n")
        return
    workdir = chosen.workdir.resolve()
    out = (chosen.out or (workdir if chosen.quick else HERE)).resolve()
    if chosen.data and not chosen.data.is_dir():
        sys.exit(f"error: --data {chosen.data}: there is no such folder")
    real = REAL_IMAGES if REAL_IMAGES.is_dir() and not chosen.quick else None
    repeat = chosen.repeat or (1 if chosen.quick else 3)
    bench = Bench(workdir, chosen.data.resolve() if chosen.data else real, repeat, chosen.quick, chosen.plain_epochs)
    shutil.rmtree(workdir / "temporary", ignore_errors=True)  # left by a killed invocation
    failed = False
    for name in chosen.only or ROWS:
        measured = measure(name, bench)
        failed |= measured.why_not.startswith("failed")
        save(out, {name: measured}, TITLES)
    print(f"{out / 'RESULTS.md'}; logs: {workdir / 'logs'}")
    if failed:
        sys.exit(1)


def measure(name: str, bench: Bench) -> Measured:
    """Measure a row and print what was found, or why there is nothing."""
    print(f"{name}: {TITLES[name]}", flush=True)
    began = time.perf_counter()
    figures: list[Figure] = []
    notes: list[str] = []
    why_not = ""
    try:
        figures, notes = ROWS[name](replace(bench, row=name))
    except SkippedError as error:
        why_not = f"skipped: {error}"
    except (ChildFailedError, OSError, ValueError, LookupError) as error:  # also where a child left no result
        why_not = f"failed: {type(error).__name__}: {error}"
    for line in [why_not] if why_not else ["  ".join(figure.cells()) for figure in figures]:
        print(f"  {line}", flush=True)
    command = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
    seconds = round(time.perf_counter() - began, 1)
    return Measured(figures, notes, why_not, time.strftime("%Y-%m-%d"), machine.where(), machine.commit(), command, seconds)


def _names(text: str) -> list[str]:
    names = [name for part in text.split(",") for name in GROUPS.get(part, [part])]
    if unknown := [name for name in names if name not in ROWS]:
        raise argparse.ArgumentTypeError(f"got {', '.join(unknown)}; allowed: {', '.join([*ROWS, *GROUPS])}")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--only", type=_names, metavar="NAME,…", help=f"measure these alone: {', '.join([*ROWS, *GROUPS])} (a group)")
    add("--repeat", type=int, metavar="N", help="rounds of each comparison (default 3; 1 with --quick)")
    add("--quick", action="store_true", help="a smoke run: everything is tiny, and the figures are kept in the workdir")
    add("--data", type=Path, metavar="FOLDER", help=f"real images, as AI-ArtBench (default: {REAL_IMAGES}, else drawn)")
    add("--workdir", type=Path, default=Path("outputs/benchmarks"), metavar="FOLDER", help="for logs and runs (%(default)s)")
    add("--plain-epochs", type=int, metavar="N", help="of seed_job's plain Lightning, run N epochs a stage and extrapolate")
    add("--out", type=Path, metavar="FOLDER", help="where results.json and RESULTS.md are (default: benchmarks/)")
    add("--list", action="store_true", help="list the rows and how long they take")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that temporary folders are removed and children ended
    main()
