"""Try images, command lines and run folders, and say how many were tried and how many failed."""

import argparse
import sys

from tests.trials import commandline, folders, images

PARTS = {"images": images, "commandline": commandline, "folders": folders}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.trials", description=__doc__)
    for part in PARTS:
        parser.add_argument(
            f"--{part}", type=int, metavar="COUNT", help=f"how many {part} are tried; 300 of each if none is given"
        )
    parser.add_argument("--seed", type=int, default=0)
    asked = vars(parser.parse_args())
    seed = asked.pop("seed")
    counts = {part: count for part, count in asked.items() if count is not None} or dict.fromkeys(PARTS, 300)
    failed = False
    for part, count in counts.items():
        tried, failures = PARTS[part].run(count, seed)
        for line in failures:
            print(f"FAILED {part}: {line}")
        print(f"{part}: {tried:,} tried, {len(failures):,} failed (seed {seed})")
        failed |= bool(failures)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
