"""`python -m benchmarks`: measure what is claimed about speed, and write RESULTS.md."""

import argparse
import shlex
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import machine
from benchmarks.bench import REAL_PICTURES, Bench
from benchmarks.page import page
from benchmarks.processes import ChildFailedError
from benchmarks.results import Findings, Measured, SkippedError, load, merge, save
from benchmarks.rows import ROWS

HERE = Path(__file__).resolve().parent
TITLES = {name: row.title for name, row in ROWS.items()}


def main() -> None:
    """The command line. Exit code 1 where a row failed; a target that is not reached is a finding, and no failure."""
    chosen = _parser().parse_args()
    if chosen.list:
        for name, row in ROWS.items():
            print(f"{name:<16} {row.title}\n{'':<16} minutes a round on 2 cores: {row.minutes}")
        return
    workdir = chosen.workdir.resolve()
    out = (chosen.out or (workdir if chosen.quick else HERE)).resolve()
    if chosen.take:
        _write(out, merge(load(out / "results.json"), load(chosen.take)))
        return
    bench = Bench(
        workdir=workdir,
        pictures=_pictures(chosen.data, quick=chosen.quick),
        repeat=chosen.repeat or (1 if chosen.quick else 3),
        quick=chosen.quick,
        plain_epochs=chosen.plain_epochs,
    )
    workdir.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(workdir / "temporary", ignore_errors=True)  # what a killed invocation has left
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what is temporary is removed, and no child left behind
    failed = []
    for name in chosen.only or ROWS:
        try:
            measured = measure(name, bench)
        except KeyboardInterrupt:
            print(f"interrupted in {name}; the rows before it are written: {out / 'RESULTS.md'}")
            sys.exit(130)
        if measured.why_not and not measured.why_not.startswith(SKIPPED):
            failed.append(name)
        _write(out, merge(load(out / "results.json"), {name: measured}))
    print(f"{out / 'RESULTS.md'}; what was printed meanwhile: {workdir / 'logs'}")
    if failed:
        sys.exit(1)


SKIPPED = "skipped: "


def measure(name: str, bench: Bench) -> Measured:
    """Measure a row and print what was found, or why there is nothing."""
    print(f"{name}: {ROWS[name].title}", flush=True)
    began = time.perf_counter()
    findings, why_not = Findings([]), ""
    try:
        findings = ROWS[name].measure(replace(bench, row=name))
    except SkippedError as error:
        why_not = f"{SKIPPED}{error}"
    except ChildFailedError as error:
        why_not = f"failed: {error}"
    except (OSError, ValueError, LookupError) as error:  # what a child should have left is not there, or not as it should be
        why_not = f"failed: {type(error).__name__}: {error}; what was printed: {bench.workdir / 'logs'}/{name}-*.log"
    for line in [why_not] if why_not else [figure.line() for figure in findings.figures]:
        print(f"  {line}", flush=True)
    return Measured(
        findings=findings,
        why_not=why_not,
        date=time.strftime("%Y-%m-%d"),
        machine=machine.machine(),
        versions=machine.versions(),
        commit=machine.commit(),
        command=shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        seconds=round(time.perf_counter() - began, 1),
    )


def _write(out: Path, rows: dict[str, Measured]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    save(out / "results.json", rows)
    (out / "RESULTS.md").write_text(page(rows, TITLES), encoding="utf-8")


def _pictures(given: Path | None, *, quick: bool) -> Path | None:
    """The real pictures; None where they are to be drawn, as they always are for a smoke run that names none."""
    if given is not None:
        if not given.is_dir():
            sys.exit(f"error: --data {given}: there is no such folder")
        return given.resolve()
    return REAL_PICTURES if REAL_PICTURES.is_dir() and not quick else None


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        raise argparse.ArgumentTypeError(f"got {', '.join(unknown)}; allowed: {', '.join(ROWS)}")
    return names


def _number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"got {text}; allowed: 1 or more")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", type=_names, metavar="NAME,…", help=f"measure these rows alone: {', '.join(ROWS)}")
    parser.add_argument(
        "--repeat", type=_number, default=None, metavar="N", help="rounds of each comparison (default 3; 1 with --quick)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a smoke run: everything tiny, figures mean nothing and are kept in the workdir"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help=f"real pictures in AI-ArtBench's layout (default: {REAL_PICTURES} if there, else drawn)",
    )
    parser.add_argument(
        "--workdir",
        type=Path,
        default=Path("outputs/benchmarks"),
        metavar="FOLDER",
        help="for logs, runs and what is made once (default outputs/benchmarks)",
    )
    parser.add_argument(
        "--plain-epochs",
        type=_number,
        metavar="N",
        help="of seed_job's plain Lightning, run N epochs of each stage and reckon the others",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where results.json and RESULTS.md are (default: benchmarks/)"
    )
    parser.add_argument(
        "--take", type=Path, metavar="FILE", help="measure nothing; take the rows of another machine's results.json"
    )
    parser.add_argument("--list", action="store_true", help="tell what the rows are and how long they take")
    return parser


if __name__ == "__main__":
    main()
